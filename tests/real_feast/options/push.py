"""Pushes rows to the offline store and prints the answer's status: `push.py FIRST_DRIVER ROWS`."""

import datetime
import json
import sys
import urllib.request

first, rows = map(int, sys.argv[1:])
now = datetime.datetime.now(datetime.timezone.utc).isoformat()
body = {
    "push_source_name": "driver_stats_pushed",
    "df": {
        "driver_id": list(range(first, first + rows)),
        "event_timestamp": [now] * rows,
        "conv_rate": [0.1] * rows,
        "trips": [1] * rows,
    },
    "to": "offline",
}
request = urllib.request.Request(
    "http://127.0.0.1:6566/push",
    data=json.dumps(body).encode(),
    headers={"Content-Type": "application/json"},
)
print(urllib.request.urlopen(request, timeout=60).status)
