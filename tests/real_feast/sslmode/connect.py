"""Connects to the online store and to the registry of each configuration, and prints the errors: `connect.py FOLDER...`."""

import json
import sys

import sqlalchemy
from feast import FeatureStore
from feast.infra.utils.postgres.connection_utils import _get_conn


def online(config):
    with _get_conn(config.online_store) as connection:
        connection.execute("select 1")


def registry(config):
    with sqlalchemy.create_engine(config.registry.path).connect() as connection:
        connection.execute(sqlalchemy.text("select 1"))


def error(connect, config):
    try:
        connect(config)
    except Exception as error:
        return str(error)


configurations = [FeatureStore(repo_path=folder).config for folder in sys.argv[1:]]
print(json.dumps([[error(connect, config) for connect in (online, registry)] for config in configurations]))
