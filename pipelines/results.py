"""What a finished run on this machine tells its user: the tables of results, and where everything lies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from solid.storage.local import read_json
from solid.storage.outputs import download_folder


def tell(run: Path, store: str | None = None) -> str:
    """The table of each evaluation, where the report is, and what was registered.

    Args:
        run: the folder of a run.
        store: the address that it got for its artifacts, if any.
    """
    lines = []
    evaluations = list(_tasks(run, "results"))
    for said, made in evaluations:
        if len(evaluations) > 1:
            lines.append(f"{said.parent.name.removeprefix('evaluate-')}:\n")
        results = _folder(made["results"])
        report = made["report"]["uri"] if store else os.path.relpath(results / "report.html")
        lines += [(results / "table.md").read_text(encoding="utf-8"), f"report            {report}"]
    for _, made in _tasks(run, "registration"):
        registered = read_json(_folder(made["registration"]) / "registration.json")
        if registered["version"] is None:  # nobody asked for it
            continue
        aliases = " and ".join(f"models:/{registered['name']}@{alias}" for alias in registered["aliases"])
        lines.append(f"registered model  version {registered['version']}, {aliases}")
        champion = registered["champion"]["after"]
        lines.append(f"champion          {f'version {champion}' if champion else 'none'}: {registered['reason']}")
    place = f"{store.rstrip('/')}/{run.name}" if store else os.path.relpath(run)
    return "\n".join([*lines, f"all outputs       {place}"])


def _tasks(run: Path, output: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """For each task that made an output of this name, in their order: where it said so, all its artifacts by name."""
    for said in sorted(run.rglob("executor_output.json"), key=lambda said: said.stat().st_mtime):
        artifacts = {name: entry["artifacts"][0] for name, entry in read_json(said)["artifacts"].items()}
        if output in artifacts:
            yield said, artifacts


def _folder(artifact: dict[str, Any]) -> Path:
    """The artifact on this machine."""
    uri = str(artifact["uri"])
    return download_folder(uri) if uri.startswith("s3://") else Path(uri)
