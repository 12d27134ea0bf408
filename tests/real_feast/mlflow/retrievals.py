"""Retrieves features in runs of MLflow, as training does: `retrievals.py`, in the folder of a client's configuration."""

import datetime

import pandas
from feast import FeatureStore

then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=90)


def entities(rows):
    return pandas.DataFrame({"driver_id": [1001, 1002] * (rows // 2), "event_timestamp": [then] * rows})


store = FeatureStore(repo_path=".")
for rows in (2, 4):
    with store.mlflow.start_run(run_name=f"{rows} rows"):
        store.get_historical_features(entities(rows), ["driver_stats:trips"]).to_df()
with store.mlflow.start_run(run_name="online"):
    store.get_online_features(
        store.get_feature_service("trips"), [{"driver_id": 1001}, {"driver_id": 1002}, {"driver_id": 9999}]
    )
