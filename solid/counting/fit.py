"""Pick the settings of a way to count on the validation events."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from solid.counting.method import Method
from solid.counting.ranking import rank_counted
from solid.counting.reading import Float, Ints, Table, count_for
from solid.counting.search import Picked, pick
from solid.data.sequences import Sequences, spread
from solid.metrics.catalogue import MAIN, per_user
from solid.metrics.ties import Ranks, TieGroups

_USERS_AT_ONCE = 1024
SEARCHED = per_user(MAIN)
"""What the settings are picked for."""


def fit(method: Method, tell: Callable[[Picked, float], object]) -> tuple[Picked, Table, float]:
    """The best settings, what they count, and their NDCG@10 among all items on the validation events.

    Args:
        method: with the data and the values to try.
        tell: is told of everything that was tried.
    """
    sequences = method.dataset.sequences
    users = spread(sequences.n_users, method.settings.users)

    def judge(picked: Picked) -> float:
        return validate(method.table(picked), picked, sequences, users)

    picked, value = pick(method.grid(), judge, tell)
    return picked, method.table(picked), value


def validate(table: Table, picked: Picked, sequences: Sequences, users: Ints) -> float:
    """Mean NDCG@10 of the validation item of these users, ranked among all items that they had not touched."""
    values: list[Float] = []
    for start in range(0, len(users), _USERS_AT_ONCE):
        ranks = _ranks(table, picked, sequences, users[start : start + _USERS_AT_ONCE])
        values.append(SEARCHED.values(TieGroups.of_ranks(ranks)))
    return float(np.concatenate(values).mean())


def _ranks(table: Table, picked: Picked, sequences: Sequences, users: Ints) -> Ranks:
    targets = sequences.targets("valid")[users]
    windows = sequences.windows(targets, picked["items"])
    shares = count_for(windows, table.matrix, picked["decay"], picked.get("sessions"))
    lengths = targets - sequences.offsets[users]
    owners = np.repeat(np.arange(len(users)), lengths)
    before = np.repeat(np.cumsum(lengths) - lengths, lengths)
    events = np.repeat(sequences.offsets[users], lengths) + np.arange(len(owners)) - before
    touched = (owners, sequences.items[events].astype(np.int64) - 1)
    return rank_counted(
        shares, table.popularity, picked["share"], touched, sequences.items[targets].astype(np.int64) - 1
    )
