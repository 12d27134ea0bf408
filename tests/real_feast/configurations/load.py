"""Loads every YAML file of a folder as a configuration of Feast, and prints what it does not load: `load.py FOLDER`."""

import json
import logging
import os
import sys
from pathlib import Path

import yaml
from feast.repo_config import RepoConfig
from pydantic import BaseModel

logging.disable(logging.CRITICAL)


def unknown(path, model):
    keys = [f"{path}.{key}" for key in model.model_extra or {}]
    for name, value in model:
        if isinstance(value, BaseModel):
            keys += unknown(f"{path}.{name}", value)
    return keys


def problem(path):
    text = os.path.expandvars(path.read_text())
    config = RepoConfig(**yaml.safe_load(text))
    sections = {
        "registry": config.registry,
        "online_store": config.online_store,
        "offline_store": config.offline_store,
        "auth": config.auth_config,
        "batch_engine": config.batch_engine,
        "feature_server": config.feature_server,
        "materialization": config.materialization_config,
        "openlineage": config.openlineage,
        "mlflow": config.mlflow,
        "data_quality_monitoring": config.data_quality_monitoring_config,
        "embedding_model": config.embedding_model,
    }
    models = {name: section for name, section in sections.items() if isinstance(section, BaseModel)}
    keys = [f"config.{key}" for key in config.model_extra or {}]
    keys += [key for name, section in models.items() for key in unknown(name, section)]
    return f"unknown keys: {keys}" if keys else None


loaded, failed = 0, []
for path in sorted(Path(sys.argv[1]).glob("*.yaml")):
    loaded += 1
    try:
        found = problem(path)
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
    if found:
        failed.append({"file": path.name, "problem": found})
print(json.dumps({"loaded": loaded, "failed": failed}))
