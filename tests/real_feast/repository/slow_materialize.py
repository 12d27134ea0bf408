"""Runs `feast materialize-incremental` up to now, and waits before it writes: `slow_materialize.py SECONDS`."""

import sys
import time
from datetime import datetime, timezone

from feast import FeatureStore
from feast.cli.cli import cli

online_store = type(FeatureStore(repo_path=".")._get_provider().online_store)
write = online_store.online_write_batch


def wait_and_write(*arguments, **more):
    time.sleep(float(sys.argv[1]))
    return write(*arguments, **more)


online_store.online_write_batch = wait_and_write
cli(["materialize-incremental", datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")])
