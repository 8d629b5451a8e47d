"""Which columns of a source say when events happened: by their names, and by what they hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd

from solid.data.readers.moments import Times, parse
from solid.data.readers.problems import Problems

_PLAIN = (
    *("timestamp", "time", "ts", "unix_time", "unix_timestamp", "unix_review_time", "sort_timestamp", "epoch"),
    *("epoch_time", "date_time", "datetime", "date", "day", "utc_time", "time_utc", "server_time", "log_time"),
    *("local_time", "t_dat", "posted", "when", "time_stamp", "timestamps", "times", "dates", "utc", "utc_timestamp"),
    *("timestamp_utc", "time_ms", "timestamp_ms", "time_s", "timestamp_s", "time_us", "timestamp_us", "time_ns"),
    *("timestamp_ns", "ts_ms", "unix", "date_added", "date_created", "date_of_purchase", "date_posted", "dt"),
    *("date_updated", "time_created", "moment"),
)
_HAPPENING = (
    *("review", "event", "rating", "rate", "purchase", "order", "transaction", "invoice", "click", "view", "visit"),
    *("check_in", "interaction", "action", "behavior", "behaviour", "submit", "submission", "comment", "post", "sale"),
    *("order_purchase", "session", "start", "create", "creation", "created", "listen", "request", "log", "feedback"),
    *("impression", "tag", "update", "updated", "modified", "record", "bought", "buy", "basket", "trans", "read"),
    *("watched", "played"),
)
_DONE = (
    *("created", "updated", "modified", "bought", "purchased", "ordered", "clicked", "viewed", "rated", "reviewed"),
    *("watched", "played", "listened", "read", "started", "finished", "posted", "visited", "added", "submitted"),
    *("occurred", "happened", "logged", "recorded", "paid", "sold", "borrowed", "checked_in", "liked", "interacted"),
)
NAMES = (
    *_PLAIN,
    *(f"{what}_{kind}" for what, kind in product(_HAPPENING, ("time", "date", "timestamp", "datetime", "ts", "day"))),
    *(f"{what}_{word}" for what, word in product(_DONE, ("at", "on", "time", "date"))),
    *(f"unix_{what}_time" for what in _HAPPENING),
    *(f"{what}_unix_time" for what in _HAPPENING),
)
"""Of columns that say when an event happened; capitals and what is neither letter nor digit make no difference."""

_ALIKE = re.compile(r"time|date|day|datum|zeit|fecha|hora|heure|jour|(^|[^a-z])(ts|at|on)$", re.IGNORECASE)
"""What may be a time under another name."""


def plain(name: str) -> str:
    """A column's name in small letters and digits alone, for comparison."""
    return re.sub(r"[\W_]", "", name).lower()


_CLOCK_ALONE = r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?"
_OF_A_KIND = 0.9  # so large a share of a column makes it one of times of day
_LASTING = {plain(f"{what}_time") for what in ("view", "listen", "session", "read", "watched", "played", "listened")}
"""Times of these names may say how long something lasted, unless they count from 1970."""
_SETTLED = {("date_added", "date_updated", "read_at", "started_at"): "date_added"}  # Goodreads
_KNOWN = {plain(name) for name in NAMES}


def candidates(columns: Sequence[str]) -> list[str]:
    """The columns that are called as times are; of layouts with several the one that is right."""
    for layout, time in _SETTLED.items():
        if set(layout) <= set(columns):
            return [time]
    return [column for column in columns if plain(column) in _KNOWN]


def alike(columns: Sequence[str]) -> list[str]:
    """The columns that might hold times, by names that are not among the usual."""
    return [column for column in columns if plain(column) not in _KNOWN and _ALIKE.search(column)]


def choose(frame: pd.DataFrame, columns: Sequence[str], name: str, problems: Problems) -> tuple[str, Times] | None:
    """The column that says when events happened, and its times; None, and the reason in ``problems``, where none can.

    Of several that tell the same order it is the finest.

    Args:
        frame: the columns and ``line``.
        columns: that may be it.
        name: of the file, for problems.
        problems: learns why there is none.
    """

    def place(column: str, row: int) -> str:
        return f"{name}:{frame['line'].iloc[row]} {str(frame[column].iloc[row])[:40]!r}"

    days, hours = [[c for c in columns if clocks(frame[c]) == is_clock] for is_clock in (False, True)]
    if len(days) == len(hours) == 1:
        clock = frame[hours[0]].str.strip()
        dated = frame[days[0]].astype("str").str.strip() + " " + clock
        return days[0], parse(dated.where(clock.str.fullmatch(_CLOCK_ALONE).fillna(False), ""))
    found = {column: parse(frame[column]) for column in columns}
    for column, times in found.items():
        if times.fault:
            shown = times.fault.format(*(place(column, row) for row in times.places))
            problems.no_time(f"in the column {column!r} {shown}")
            return None
    found = {column: times for column, times in found.items() if plain(column) not in _LASTING or times.since_1970}
    most = max((int(times.known.sum()) for times in found.values()), default=0)
    found = {column: times for column, times in found.items() if most and times.known.sum() >= most / 2}
    if any(times.since_1970 for times in found.values()):
        found = {column: times for column, times in found.items() if times.since_1970}
    if not found:
        problems.no_time(f"no value in the column {columns[0]!r} is a time, such as {place(columns[0], 0)}")
        return None
    best = max(found, key=lambda column: (int(found[column].known.sum()), len(np.unique(found[column].values))))
    for column, times in found.items():
        if not together(found[best], times):
            rows = disagreement(found[best], times)
            shown = " and ".join(f"{place(best, row)}, {place(column, row)}" for row in rows)
            problems.no_time(f"{best!r} and {column!r} may both be the time, and tell of another order: {shown}")
            return None
    return best, found[best]


def clocks(column: pd.Series) -> bool:
    """Whether nearly all of a column are times of day alone."""
    if not len(column) or not pd.api.types.is_string_dtype(column):
        return False
    return bool(column.str.strip().str.fullmatch(_CLOCK_ALONE).fillna(False).mean() >= _OF_A_KIND)


def together(one: Times, other: Times) -> bool:
    """Whether two columns tell of no two events in another order, one being finer than the other perhaps."""
    both = one.known & other.known
    first, second = one.values[both], other.values[both]
    order = np.lexsort((second, first))
    return bool((np.diff(second[order]) >= 0).all())


def disagreement(one: Times, other: Times) -> tuple[int, int]:
    """Two rows that the columns tell of in different order, which :func:`together` says there are."""
    both = np.flatnonzero(one.known & other.known)
    order = both[np.lexsort((other.values[both], one.values[both]))]
    place = int(np.flatnonzero(np.diff(other.values[order]) < 0)[0])
    return int(order[place]), int(order[place + 1])
