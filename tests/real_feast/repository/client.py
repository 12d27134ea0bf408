"""Asks a feature store as an application in the cluster does, and prints the responses as one line of JSON."""

import datetime
import json

import pandas
from feast import FeatureStore

store = FeatureStore(repo_path=".")
online = store.get_online_features(
    features=["driver_stats:conv_rate", "driver_stats:trips"],
    entity_rows=[{"driver_id": 1001}, {"driver_id": 1002}],
).to_dict()
then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=90)
historical = store.get_historical_features(
    entity_df=pandas.DataFrame({"driver_id": [1001, 1002], "event_timestamp": [then, then]}),
    features=["driver_stats:trips"],
).to_df()
historical = historical.sort_values("driver_id")[["driver_id", "trips"]]
print()
print(
    json.dumps(
        {
            "views": [view.name for view in store.list_feature_views()],
            "online": online,
            "historical": historical.to_dict(orient="list"),
        }
    )
)
