"""Writes the data of the tests: `data.py parquet FILE` or `data.py table HOST DATABASE USER PASSWORD`."""

import datetime
import sys

now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
hours = [now - datetime.timedelta(hours=age) for age in (1, 2)]
# The newest row comes first. Only its values are expected.
ROWS = [
    (1001, hours[0], 0.25, 11),
    (1002, hours[0], 0.5, 22),
    (1001, hours[1], 0.9, 90),
    (1002, hours[1], 0.8, 80),
]
COLUMNS = ["driver_id", "event_timestamp", "conv_rate", "trips"]

if sys.argv[1] == "parquet":
    import pyarrow
    import pyarrow.parquet

    types = [pyarrow.int64(), pyarrow.timestamp("us", tz="UTC"), pyarrow.float32(), pyarrow.int64()]
    columns = [pyarrow.array(values, kind) for values, kind in zip(zip(*ROWS), types)]
    pyarrow.parquet.write_table(pyarrow.table(columns, COLUMNS), sys.argv[2])
else:
    import psycopg

    host, database, user, password = sys.argv[2:]
    with psycopg.connect(host=host, dbname=database, user=user, password=password) as connection:
        connection.execute(
            "create table driver_stats"
            " (driver_id bigint, event_timestamp timestamptz, conv_rate real, trips bigint)"
        )
        connection.cursor().executemany("insert into driver_stats values (%s, %s, %s, %s)", ROWS)
