"""Prints the sections of `feature_store.yaml` as Feast reads them, and the keys in them that it does not know."""

import json
from pathlib import Path

from feast.repo_config import load_repo_config
from pydantic import BaseModel

config = load_repo_config(Path("."), Path("feature_store.yaml"))
sections = {
    "registry": config.registry,
    "feature_server": config.feature_server,
    "materialization": config.materialization_config,
    "openlineage": config.openlineage,
    "mlflow": config.mlflow,
    "data_quality_monitoring": config.data_quality_monitoring_config,
}


def unknown(path, model):
    keys = [f"{path}.{key}" for key in model.model_extra or {}]
    for name, value in model:
        if isinstance(value, BaseModel):
            keys += unknown(f"{path}.{name}", value)
    return keys


print(
    json.dumps(
        {
            "read": {name: section.model_dump(exclude_unset=True) for name, section in sections.items()},
            "unknown": [key for name, section in sections.items() for key in unknown(name, section)],
        }
    )
)
