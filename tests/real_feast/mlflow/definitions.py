
# Added to the definitions of `repository/from_a_file.py`.
from feast import FeatureService, ValueType
from feast.types import String

trips = FeatureService(name="trips", features=[driver_stats[["trips"]]])

# `feast mlflow sync-dataset` writes to this feature view.
question = Entity(name="question", join_keys=["question"], value_type=ValueType.STRING)
answers = FeatureView(
    name="answers",
    entities=[question],
    schema=[Field(name="question", dtype=String), Field(name="answer", dtype=String)],
    source=FileSource(name="answers_source", path="data/answers.parquet", timestamp_field="event_timestamp"),
)
