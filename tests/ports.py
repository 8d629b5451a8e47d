"""Ports for servers that tests start, which no other run of tests on this machine takes at the same time."""

from __future__ import annotations

import fcntl
import random
import socket
import tempfile
from pathlib import Path
from typing import IO

GRPC = 10_000  # SeaweedFS serves gRPC on the port that much higher
# Both below the ports that the system gives to connections.
FIRST, LAST = 20_000, 32_767 - GRPC

_held: list[IO[str]] = []  # locks, until this process ends


def free_ports(count: int = 1) -> int:
    """The first of so many ports in a row that are free, as are those for gRPC."""
    folder = Path(tempfile.gettempdir()) / "solid-ports"
    folder.mkdir(exist_ok=True)
    starts = list(range(FIRST, LAST - count, count))
    random.SystemRandom().shuffle(starts)
    for start in starts:
        ports = range(start, start + count)
        locks = [(folder / str(port)).open("w") for port in ports]
        try:
            for lock in locks:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        if all(_is_free(port) and _is_free(port + GRPC) for port in ports):
            _held.extend(locks)
            return start
    raise AssertionError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
