"""Steps of a local run as forks of a process that has imported PyTorch, MLflow and the rest, which takes seconds each.

A step is a process of its own all the same: it gets its command line and its variables, runs the command ``solid``,
leaves its files, and ends with its exit status.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from pathlib import Path

from kfp.local.status import Status

import pipelines.local

_IMPORTED = ["mlflow.pyfunc", "mlflow.store.tracking.sqlalchemy_store", "solid.cli", "solid.embeddings"]
_IMPORTED += ["solid.evaluation.evaluate", "solid.features", "solid.registry.champion", "solid.registry.checks"]
_IMPORTED += ["solid.registry.register", "solid.training"]
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["__main__", *_IMPORTED])


class ForkedProcess(pipelines.local._Process):
    """Takes the place of what runs the command of a container component as a process."""

    def run(self) -> Status:
        with tempfile.NamedTemporaryFile() as log:
            step = _forks.Process(target=_call, args=(self._command, self._environment, Path.cwd(), log.name))
            step.start()
            step.join()
            sys.stderr.write(Path(log.name).read_text(encoding="utf-8"))
        return Status.SUCCESS if step.exitcode == 0 else Status.FAILURE


def _call(command: list[str], environment: dict[str, str], folder: Path, log: str) -> None:
    python, option, module, *arguments = command
    assert (python, option, module) == (sys.executable, "-m", "solid.cli")
    out = os.open(log, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(out, stream)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    from solid.cli import main

    main(arguments)
