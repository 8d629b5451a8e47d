"""Frames of pandas, Polars or whatever else narwhals reads: what the chain takes of them, and answers in their kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import narwhals as nw
import pyarrow as pa
import pyarrow.csv

from solid.console import say
from solid.data.readers.csv_table import EVENT_ROLES, ITEM_ROLES
from solid.data.readers.delimited import pick
from solid.errors import DataError

Kind = nw.Implementation


@dataclass(frozen=True)
class IdColumn:
    """How the ids of users, or of items, are called and written outside; inside they are texts.

    Attributes:
        name: of the column in frames.
        whole: whether they are whole numbers.
    """

    name: str
    whole: bool = False

    def outside(self, texts: Sequence[str]) -> list[Any]:
        """Ids as the frame had them."""
        return [int(text) for text in texts] if self.whole else list(texts)


@dataclass(frozen=True)
class Columns:
    """The columns of a frame of events; ``time`` is the name of one, if there is any."""

    user: IdColumn = IdColumn("user_id")
    item: IdColumn = IdColumn("item_id")
    time: str | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Columns:
        """From what ``asdict`` makes of one."""
        return cls(IdColumn(**value["user"]), IdColumn(**value["item"]), value["time"])


@dataclass(frozen=True)
class Events:
    """Interactions as the readers take them.

    Attributes:
        table: ``user_id`` and ``item_id`` as text, ``timestamp`` as a number where the frame has time.
        columns: what they were called.
        kind: of frame.
    """

    table: pa.Table
    columns: Columns
    kind: Kind

    @classmethod
    def of(
        cls,
        frame: Any,
        user: str | None = None,
        item: str | None = None,
        time: str | None = None,
        known: Columns | None = None,
    ) -> Events:
        """Read a frame with a row for each interaction; without time their order counts.

        Args:
            frame: of any kind that narwhals reads, lazy ones among them.
            user: name of its column; None: the known one or the first of the usual names that is there.
            item: likewise.
            time: likewise, but it may be missing.
            known: from an earlier frame.

        Raises:
            DataError: it is no frame, a column is missing, or a value is missing or of a kind that does not fit.
        """
        data = _collected(frame, "events")
        given = {"user_id": user, "item_id": item, "timestamp": time}
        if known:
            familiar = {"user_id": known.user.name, "item_id": known.item.name, "timestamp": known.time}
            given |= {role: name for role, name in familiar.items() if name in data.columns and not given[role]}
        roles = _roles(data, "events", EVENT_ROLES, given)
        if missing := [role for role in ("user_id", "item_id") if role not in roles]:
            raise DataError(
                f"events: no column for {' and '.join(missing)} among {', '.join(map(str, data.columns))}; name it, as "
                "in fit(events, user='customer', item='product', time='bought_at')"
            )
        if data.is_empty():
            raise DataError("events: the frame has no rows")
        users, items = (_ids(data, roles[role], "events") for role in ("user_id", "item_id"))
        columns = {role: nw.col(roles[role]).cast(nw.String) for role in ("user_id", "item_id")}
        if "timestamp" not in roles:
            names = ", ".join(map(str, data.columns))
            say(f"events: no column of time among {names}, so the order of the rows counts; time= names one")
        else:
            columns["timestamp"] = _times(data, roles["timestamp"])
        return cls(
            data.select(**columns).to_arrow(), Columns(users, items, roles.get("timestamp")), data.implementation
        )


@dataclass(frozen=True)
class ItemWords:
    """What is said of items.

    Attributes:
        table: ``item_id`` and any of ``title``, ``category``, ``text``, all of them text.
    """

    table: pa.Table

    @classmethod
    def of(cls, frame: Any, item: str | None = None) -> ItemWords:
        """Read a frame with a row for each item.

        Args:
            frame: of any kind that narwhals reads.
            item: name of the column of ids; None: the first of the usual names that is there.

        Raises:
            DataError: it is no frame, has no such columns, or a value is of a kind that does not fit.
        """
        data = _collected(frame, "items")
        roles = _roles(data, "items", ITEM_ROLES, {"item_id": item})
        words = [role for role in ITEM_ROLES if role != "item_id" and role in roles]
        if "item_id" not in roles or not words:
            raise DataError(
                "items: expected a column of item ids and at least one of title, category, text; found "
                f"{', '.join(map(str, data.columns))}. Rename them, or name that of ids with item="
            )
        _ids(data, roles["item_id"], "items")
        columns = {"item_id": nw.col(roles["item_id"]).cast(nw.String)}
        for role in words:
            if data.schema[roles[role]] not in _TEXTS:
                raise DataError(f"items: column {roles[role]!r} is {data.schema[roles[role]]}, not text")
            # A line break would end the row of the file that the chain reads.
            columns[role] = nw.col(roles[role]).cast(nw.String).fill_null("").str.replace_all(r"\s+", " ")
        return cls(data.select(**columns).to_arrow())


def write_csv(table: pa.Table, path: Path) -> None:
    """Write a table as the file that ``solid ingest`` reads."""
    pyarrow.csv.write_csv(table, path)


def make_frame(columns: Mapping[str, Sequence[Any]], kind: Kind | None) -> Any:
    """A frame of this kind; of pandas unless said."""
    return nw.from_dict(dict(columns), backend=cast(Any, kind or Kind.PANDAS)).to_native()


_TEXTS = (nw.String, nw.Categorical, nw.Enum)


def _collected(frame: Any, name: str) -> nw.DataFrame[Any]:
    try:
        data = nw.from_native(frame)
    except TypeError:
        raise DataError(f"{name}: a {type(frame).__name__} is no frame; pandas, Polars and Arrow make some") from None
    return data.collect() if isinstance(data, nw.LazyFrame) else data


def _roles(
    data: nw.DataFrame[Any], name: str, usual: Mapping[str, Sequence[str]], given: Mapping[str, str | None]
) -> dict[str, str]:
    """Role -> column."""
    named = {role: column for role, column in given.items() if column is not None}
    if missing := [column for column in named.values() if column not in data.columns]:
        raise DataError(f"{name}: no column {missing[0]!r}; there are {', '.join(map(str, data.columns))}")
    found = {
        role: column for column, role in pick([name for name in data.columns if isinstance(name, str)], usual).items()
    }
    return found | named


def _ids(data: nw.DataFrame[Any], column: str, name: str) -> IdColumn:
    """Check a column of ids."""
    kind = data.schema[column]
    if not (kind.is_integer() or kind in _TEXTS):
        raise DataError(
            f"{name}: ids in column {column!r} are {kind}; whole numbers or texts are needed, so convert them with "
            "astype(str), or cast"
        )
    texts = data.get_column(column).cast(nw.String)
    _refuse_missing(texts, column, name)
    # CSV keeps neither empty ids nor those with a line break apart.
    if len(odd := texts.filter((texts == "") | texts.str.contains(r"[\r\n]"))):
        raise DataError(f"{name}: ids in column {column!r} are empty or break the line, such as {odd[0]!r}")
    return IdColumn(column, kind.is_integer())


def _times(data: nw.DataFrame[Any], column: str) -> nw.Expr:
    """Time as a number; only its order counts."""
    kind = data.schema[column]
    values = data.get_column(column)
    _refuse_missing(values, column, "events")
    if kind.is_numeric():
        return nw.col(column)
    if kind == nw.Date:
        return nw.col(column).cast(nw.Datetime("us")).dt.timestamp("us")
    if kind == nw.Datetime:
        return nw.col(column).dt.timestamp("us")
    raise DataError(f"events: time in column {column!r} is {kind}; numbers, dates or moments are needed")


def _refuse_missing(values: nw.Series[Any], column: str, name: str) -> None:
    missing = values.is_null() | values.is_nan() if values.dtype.is_float() else values.is_null()
    if count := int(missing.sum()):
        raise DataError(
            f"{name}: {count:,} values of column {column!r} are missing, the first in row {missing.arg_true()[0]}; "
            "drop these rows first"
        )
