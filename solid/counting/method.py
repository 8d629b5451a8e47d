"""What a way to count is: what it may be set to, and the matrix that a setting makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from solid.counting.popularity import popularity
from solid.counting.reading import NO_VECTORS, Float, Table
from solid.counting.search import Picked
from solid.counting.together import touched
from solid.data.dataset import Dataset
from solid.settings.heads import CountingSettings

Grid = dict[str, Sequence[Any]]


@dataclass
class Method:
    """A way to count.

    The search changes one setting at a time, so the last result of each step on the way to the matrix is kept.

    Attributes:
        dataset: whose training events are counted; nothing else of it is read.
        vectors: of items [N, d] by what they were made from, rows of length 1 or 0; may be empty.
        settings: the values to try.
    """

    dataset: Dataset
    vectors: Mapping[str, NDArray[np.float32]]
    settings: CountingSettings
    _last: dict[str, tuple[Any, Any]] = field(default_factory=dict, init=False)

    def grid(self) -> Grid:
        """The values of each setting, the one to begin with first.

        ``items`` (n), ``decay`` and ``share`` (of popularity) say how a history is read and are in every grid.
        """
        settings = self.settings
        return {"items": settings.items, "decay": settings.decay, "share": settings.share}

    def table(self, picked: Picked) -> Table:
        """Count with one value of each setting."""
        matrix = self.cached("matrix", self.decisive(picked), lambda: self.matrix(picked))
        return Table(matrix, self.cached("popular", None, self._popularity))

    def decisive(self, picked: Picked) -> tuple[Any, ...]:
        """What of the settings the matrix depends on."""
        return tuple(value for name, value in picked.items() if name not in ("items", "decay", "share"))

    def matrix(self, picked: Picked) -> Any:
        """Float32 [N, N] or [U, N]."""
        raise NotImplementedError

    def cached(self, step: str, key: Any, make: Callable[[], Any]) -> Any:
        """What ``make`` makes, or made when it was last asked with this key."""
        if step not in self._last or self._last[step][0] != key:
            self._last[step] = (key, make())
        return self._last[step][1]

    def seen(self) -> Any:
        """Who touched what, [U, N]."""
        return self.cached("seen", None, lambda: touched(self.dataset.sequences))

    def choices(self) -> tuple[str, ...]:
        """The names of the vectors that there are, and that of none."""
        return (*self.vectors, NO_VECTORS)

    def _popularity(self) -> Float:
        sequences = self.dataset.sequences
        return popularity(sequences.items[sequences.trained], sequences.n_items)


def as_float32(matrix: Any) -> Any:
    """As it is stored, so that what is judged is what is served."""
    matrix = sp.csr_array(matrix, dtype=np.float32)
    matrix.sort_indices()
    return matrix
