"""What has to wait until an output is at its place: its record, and the end of what another try would need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_waiting: dict[Path, list[Callable[[], object]]] = {}


def once_in_place(folder: Path, act: Callable[[], object]) -> None:
    """Do something now that a folder is whole; where it is on its way to S3, once it is there."""
    if (waiting := _waiting.get(folder.resolve())) is None:
        act()
    else:
        waiting.append(act)


@contextmanager
def on_its_way(folder: Path) -> Iterator[list[Callable[[], object]]]:
    """While the block runs, note down what has to wait for the folder; yields the notes."""
    notes: list[Callable[[], object]] = []
    _waiting[folder.resolve()] = notes
    try:
        yield notes
    finally:
        del _waiting[folder.resolve()]
