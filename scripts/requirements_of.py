"""Print what an image installs: of pyproject.toml, for the steps or for serving; standard library alone."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

# What only training, reading data and reports import.
NOT_FOR_SERVING = {"jinja2", "narwhals", "pillow", "plotly", "scikit-learn"}


def main(purpose: str) -> None:
    """Print a requirement a line."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"]
    if purpose == "serve":
        wanted = [one for one in wanted if re.split(r"[^\w-]", one)[0] not in NOT_FOR_SERVING]
        wanted += project["optional-dependencies"]["serve"]
    elif purpose != "steps":
        sys.exit(f"Error: FOR={purpose}: an image is for steps or for serve")
    print(*wanted, sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
