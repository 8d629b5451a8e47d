"""Run the whole chain with DVC: on the sample data in this folder, or on the user's own data in ``runs/<name>``.

`make run` calls it. A run on own data gets a DVC workspace of its own, with a copy of dvc.yaml and params.yaml,
so that no file git tracks changes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from solid.data.readers import find_reader
from solid.errors import SolidError
from solid.settings.loading import load_settings

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


def main() -> None:
    """Parse, prepare the workspace, reproduce it, say what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="", help="folder, https:// or s3:// address; empty: the sample data")
    parser.add_argument("--format", default="auto", help="reader of the data, see solid ingest --help")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", dest="overrides")
    arguments = parser.parse_args()
    try:
        if arguments.format != "auto":
            if not arguments.source:
                raise SolidError(f"FORMAT={arguments.format} goes with SOURCE=<folder or address>")
            find_reader(Path(arguments.source), arguments.format)  # is there such a reader?
        if arguments.source or arguments.overrides:
            workspace = own_workspace(arguments.source, arguments.format, arguments.overrides)
        else:
            workspace = sample_workspace()
    except SolidError as error:
        sys.exit(f"Error: {error}")
    reproduce(workspace)


def sample_workspace() -> Path:
    """The repository itself, with the sample data in place."""
    load_settings(ROOT / "params.yaml")  # a fault in it is said here, before anything runs
    if not (ROOT / "data").is_dir():
        subprocess.run([BIN / "solid", "sample", "--out", "data"], cwd=ROOT, check=True)
    return ROOT


def own_workspace(source: str, reader: str, overrides: list[str]) -> Path:
    """A DVC workspace in ``runs/``, named after the source (and the settings that differ), made on first use."""
    local = bool(source) and "://" not in source
    if local and not Path(source).expanduser().exists():
        raise SolidError(f"SOURCE {source}: no such folder or file; give one, or an https:// or s3:// address")
    address = str(Path(source).expanduser().resolve()) if local else source
    if not source:
        sample_workspace()
        address = str(ROOT / "data")
    changes = [f"data.source={json.dumps(address)}", f"data.format={reader}", *overrides]
    # The hash tells sources of the same name apart, on disk and in the registry.
    place = re.sub(r"\W+", "-", urlsplit(address).path.rstrip("/").rpartition("/")[2]).strip("-").lower()
    name = f"{place or 'data'}-{short_hash(address)}" if source else "sample"
    if not any(change.startswith("registry.name=") for change in overrides):
        changes.append(f"registry.name=solid-{name}")
    settings = load_settings(ROOT / "params.yaml", changes)

    workspace = ROOT / "runs" / "-".join([name, *([short_hash(*overrides)] if overrides else [])])
    print(f"workspace {workspace.relative_to(ROOT)}" + "".join(f"\n  {change}" for change in overrides))
    workspace.mkdir(parents=True, exist_ok=True)
    if not (workspace / ".dvc").is_dir():
        subprocess.run([BIN / "dvc", "init", "--no-scm", "--quiet"], cwd=workspace, check=True)
        shutil.copy(ROOT / ".dvc" / "config", workspace / ".dvc" / "config")
        subprocess.run([BIN / "dvc", "config", "core.no_scm", "true"], cwd=workspace, check=True)
    params = yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False)
    (workspace / "params.yaml").write_text(params, encoding="utf-8")
    graph = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    for stage in graph["stages"].values():
        body: dict[str, Any] = stage.get("do", stage)
        # The code lies elsewhere; and DVC cannot watch a remote address for changes, so that is no dependency.
        code = [path for path in body["deps"] if path.startswith("solid/")]
        remote = {"${data.source}"} if source and not local else set()
        body["deps"] = [path for path in body["deps"] if path not in {*code, *remote}] + source_files(code)
    (workspace / "dvc.yaml").write_text(yaml.safe_dump(graph, sort_keys=False), encoding="utf-8")
    return workspace


def short_hash(*texts: str) -> str:
    """Six characters that tell settings or addresses apart."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:6]


def source_files(paths: list[str]) -> list[str]:
    """The files of code folders, one by one: outside a workspace DVC would watch compiled files, too."""
    found = [file for path in paths for file in [ROOT / path, *sorted((ROOT / path).rglob("*"))]]
    return [str(file) for file in found if file.suffix in {".py", ".jinja"}]


def reproduce(workspace: Path) -> None:
    """Run `dvc repro`, passing its output on, then show the table and where everything lies."""
    environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    environment.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{ROOT / 'mlflow.db'}")
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C reaches DVC and the step, too; wait for them to end
    if subprocess.run([BIN / "dvc", "status", "--quiet"], cwd=workspace, env=environment, check=False).returncode == 0:
        print("Nothing to do: data, settings and code are as they were.")
    elif subprocess.run([BIN / "dvc", "repro"], cwd=workspace, env=environment, check=False).returncode:
        sys.exit("\nStopped, for the reason above. What is done stays: the same command goes on from here.")
    settings = load_settings(workspace / "params.yaml")
    work = workspace / "work" / settings.model.backbone
    shown = Path(os.path.relpath(work))
    print(f"\n{(work / 'evaluation' / 'table.md').read_text(encoding='utf-8')}")
    print(f"report            {shown / 'evaluation' / 'report.html'}")
    registered = json.loads((work / "registration" / "registration.json").read_text(encoding="utf-8"))
    aliases = " and ".join(f"models:/{registered['name']}@{alias}" for alias in registered["aliases"])
    print(f"registered model  version {registered['version']}, {aliases}")
    print(f"champion          version {registered['champion']['after']}: {registered['reason']}")


if __name__ == "__main__":
    main()
