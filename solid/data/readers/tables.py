"""Files that are tables with named columns, whatever their kind: delimited text, JSON lines, parquet."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from solid.data.readers.base import find_files
from solid.data.readers.delimited import header_of, read_delimited
from solid.data.readers.lines import COMPRESSED, first_records, json_lines
from solid.data.readers.problems import Problems
from solid.errors import DataError

SEPARATORS = ("\t", ",", ";", "|", " ")
DELIMITED, JSON, PARQUET = ("csv", "tsv", "tab", "txt", "dat"), ("json", "jsonl", "ndjson"), ("parquet", "pq")
LOOK = 20  # first records of a file whose fields are its columns
WHOLE_FLOAT = r"-?\d+\.0+"


@dataclass(frozen=True)
class Table(ABC):
    """A file that may be a table; ``columns`` are the names that its first lines give."""

    path: Path

    @property
    @abstractmethod
    def columns(self) -> list[str]:
        """Names of the columns; none where the file is no such table."""

    @property
    def always(self) -> list[str]:
        """Those of the columns that have a value in every row that was looked at."""
        return self.columns

    @abstractmethod
    def read(self, name: str, wanted: Sequence[str], problems: Problems) -> pd.DataFrame:
        """The wanted columns and ``line``, from 1; a column is text, or what parquet holds.

        Raises:
            DataError: the file is damaged, or is no such table.
        """


@dataclass(frozen=True)
class Delimited(Table):
    """Delimited text with a header."""

    separator: str

    @cached_property
    def columns(self) -> list[str]:
        """The fields of the first line."""
        return header_of(self.path, self.separator)

    def read(self, name: str, wanted: Sequence[str], problems: Problems) -> pd.DataFrame:
        """Read all, as text."""
        frame = read_delimited(self.path, name, self.separator, self.columns, problems, header=True)
        return frame[[*wanted, "line"]]


@dataclass(frozen=True)
class JsonLines(Table):
    """An object a line, or an array of objects."""

    @cached_property
    def _first(self) -> list[dict[str, Any]]:
        return first_records(self.path, LOOK)

    @cached_property
    def columns(self) -> list[str]:
        """The fields of the first records."""
        return list(dict.fromkeys(field for record in self._first for field in record))

    @property
    def always(self) -> list[str]:
        """The fields of all of them that are something."""
        return [field for field in self.columns if all(record.get(field) not in (None, "") for record in self._first)]

    def read(self, name: str, wanted: Sequence[str], problems: Problems) -> pd.DataFrame:
        """Read numbers and texts as text, lists of them joined by a bar, anything else as nothing."""
        found: dict[str, list[str]] = {column: [] for column in wanted}
        lines = []
        for line, record in json_lines(self.path, name, problems):
            lines.append(line)
            for column, values in found.items():
                values.append(_text(record.get(column)))
        columns = {column: pd.array(values, dtype="str") for column, values in found.items()}
        return pd.DataFrame({**columns, "line": pd.array(lines, dtype="int64")})


@dataclass(frozen=True)
class Parquet(Table):
    """An Arrow table in parquet; its lines are its rows."""

    @cached_property
    def columns(self) -> list[str]:
        """The columns of the schema."""
        try:
            return list(pyarrow.parquet.read_schema(self.path).names)
        except (OSError, pa.ArrowException):
            return []

    def read(self, name: str, wanted: Sequence[str], problems: Problems) -> pd.DataFrame:
        """Read the columns; numbers and moments stay what they are, missing ones are missing."""
        try:
            table = pyarrow.parquet.read_table(self.path, columns=list(wanted), partitioning=None)
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{self.path}: damaged parquet file ({error}); fetch it again") from None
        problems.read[name] += len(table)
        return pd.DataFrame(
            {column: _series(table[column]) for column in wanted} | {"line": range(1, len(table) + 1)},
        )


def readings(path: Path) -> Iterator[Table]:
    """Every kind of table that a file may be, by its name."""
    kinds = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in COMPRESSED]
    kind = kinds[-1].removeprefix(".") if kinds else ""
    if kind in JSON:
        yield JsonLines(path)
    elif kind in PARQUET:
        yield Parquet(path)
    elif kind in DELIMITED:
        yield from (Delimited(path, separator) for separator in SEPARATORS)


def find_tables(folder: Path) -> Iterator[list[Table]]:
    """All readings of each file whose name is that of a table."""
    for path in find_files(folder, "*"):
        if found := list(readings(path)):
            yield found


def as_ids(column: pd.Series) -> pd.Series[str]:
    """Ids as text, "" where there is none; whole numbers that a tool wrote as floats (113.0) without the point."""
    texts = column.astype("str").fillna("")
    if pd.api.types.is_bool_dtype(column):
        return texts
    given = texts != ""
    if given.any() and texts[given].str.fullmatch(WHOLE_FLOAT).all():
        texts = texts.str.replace(r"\.0+$", "", regex=True)
    return texts


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.encode("utf-8", "ignore").decode("utf-8").replace("\n", " ").replace("\r", " ")
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, list):
        return "|".join(filter(None, map(_text, value)))
    return repr(value) if isinstance(value, int | float) else ""


def _series(column: pa.ChunkedArray) -> pd.Series[Any]:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _series(column.cast(kind.value_type))
    if pa.types.is_date(kind):
        column = column.cast(pa.timestamp("us"))
    elif pa.types.is_time(kind):
        column = column.cast(pa.string())
    elif pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
    elif pa.types.is_nested(kind) or pa.types.is_binary(kind):
        column = pa.chunked_array([pa.array([_text(value) for value in column.to_pylist()], pa.string())])
    exact = {column.type: pd.Int64Dtype()} if pa.types.is_integer(column.type) and column.null_count else {}
    series: pd.Series[Any] = column.to_pandas(types_mapper=exact.get)  # whole numbers stay so where some are missing
    return series
