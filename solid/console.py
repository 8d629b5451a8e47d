"""What a person sees while a step runs: lines on standard error and one progress bar."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tqdm import tqdm

from solid.masking import mask

T = TypeVar("T")


def say(message: str) -> None:
    """Print a line to standard error without tearing a progress bar apart."""
    tqdm.write(mask(message), file=sys.stderr)


def progress(items: Iterable[T], what: str, unit: str = "it", total: int | None = None) -> Iterable[T]:
    """Iterate with a progress bar; in a log file (no terminal) the bar stays silent."""
    bar: Iterable[T] = tqdm(items, desc=what, unit=unit, total=total, disable=None, file=sys.stderr, leave=False)
    return bar


@contextmanager
def byte_progress(what: str, total: int) -> Iterator[Callable[[int], object]]:
    """Show a progress bar in bytes; yields what several threads call with the number of bytes just done."""
    with tqdm(desc=what, total=total, unit="B", unit_scale=True, disable=None, file=sys.stderr, leave=False) as bar:
        yield bar.update
