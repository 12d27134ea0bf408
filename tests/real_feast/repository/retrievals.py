"""Retrieves historical features several times, each with a new client, and prints the values: `retrievals.py NUMBER`."""

import datetime
import json
import sys

import pandas
from feast import FeatureStore

then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=90)
entities = pandas.DataFrame({"driver_id": [1001, 1002], "event_timestamp": [then, then]})
trips = []
for _ in range(int(sys.argv[1])):
    store = FeatureStore(repo_path=".")
    rows = store.get_historical_features(entity_df=entities, features=["driver_stats:trips"]).to_df()
    trips.append(rows.sort_values("driver_id")["trips"].tolist())
print()
print(json.dumps(trips))
