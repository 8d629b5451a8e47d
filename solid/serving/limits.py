"""What a server takes at most, so that nobody can bring it to its knees."""

from __future__ import annotations

from dataclasses import dataclass

ITEMS = 100
"""Items in one answer."""
HISTORY = 1_000
"""Ids of one history, and ids to leave out."""
HISTORIES = 1_000
"""Histories of one request of the Open Inference Protocol."""
ID_LENGTH = 512
"""Characters of an id."""


@dataclass(frozen=True)
class Limits:
    """What operators may change.

    Attributes:
        waiting: requests that may wait for the model; one more is told to come again (429).
        seconds: until a request has to be read, and until it has to be answered.
        body: bytes of a request.
    """

    waiting: int = 64
    seconds: float = 5.0
    body: int = 4 << 20
