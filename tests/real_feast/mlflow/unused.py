"""Prints the settings of MLflow that no file of Feast reads, except for the one that declares them."""

import re
from pathlib import Path

import feast
from feast.mlflow_integration.config import MlflowConfig

folder = Path(feast.__file__).parent
declaration = folder / "mlflow_integration" / "config.py"
text = "\n".join(path.read_text() for path in folder.rglob("*.py") if path != declaration and "mlflow" in path.read_text())
methods = declaration.read_text().split("class MlflowConfig")[1]
read = lambda name: re.search(rf"""[."']{name}\b""", text) or f"self.{name}" in methods
print(" ".join(sorted(name for name in MlflowConfig.model_fields if not read(name))))
