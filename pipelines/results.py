"""What a finished run on this machine tells its user: the tables of results, and where everything lies."""

from __future__ import annotations

import os
from pathlib import Path

from solid.files import read_json


def tell(run: Path) -> str:
    """The table of each evaluation, where the report is, and what was registered."""
    lines = []
    tables = sorted(run.rglob("results/table.md"))
    for table in tables:
        if len(tables) > 1:
            trained = next(table.parents[2].rglob("trained/config.json"))
            lines.append(f"{read_json(trained)['model']['backbone']}:\n")
        shown = Path(os.path.relpath(table.parent))
        lines += [table.read_text(encoding="utf-8"), f"report            {shown / 'report.html'}"]
    for path in sorted(run.rglob("registration/registration.json")):
        registered = read_json(path)
        aliases = " and ".join(f"models:/{registered['name']}@{alias}" for alias in registered["aliases"])
        lines.append(f"registered model  version {registered['version']}, {aliases}")
        champion = registered["champion"]["after"]
        lines.append(f"champion          {f'version {champion}' if champion else 'none'}: {registered['reason']}")
    return "\n".join([*lines, f"all outputs       {os.path.relpath(run)}"])
