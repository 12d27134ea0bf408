"""Prints how many rows a file has: `rows.py FILE`."""

import sys

import pyarrow.parquet

print(pyarrow.parquet.read_metadata(sys.argv[1]).num_rows)
