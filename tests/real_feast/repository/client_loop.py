"""Asks for features until the file `stop` exists, and prints the numbers of requests as one line of JSON."""

import json
import time
from pathlib import Path

from feast import FeatureStore

store = FeatureStore(repo_path=".")
numbers = {"served": 0, "rejected": 0, "unexpected": []}
while not Path("stop").exists():
    try:
        store.get_online_features(features=["driver_stats:trips"], entity_rows=[{"driver_id": 1001}])
        numbers["served"] += 1
    except Exception as error:
        # By the client itself, or by the server.
        if any(text in str(error) for text in ("is in state 'MATERIALIZING'", "too many 500 error responses")):
            numbers["rejected"] += 1
        else:
            numbers["unexpected"].append(str(error))
    Path("started").touch()
    time.sleep(0.1)
print()
print(json.dumps(numbers))
