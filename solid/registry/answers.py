"""Answers to some of a version's own test users, kept with it: whoever loads it can tell that it still gives them.

Another version of a library, of this package or of a file would show here first.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np

from solid.data.dataset import Dataset
from solid.data.sequences import spread
from solid.errors import DataError
from solid.registry.catalogue import Catalogue
from solid.storage.local import read_json, write_json

TOLERANCE = 1e-3
"""Of scores: what differs between processors and libraries is a hundred times less."""
_USERS, _ITEMS = 20, 10


@dataclass(frozen=True)
class Answers:
    """What was asked, and what was answered.

    Attributes:
        histories: original ids, oldest first, of each user.
        items: the best items for each, best first, without those of the history.
        scores: theirs.
    """

    histories: list[list[str]]
    items: list[list[str]]
    scores: list[list[float]]

    @classmethod
    def of(cls, catalogue: Catalogue, dataset: Dataset) -> Self:
        """Ask for test users, evenly spread over all, with what they did before their last event."""
        sequences = dataset.sequences
        users = spread(dataset.n_users, _USERS)
        starts, ends = sequences.offsets[users], sequences.targets("test")[users]
        starts = np.maximum(starts, ends - catalogue.model.config.length)
        histories = [
            catalogue.ids[sequences.items[start:end] - 1].tolist() for start, end in zip(starts, ends, strict=True)
        ]
        return cls.to(histories, catalogue)

    @classmethod
    def to(cls, histories: list[list[str]], catalogue: Catalogue) -> Self:
        """Ask about histories of original ids."""
        return cls(histories, *_ask(catalogue, histories))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            DataError: the file is missing or is of another form.
        """
        try:
            return cls(**read_json(path))
        except TypeError as error:
            raise DataError(f"{path}: no answers ({error}); register the model again") from None

    def save(self, path: Path) -> None:
        """Write them as JSON."""
        write_json(path, asdict(self))

    def check(self, catalogue: Catalogue) -> None:
        """Ask the same again.

        Items may change places, or fall off the end, where their scores lie within TOLERANCE.

        Raises:
            DataError: an answer is another.
        """
        found_items, found_scores = _ask(catalogue, self.histories)
        for user, (wanted, scores) in enumerate(zip(self.items, self.scores, strict=True)):
            before, now = (
                dict(zip(wanted, scores, strict=True)),
                dict(zip(found_items[user], found_scores[user], strict=True)),
            )
            last = min(scores, default=0.0)
            off = max((abs(before.get(item, last) - now.get(item, last)) for item in before | now), default=0.0)
            if len(before) != len(now) or not off <= TOLERANCE:
                raise DataError(
                    f"answers another than when it was registered to test user {user + 1} of {len(self.items)}: scores "
                    f"differ by {off:.2g}, {TOLERANCE} is allowed"
                )


def _ask(catalogue: Catalogue, histories: list[list[str]]) -> tuple[list[list[str]], list[list[float]]]:
    ends = np.cumsum([len(history) for history in histories])
    starts = np.append(0, ends[:-1])
    numbers = catalogue.numbers([item for history in histories for item in history])
    top = catalogue.top(numbers, starts, ends, _ITEMS, exclude_seen=True)
    return (
        [catalogue.ids[rows[:n]].tolist() for rows, n in zip(top.rows, top.left, strict=True)],
        [scores[:n].tolist() for scores, n in zip(top.scores, top.left, strict=True)],
    )
