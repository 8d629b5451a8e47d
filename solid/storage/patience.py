"""How long a step waits for a server that is away: a pod that ends with an error is not made again by Kubeflow.

SOLID_PATIENCE says it in seconds: 0 by default, for a person at a terminal wants to know at once; the image says 300.
What can pass by waiting is waited for, S3 or MLflow not answering or answering 429 or 5xx, with a line a try. What
cannot, such as a name that nobody knows or a refused password, is told at once.
"""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterator
from urllib.parse import urlsplit

from solid.console import say
from solid.errors import SettingsError

_LONGEST = 60.0  # seconds between two tries
PASSING = frozenset({408, 429, 500, 502, 503, 504})


def patience() -> float:
    """Seconds to wait for a server.

    Raises:
        SettingsError: SOLID_PATIENCE is no number of seconds.
    """
    text = os.environ.get("SOLID_PATIENCE") or "0"
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds < 10**6:
        raise SettingsError(f"SOLID_PATIENCE={text}: set it to the seconds that a server may be away, such as 300")
    return seconds


def pauses(seconds: float) -> Iterator[float]:
    """The pauses between tries that fill so many seconds: 1, 2, 4 ... up to a minute each."""
    for number in itertools.count():
        pause = min(2.0**number, _LONGEST, seconds)
        if pause <= 0:
            return
        yield pause
        seconds -= pause


class WaitForS3:
    """Decides for botocore whether a failed request is sent again, and when; it says so."""

    def __init__(self, seconds: float) -> None:
        self._pauses = list(pauses(seconds))

    def __call__(
        self, *, attempts: int, response: object, caught_exception: Exception | None, **_: object
    ) -> float | None:
        """The pause before the next try; None: this was the last one, or trying again is of no use."""
        from botocore.exceptions import ConnectionError as NoConnection
        from botocore.exceptions import HTTPClientError

        status = response[0].status_code if isinstance(response, tuple) else None
        if status in PASSING:
            why = f"answers {status}"
        elif isinstance(caught_exception, NoConnection | HTTPClientError):
            why = "cannot be reached" if isinstance(caught_exception, NoConnection) else "does not answer"
        else:
            return None
        if attempts > len(self._pauses):
            return None
        pause = self._pauses[attempts - 1]
        say(f"S3 {why}; try {attempts + 1} of {len(self._pauses) + 1} in {pause:g} s")
        return pause


class TellTries(logging.Handler):
    """Says in one line what urllib3, below MLflow, logs of each further try."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say it."""
        text = record.getMessage()
        if text.startswith("Retry: "):  # after an answer such as 503
            say(f"MLflow asks for patience at {urlsplit(text.removeprefix('Retry: ')).path}; trying again")
        elif text.startswith("Retrying ("):
            say(f"MLflow does not answer; trying again ({text.partition(': ')[2] or text})")
