"""How often items were touched in training, and which of them are head, middle, tail and cold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from solid.data.dataset import Dataset

Ints = NDArray[np.int64]
BANDS = ("head", "middle", "tail", "cold")
_SHARE = 0.2  # of the training interactions: what the head has, and what the tail has


def training_popularity(dataset: Dataset) -> Ints:
    """Interactions [N] of every item but for the held-out ones; column j belongs to item j + 1."""
    sequences = dataset.sequences
    held_out = np.concatenate([sequences.targets("valid"), sequences.targets("test")])
    everything = np.bincount(sequences.items, minlength=dataset.n_items + 1)
    return (everything - np.bincount(sequences.items[held_out], minlength=dataset.n_items + 1))[1:]


def bands(popularity: Ints) -> Ints:
    """The band [N] of every item, as its place in ``BANDS``.

    The head are the most popular items that together have a fifth of the interactions, the tail the least popular ones
    that together have another fifth (Abdollahpouri et al., "User-centered evaluation of popularity bias", UMAP 2021).
    Cold items have none. Items that are equally popular share their band; where a popularity would be both, it is
    middle.
    """
    levels, inverse = np.unique(popularity, return_inverse=True)
    interactions = levels * np.bincount(inverse)
    below = np.cumsum(interactions) - interactions
    above = interactions.sum() - interactions - below
    head, tail = above < _SHARE * interactions.sum(), below < _SHARE * interactions.sum()
    of_level = np.select([levels == 0, head & ~tail, tail & ~head], [3, 0, 2], 1)
    found: Ints = of_level[inverse]
    return found
