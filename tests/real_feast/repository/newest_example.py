"""The newest values in the examples of `feast init`, as an online server must answer them: `newest_example.py FILE`."""

import json
import sys

import pyarrow.parquet

drivers = [1001, 1002]
features = ["conv_rate", "avg_daily_trips"]
newest = {}
for row in pyarrow.parquet.read_table(sys.argv[1]).to_pylist():
    known = newest.get(row["driver_id"])
    # Of rows with the same event time, the most recently created one is used.
    time = (row["event_timestamp"], row["created"])
    if known is None or (known["event_timestamp"], known["created"]) < time:
        newest[row["driver_id"]] = row
answer = {name: [newest[driver][name] for driver in drivers] for name in features}
print(json.dumps({"driver_id": drivers, **answer}))
