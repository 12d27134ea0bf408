"""Prints the packages that the Dockerfile of Feast installs, and the extras of `feast[minimal]`."""

import json
import re
from importlib.metadata import requires
from pathlib import Path

import feast

image = Path(feast.__file__).parent / "infra" / "feature_servers" / "multicloud" / "requirements.txt"
[packages] = [line for line in image.read_text().splitlines() if not line.startswith("#")]
[minimal] = [line for line in requires("feast") if line.endswith('extra == "minimal"')]
extras = re.search(r"\[(.*)\]", minimal).group(1).split(",")
print(json.dumps({"image": packages, "extras": extras}))
