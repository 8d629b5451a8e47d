"""Runs whose process was killed: nobody could say so, and MLflow shows them as running until somebody does.

A run names the process that writes it in the tag ``process``. Whoever begins a run in the same experiment closes those
of this machine whose process is no more, and those of other machines, such as pods, that said nothing for a day. One
that goes on all the same opens its run again.
"""

from __future__ import annotations

import os
import re
import socket
import time
from pathlib import Path
from typing import Any

from solid.console import say

PROCESS = "process"
SEEN = "seen"
_DAY = 24 * 60 * 60


def this_process() -> str:
    """Machine and boot, process namespace, number and time of start: no other process has the same, ever."""
    return f"{_machine()} {os.getpid()} {_started(os.getpid())}"


def signs() -> dict[str, str]:
    """The tags of a run that is being written now."""
    return {PROCESS: this_process(), SEEN: str(int(time.time()))}


def close_killed(client: Any, experiment: str) -> None:
    """Close the runs of an experiment that nobody writes any more."""
    running = client.search_runs([experiment], f"attributes.status = 'RUNNING' and tags.{PROCESS} LIKE '_%'")
    for run in running:
        if _is_over(run.data.tags):
            client.set_terminated(run.info.run_id, "KILLED")
            say(f"MLflow: run {run.info.run_id} ({run.info.run_name}) was killed earlier; it is closed now")


def _is_over(tags: dict[str, str]) -> bool:
    machine, _, process = tags[PROCESS].partition(" ")
    number, _, started = process.partition(" ")
    if machine == _machine():
        return _started(int(number)) != started
    return time.time() - int(tags.get(SEEN, "0")) > _DAY


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{socket.gethostname()}/{boot}/{re.sub(r'[^0-9]', '', str(Path('/proc/self/ns/pid').readlink()))}"
    except OSError:
        return socket.gethostname()


def _started(number: int) -> str:
    """When a process began, in clock ticks since the boot; empty where there is none."""
    try:
        return Path(f"/proc/{number}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[19]
    except OSError:
        return ""
