from datetime import timedelta

from feast import Entity, FeatureView, Field, FileSource
from feast.types import Float32, Int64

driver = Entity(name="driver", join_keys=["driver_id"])
for number in range(VIEWS):
    source = FileSource(name=f"source_{number}", path="data/driver_stats.parquet", timestamp_field="event_timestamp")
    globals()[f"source_{number}"] = source
    globals()[f"view_{number}"] = FeatureView(
        name=f"stats_{number}",
        entities=[driver],
        ttl=timedelta(days=7),
        schema=[Field(name="conv_rate", dtype=Float32), Field(name="acc_rate", dtype=Float32)MORE],
        source=source,
    )
