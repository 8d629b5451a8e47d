"""The ways to count that heads in ``solid/kinds`` name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from solid.counting.method import Grid, Method, as_float32
from solid.counting.popularity import popularity, recency
from solid.counting.reading import NO_VECTORS, Table
from solid.counting.search import Picked
from solid.counting.together import ease, item_neighbours, sessions
from solid.counting.transitions import Neighbours, both_ways, count_transitions, smooth


class Popular(Method):
    """How often an item was touched, the same for everybody."""

    half_lives: Sequence[float | None] = (None,)

    def grid(self) -> Grid:
        """Nothing to try: no history is read."""
        return {"items": (1,), "decay": (1.0,), "share": (1.0,), "half_life": self.half_lives}

    def table(self, picked: Picked) -> Table:
        """Popularity and an empty matrix."""
        sequences, half_life = self.dataset.sequences, picked["half_life"]
        trained, n_items = sequences.trained, sequences.n_items
        weights = None if half_life is None else recency(self.dataset.times[trained], half_life)
        nothing = sp.csr_array((n_items, n_items), dtype=np.float32)
        return Table(nothing, popularity(sequences.items[trained], n_items, weights))


class Lately(Popular):
    """How often an item was touched, lately more than long ago."""

    def grid(self) -> Grid:
        """How long ago is half as much."""
        return super().grid() | {"half_life": self.settings.half_life}


class Transitions(Method):
    """What followed what, smoothed by what is alike where items have vectors."""

    def grid(self) -> Grid:
        """How to count, how to read, and how to smooth."""
        settings = self.settings
        counting: Grid = {"window": settings.window, "backward": settings.backward, "flatten": settings.flatten}
        if not self.vectors:
            return counting | super().grid()
        alike: Grid = {"power": settings.power, "a": settings.a, "b": settings.b, "c": settings.c}
        return {"vectors": self.choices()} | counting | super().grid() | alike

    def matrix(self, picked: Picked) -> Any:
        """T, or T' where something is alike."""
        window, backward, flatten = (picked[name] for name in ("window", "backward", "flatten"))
        counts = self.cached("counts", window, lambda: count_transitions(self.dataset.sequences, window))
        transitions = self.cached(
            "transitions", (window, backward, flatten), lambda: both_ways(counts, backward, flatten)
        )
        vectors, most = picked.get("vectors", NO_VECTORS), self.settings.entries
        if vectors == NO_VECTORS:
            return as_float32(smooth(transitions, None, 0, 0, 0, most))
        near = self.cached(f"near {vectors}", None, lambda: Neighbours.of(self.vectors[vectors], self.settings.alike))
        alike = self.cached("alike", (vectors, picked["power"]), lambda: near.shares(picked["power"]))
        return as_float32(smooth(transitions, alike, picked["a"], picked["b"], picked["c"], most))


class ItemKNN(Method):
    """What was touched by the same users."""

    def grid(self) -> Grid:
        """How many neighbours, and what their number is shrunk by."""
        return {"neighbours": self.settings.neighbours, "shrink": self.settings.shrink} | super().grid()

    def matrix(self, picked: Picked) -> Any:
        """Cosines."""
        return as_float32(item_neighbours(self.seen(), picked["neighbours"], picked["shrink"]))


class Ease(Method):
    """The linear item-item model that fits who touched what best, with the items' vectors where there are any."""

    def grid(self) -> Grid:
        """The ridge, and the vectors with their weight."""
        settings = self.settings
        reading: Grid = {"items": settings.long_items, "decay": settings.long_decay, "share": settings.share}
        if not self.vectors:
            return {"ridge": settings.ridge} | reading
        return {"vectors": self.choices(), "side": settings.side, "ridge": settings.ridge} | reading

    def matrix(self, picked: Picked) -> Any:
        """B."""
        vectors, settings = self.vectors.get(picked.get("vectors", NO_VECTORS)), self.settings
        weights = ease(
            self.seen(), picked["ridge"], picked.get("side", 0.0), vectors, settings.ease_items, settings.entries
        )
        return as_float32(weights)


class Sessions(Method):
    """What the users whose histories are most like this one touched."""

    def grid(self) -> Grid:
        """How many users."""
        return {"sessions": self.settings.sessions} | super().grid()

    def decisive(self, picked: Picked) -> tuple[Any, ...]:
        """Nothing: how many users are asked is a question of reading."""
        return ()

    def matrix(self, picked: Picked) -> Any:
        """Users as vectors of length 1."""
        return as_float32(sessions(self.seen()))
