"""What runs in a worker process: one job at a time, its output in a log of its own. Heavy imports wait for the job."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

from solid.errors import SolidError
from solid.settings.schema import Settings
from solid.steps import call


@dataclass(frozen=True)
class Order:
    """A job as a worker gets it: folders in place of the jobs that wrote them."""

    step: str
    out: Path
    log: Path
    settings: Settings
    arguments: dict[str, Any]


def start() -> None:
    """Set up a new worker process.

    Ctrl-C reaches every process of a terminal, so it is left to the parent, which asks its workers to stop by SIGTERM.
    A worker whose parent is gone ends at once, for a second run may have begun.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(1)


def run(order: Order) -> str | None:
    """Do a job; return None, or in words why it failed (the traceback of a fault in the code is in the log)."""
    order.log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with order.log.open("a", encoding="utf-8") as log, redirect_stdout(log), redirect_stderr(log):
            try:
                call(order.step, order.settings, order.out, **order.arguments)
            except Exception as error:
                if isinstance(error, SolidError | OSError):
                    print(f"Error: {error}", file=log)
                    return str(error)
                traceback.print_exc(file=log)
                return f"{type(error).__name__}: {error}"
    except SystemExit as stop:  # the pool would hold it for a result of the job and go on with the next
        os._exit(int(stop.code or 0))
    return None


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
