"""What is trained on: the events before those that pick the epoch, and which of them are targets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from solid.data.sequences import Sequences
from solid.data.untouched import Untouched
from solid.errors import SolidError
from solid.settings.schema import TrainingSettings

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Learned:
    """Training events of all users.

    Attributes:
        sequences: all events; those that are not ``events`` are for nobody's eyes.
        events: ascending.
        targets: those of them that are predicted from what comes before.
    """

    sequences: Sequences
    events: Ints
    targets: Ints

    @classmethod
    def of(cls, sequences: Sequences, settings: TrainingSettings) -> Self:
        """The events before the held-out ones; the released protocol (``selection: test``) knows no validation events.

        Raises:
            SolidError: there is no target.
        """
        events = sequences.before(settings.selection)
        first = np.zeros(len(sequences.items), dtype=bool)
        first[sequences.offsets[:-1]] = True
        targets = events[~first[events]]
        if not len(targets):
            raise SolidError("no training targets: every user has just three events; lower prepare.k_core or add data")
        return cls(sequences, events, targets)

    @property
    def n_items(self) -> int:
        """N."""
        return self.sequences.n_items

    @cached_property
    def untouched(self) -> Untouched:
        """What users never touched in training; what they touch later may be a negative, for nobody can know."""
        return self.sequences.untouched(self.events)

    @cached_property
    def popularity(self) -> NDArray[np.float64]:
        """Share of the targets that each item is [N]."""
        counts = np.bincount(self.sequences.items[self.targets], minlength=self.n_items + 1)[1:]
        popularity: NDArray[np.float64] = counts / counts.sum()
        return popularity
