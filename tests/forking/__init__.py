"""Programs that fork from a process with the heavy imports behind it, for starting PyTorch and MLflow takes seconds.

``forking`` makes a folder that stands for the one of this Python: ``python``, ``solid``, ``dvc`` and so on do there
what they always do, but a server forks the process. A program is a process of its own all the same: it has its
arguments, folder, variables and streams, gets signals, imports this project's code anew, finds the other programs
beside ``sys.executable`` and ends with its exit status. What it shares with the others is what libraries read as they
are imported: the seed of hashes, numbers of threads, kernels. And whoever kills it for good (SIGKILL) goes on a moment
before it is gone. A test that is about these starts ``sys.executable``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_FORKED = ["python", "python3", "dvc", "mlflow", "solid", "solid-pipeline"]


@contextmanager
def forking(folder: Path) -> Iterator[Path]:
    """Fill an empty folder with programs, which work while the block lasts."""
    real, address = Path(sys.executable).parent, folder / ".socket"
    for program in real.iterdir():
        if program.name not in _FORKED:
            (folder / program.name).symlink_to(program)
    for name in _FORKED:
        # Isolated and without site-packages this starts in milliseconds.
        (folder / name).write_text(
            f"#!{sys.executable} -IS\nimport sys\nsys.path.insert(0, {str(_HERE)!r})\nfrom client import ask\n"
            f"ask({str(address)!r}, {sys.executable!r}, {str(real / name)!r})\n"
        )
        (folder / name).chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, _HERE / "server.py", address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as server:
        assert server.stdin is not None and server.stdout is not None
        assert server.stdout.readline() == b"listening\n"
        yield folder
        server.stdin.close()  # which ends it; so does the end of this process
