"""Why a model scores an item as it does: what the score would be, had the user never touched this or that.

Exact, by leaving out: nothing is approximated, a history without the item is asked about like any other.

Legend: B histories, L history positions, C recommended items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from solid.evaluation.inspection import classes_of
from solid.registry.catalogue import Catalogue, Ints

Floats = NDArray[np.float32]
_REASONS = 3  # of each kind and recommended item


@dataclass(frozen=True)
class Reason:
    """What is left out, and what that takes from a score.

    Attributes:
        items: original ids; of a class, all of the history that are of it.
        titles: of these.
        change: score with them less score without; below 0 where they speak against the recommended item.
        of_class: the class, where one is left out.
    """

    items: list[str]
    titles: list[str]
    change: float
    of_class: int | None = None


def explain(catalogue: Catalogue, history: Sequence[str], items: Sequence[str]) -> list[list[Reason]]:
    """For each recommended item the three history items that moved its score most, and the three classes.

    An item is left out wherever it stands in the history; one that the model did not read for its age takes its place.

    Args:
        catalogue: the model and its items.
        history: original ids, oldest first.
        items: original ids of recommended items [C]; the model knows them.

    Returns:
        Reasons of each item, the largest change first, items before classes; none where the history is cold.
    """
    numbers = catalogue.numbers(history)
    numbers = numbers[numbers > 0]
    if not len(numbers) or not len(items):
        return [[] for _ in items]
    read = np.unique(numbers[-catalogue.model.config.length :])
    left_out: list[tuple[int | None, Ints]] = [(None, read[n : n + 1]) for n in range(len(read))]
    classes = classes_of(catalogue.model)
    if classes is not None:
        of = classes[numbers - 1]
        left_out += [(int(one), np.unique(numbers[of == one])) for one in np.unique(classes[read - 1])]
    changes = _changes(catalogue, numbers, [gone for _, gone in left_out], catalogue.numbers(items))
    n = len(read)
    return [
        [
            _reason(catalogue, left_out[place], float(changes[place, column]))
            for places in (np.arange(n), np.arange(n, len(left_out)))
            for place in places[np.argsort(-np.abs(changes[places, column]), kind="stable")][:_REASONS]
        ]
        for column in range(len(items))
    ]


@torch.inference_mode()
def _changes(catalogue: Catalogue, numbers: Ints, left_out: list[Ints], asked: Ints) -> Floats:
    """Scores [B, C] of items with the whole history, less those without each of B sets of its items."""
    histories = [numbers, *(numbers[~np.isin(numbers, gone)] for gone in left_out)]
    ends = np.cumsum([len(one) for one in histories])
    read_BL = catalogue.histories(np.concatenate(histories), np.append(0, ends[:-1]), ends)
    candidates_BC = torch.from_numpy(asked).expand(len(histories), -1)
    scores_BC = catalogue.model.score(catalogue.model.encode(read_BL), candidates_BC).numpy()
    changes: Floats = scores_BC[0] - scores_BC[1:]
    return changes


def _reason(catalogue: Catalogue, left_out: tuple[int | None, Ints], change: float) -> Reason:
    of_class, numbers = left_out
    rows = numbers - 1
    return Reason(catalogue.ids[rows].tolist(), catalogue.titles[rows].tolist(), change, of_class)
