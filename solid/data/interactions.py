"""The interaction table: its schema, its k-core and its numbering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from solid.data.readers.base import ITEM_COLUMNS, RawData
from solid.errors import DataError


@dataclass(frozen=True)
class Interactions:
    """Numbered interactions with the original ids beside them.

    Attributes:
        users: ``user_id``; row u is user u.
        items: ``ITEM_COLUMNS``; row r is item r + 1, for 0 is padding.
        events: ``user`` int32, ``item`` int32, ``timestamp`` int64, in the order of :func:`in_order`.
    """

    users: pd.DataFrame
    items: pd.DataFrame
    events: pd.DataFrame


def check_schema(raw: RawData) -> None:
    """Check what a reader gave against what ``RawData`` promises.

    Raises:
        DataError: a column is missing or of the wrong type, an id is empty, or the items are not those interacted with.
    """
    expected = {"user_id": "str", "item_id": "str", "timestamp": "int64"}
    for table, name, columns in (
        (raw.interactions, "interactions", expected),
        (raw.items, "items", dict.fromkeys(ITEM_COLUMNS, "str")),
    ):
        for column, kind in columns.items():
            if column not in table:
                raise DataError(f"the reader gave {name} without the column {column}")
            if table[column].dtype != kind or table[column].isna().any():
                raise DataError(f"the reader gave {name} whose column {column} is not {kind} throughout")
            if column.endswith("_id") and (table[column] == "").any():
                raise DataError(f"the reader gave {name} with an empty {column}")
    if raw.items["item_id"].duplicated().any() or set(raw.items["item_id"]) != set(raw.interactions["item_id"]):
        raise DataError("the reader gave items that are not exactly those of the interactions, once each")


def k_core(users: NDArray[Any], items: NDArray[Any], user_events: int, item_events: int) -> NDArray[np.bool_]:
    """Mark [E] the largest set of events in which every user and every item keeps at least so many events.

    Args:
        users: user code of every event, from 0.
        items: item code of every event, from 0.
        user_events: fewest events of a user that stays.
        item_events: fewest events of an item that stays.
    """
    kept = np.arange(len(users))
    while True:
        enough_user = np.bincount(users[kept]) >= user_events
        enough_item = np.bincount(items[kept]) >= item_events
        stay = enough_user[users[kept]] & enough_item[items[kept]]
        if stay.all():
            break
        kept = kept[stay]
    mask = np.zeros(len(users), dtype=bool)
    mask[kept] = True
    return mask


def in_order(interactions: pd.DataFrame, parts: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Rows [E] of the events by user and time, users in the order in which they first appear.

    Events of a user at the same time are ordered by a number that their two ids draw, the same ones wherever they
    stand: lines are often grouped by item, and their order would then tell which of two items comes last.

    Args:
        interactions: ``user_id``, ``item_id``, ``timestamp`` [E].
        parts: place in time of the part of the source [E]; at the same time, training comes before test.
    """
    users, user_ids = pd.factorize(interactions["user_id"])
    items, item_ids = pd.factorize(interactions["item_id"])
    drawn = _hashed(user_ids)[users] ^ (_hashed(item_ids)[items] * np.uint64(0x9E3779B97F4A7C15))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):  # the mix of SplitMix64 (Steele 2014)
        drawn = (drawn ^ (drawn >> np.uint64(shift))) * np.uint64(factor)
    places = np.zeros(len(interactions), np.int64) if parts is None else parts
    return np.lexsort((drawn ^ (drawn >> np.uint64(31)), places, interactions["timestamp"], users))


def _hashed(ids: pd.Index[Any]) -> NDArray[np.uint64]:
    hashes: NDArray[np.uint64] = pd.util.hash_array(np.asarray(ids, dtype=object), hash_key="solid.same.times")
    return hashes


def number(interactions: pd.DataFrame, items: pd.DataFrame, parts: NDArray[np.int64] | None = None) -> Interactions:
    """Number users from 0 and items from 1 in the order in which the source first names them, and sort the events.

    Args:
        interactions: ``user_id``, ``item_id``, ``timestamp`` in file order.
        items: ``ITEM_COLUMNS``; may hold more items than the interactions do.
        parts: as for :func:`in_order`.
    """
    users, user_ids = pd.factorize(interactions["user_id"])
    numbers, item_ids = pd.factorize(interactions["item_id"])
    events = pd.DataFrame(
        {
            "user": users.astype(np.int32),
            "item": (numbers + 1).astype(np.int32),
            "timestamp": interactions["timestamp"].to_numpy(),
        }
    )
    described = items.set_index("item_id").loc[item_ids].reset_index()[list(ITEM_COLUMNS)]
    return Interactions(
        pd.DataFrame({"user_id": user_ids}),
        described,
        events.iloc[in_order(interactions, parts)].reset_index(drop=True),
    )
