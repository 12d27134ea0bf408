from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.types import Float32, Int64, String

driver = Entity(name="driver", join_keys=["driver_id"])
source = FileSource(name="driver_stats_source", path="data/ours.parquet", timestamp_field="event_timestamp")
driver_stats = FeatureView(
    name="driver_stats",
    entities=[driver],
    ttl=timedelta(days=7),
    schema=[Field(name="conv_rate", dtype=Float32), Field(name="trips", dtype=Int64)],
    source=source,
)
trips = FeatureService(name="trips", features=[driver_stats[["trips"]]])

# `feast mlflow sync-dataset` writes to this feature view.
question = Entity(name="question", join_keys=["question"], value_type=ValueType.STRING)
answers = FeatureView(
    name="answers",
    entities=[question],
    schema=[Field(name="question", dtype=String), Field(name="answer", dtype=String)],
    source=FileSource(name="answers_source", path="data/answers.parquet", timestamp_field="event_timestamp"),
)
