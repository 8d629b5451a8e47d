"""The state of a step that takes long, beside its output in S3, so that a pod elsewhere goes on where this one stopped.

    <address>/solid-progress        what an interrupted training resumes from, the last one sent

It goes up while the step works, at most once in SOLID_PROGRESS seconds (default 60; 0: not at all), and once more when
the step is told to stop; it is removed when the output is whole. A copy that is lost, or of other settings, costs no
more than the time it would have saved: who reads it checks what it is of.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from solid.console import say
from solid.errors import DataError, SettingsError
from solid.storage.local import STATE, partial_of, whole_file
from solid.storage.s3 import Prefix

PROGRESS = "solid-progress"
_SECONDS = 60.0


@contextmanager
def progress_kept(folder: Path, target: Prefix) -> Iterator[None]:
    """Bring down what an interrupted try has sent, unless there is one here; send up what the block writes.

    Args:
        folder: that the step makes; its state lies in the unfinished folder beside it.
        target: where the output goes.

    Raises:
        SettingsError: SOLID_PROGRESS is not a number of seconds.
        DataError: S3 refuses or does not answer, before the block begins.
    """
    seconds = _seconds()
    if not seconds:
        yield
        return
    state = partial_of(folder) / STATE
    if not state.exists() and (content := target.read(PROGRESS)) is not None:
        with whole_file(state) as partial:
            partial.write_bytes(content)
        say(f"{target.address}: an interrupted try has left its state there")
    sender = _Sender(state, target, seconds)
    sender.start()
    try:
        yield
    finally:
        sender.stop()


class _Sender(Thread):
    """Sends a file up whenever it has changed, but not too often."""

    def __init__(self, state: Path, target: Prefix, seconds: float) -> None:
        super().__init__(daemon=True, name="progress")
        self._state, self._target, self._seconds = state, target, seconds
        self._stopped = Event()
        self._sent = self._written()

    def run(self) -> None:
        """Look every few seconds until the block ends."""
        while not self._stopped.wait(self._seconds):
            self._send()

    def stop(self) -> None:
        """Send what is new since the last time: nothing, if the step ended well and so has no state any more."""
        self._stopped.set()
        self.join()
        self._send()

    def _written(self) -> int:
        try:
            return self._state.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def _send(self) -> None:
        written = self._written()
        if written in (0, self._sent):
            return
        try:
            self._target.write(PROGRESS, self._state.read_bytes())
        except FileNotFoundError:
            return  # the step has just ended
        except DataError as error:
            say(f"the state of this step is not kept in S3 yet: {error}")
            return
        self._sent = written


def _seconds() -> float:
    text = os.environ.get("SOLID_PROGRESS", "") or str(_SECONDS)
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds < float("inf"):
        raise SettingsError(f"SOLID_PROGRESS={text}: a number of seconds; 0 keeps no state in S3")
    return seconds
