"""What a person sees while jobs run: one bar with the rest of the time, and a line for each running job.

In a log (no terminal) there is a line for each finished job instead.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

from solid.compare.jobs import Job
from solid.console import say

_EPOCH = re.compile(rb"^epoch +(\d+):", re.MULTILINE)
_TAIL = 1024  # bytes at the end of a log in which the last epoch is looked for


class View:
    """The progress of a run.

    Args:
        missing: the jobs to run.
        total: all jobs, with those done before.
        lanes: how many run at once.
    """

    def __init__(self, missing: Iterable[Job], total: int, lanes: int) -> None:
        self._left = {job.digest: job for job in missing}
        self._lanes = min(lanes, len(self._left))
        self._running: dict[str, tuple[float, Path]] = {}
        self._seconds: dict[str, list[float]] = {}
        self._bar = _bar(
            total=total, initial=total - len(self._left), bar_format="{n_fmt}/{total_fmt} jobs |{bar}| {desc}"
        )
        self._rows = [_bar(bar_format="  {desc}", position=1 + row) for row in range(self._lanes)]
        if self._bar.disable:
            say(f"{len(self._left)} of {total} jobs to run, {self._lanes} at once")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take the bars away."""
        for bar in [*self._rows, self._bar]:
            bar.close()

    def begins(self, job: Job, log: Path) -> None:
        """Show a job as running."""
        self._running[job.digest] = time.monotonic(), log
        self.tick()

    def ends(self, job: Job) -> None:
        """Count a job as done."""
        began, _ = self._running.pop(job.digest)
        seconds = time.monotonic() - began
        self._seconds.setdefault(job.step, []).append(seconds)
        self._take(job)
        if self._bar.disable:
            say(f"[{self._bar.n}/{self._bar.total}] {job.step} {job.name}: {_span(seconds)}{self._rest()}")
        self.tick()

    def fails(self, job: Job, failure: str, lost: Iterable[Job]) -> None:
        """Say that a job failed, and count it and what depends on it as not to come."""
        del self._running[job.digest]
        self._take(job)
        for other in lost:
            self._take(other)
        say(f"failed: {job.step} {job.name}: {failure}")
        self.tick()

    def tick(self) -> None:
        """Draw anew."""
        if self._bar.disable:
            return
        self._bar.set_description_str(self._rest().removeprefix(", "))
        lines = [self._line(digest) for digest in self._running]
        for row, line in zip(self._rows, [*lines, *[""] * len(self._rows)], strict=False):
            row.set_description_str(line)

    def _take(self, job: Job) -> None:
        del self._left[job.digest]
        self._bar.n += 1  # update() would time it, and all jobs alike
        self._bar.refresh()

    def _line(self, digest: str) -> str:
        began, log = self._running[digest]
        job, epoch = self._left[digest], _last_epoch(log)
        at = f"epoch {epoch}, " if job.step == "train" and epoch else ""
        return f"{job.step} {job.name}: {at}{_span(time.monotonic() - began)}"

    def _rest(self) -> str:
        """The estimated rest of the time: what is left, at the mean of its step so far, shared by the lanes."""
        measured = [second for seconds in self._seconds.values() for second in seconds]
        if not measured:
            return ""
        usual = sum(measured) / len(measured)
        means = {step: sum(seconds) / len(seconds) for step, seconds in self._seconds.items()}
        now = time.monotonic()
        spent = {digest: now - began for digest, (began, _) in self._running.items()}
        rest = sum(max(0, means.get(job.step, usual) - spent.get(digest, 0)) for digest, job in self._left.items())
        return f", about {_span(rest / self._lanes)} left" if self._left else ""


def _bar(total: int | None = None, initial: int = 0, bar_format: str = "", position: int = 0) -> tqdm[Any]:
    return tqdm(
        total=total, initial=initial, bar_format=bar_format, position=position,
        disable=None, leave=False, file=sys.stderr, dynamic_ncols=True,
    )  # fmt: skip


def _last_epoch(log: Path) -> int:
    """The last epoch that a training has reported in its log; 0 before the first."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL))
            epochs = _EPOCH.findall(file.read())
    except FileNotFoundError:
        return 0
    return int(epochs[-1]) if epochs else 0


def _span(seconds: float) -> str:
    """A time for people."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d}"
