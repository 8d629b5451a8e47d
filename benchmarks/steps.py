"""What each step of a chain takes: seconds, seconds of CPU, and the most memory that it held.

    python benchmarks/steps.py                  # the sample
    python benchmarks/steps.py runs/<name>      # what `make run SOURCE=` has made

Runs every stage of the dvc.yaml there again, one after another, as DVC does. Memory is that of the largest process, in
MB of 10^6 bytes: what a container of Kubernetes needs at least. The stages' outputs are made again, and are the same.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import networkx
from dvc.repo import Repo


def commands(workspace: Path) -> Iterator[tuple[str, str]]:
    """Name and command of every stage, each after those that it reads from."""
    with Repo(str(workspace)) as repo:
        for stage in networkx.dfs_postorder_nodes(repo.index.graph):  # its edges lead to what a stage reads
            if stage.cmd:
                yield stage.addressing, stage.cmd


def main() -> None:
    """Run, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path, nargs="?", default=Path())
    workspace = parser.parse_args().workspace.resolve()
    print("| stage | seconds | CPU seconds | memory, MB |\n|---|---:|---:|---:|", flush=True)
    for name, command in commands(workspace):
        started = time.monotonic()
        with subprocess.Popen(shlex.split(command), cwd=workspace, stdout=subprocess.DEVNULL) as process:  # noqa: S603
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{name} failed: {command}")
        seconds, cpu = time.monotonic() - started, used.ru_utime + used.ru_stime
        print(f"| {name} | {seconds:.0f} | {cpu:.0f} | {used.ru_maxrss * 1024 / 1e6:.0f} |", flush=True)


if __name__ == "__main__":
    main()
