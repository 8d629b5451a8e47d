"""Delimited files: parsed by Arrow at full speed, with the line number of every row and every fault."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from solid.data.readers.lines import first_lines, open_binary
from solid.data.readers.problems import BROKEN, Problems
from solid.data.readers.times import choose, plain
from solid.errors import DataError

BLOCK = 1 << 24  # bytes Arrow parses at once; a line must fit in
SEPARATOR = "\x1f"  # stands in for a separator of several characters, which Arrow does not take
QUOTED = r"\s*[\[(]?\s*['\"]"
ELEMENT = re.compile(r"""'((?:[^'\\]|'(?=\w))*)'|"([^"]*)\"""")


def header_of(path: Path, separator: str) -> list[str]:
    """The column names on the first line of a file; none where that line is no header."""
    lines = first_lines(path, 1)
    if lines and "\0" in lines[0]:  # UTF-16, or no text at all
        return []
    try:
        return next(csv.reader(lines, delimiter=separator), [])
    except csv.Error:  # a field of over 128 KiB, or bare carriage returns
        return []


def read_delimited(
    path: Path,
    name: str,
    separator: str,
    columns: Sequence[str],
    problems: Problems,
    *,
    header: bool = False,
    encoding: str = "utf-8",
) -> pd.DataFrame:
    """Read a delimited file as text, row by row with its line number.

    Lines with another number of fields, or bytes outside the encoding, are counted as broken and left out; blank lines
    are passed over. Quotes mean something in comma- and semicolon-separated files alone.

    Args:
        path: the file, gzip-compressed or not.
        name: what problems call it.
        separator: one or more characters.
        columns: a name for each field.
        problems: counts what is broken.
        header: whether the first line holds names.
        encoding: tried where the file is not UTF-8.

    Returns:
        ``columns`` as str and ``line`` (int64, from 1).

    Raises:
        DataError: the file cannot be parsed as a table.
    """
    if len(set(columns)) < len(columns):
        raise DataError(f"{path}:1: a column name stands twice in {list(columns)}; rename one")
    with open_binary(path) as file:
        source = file.read()
    data = _utf8(source, encoding)
    repaired = data is not source
    if len(separator) > 1:
        data, separator = data.replace(separator.encode(), SEPARATOR.encode()), SEPARATOR
    broken: list[tuple[int, str]] = []

    def skip(row: pyarrow.csv.InvalidRow) -> str:
        broken.append((row.number, row.text))
        return "skip"

    if not data.strip():
        return pd.DataFrame(columns=[*columns, "line"], dtype="str")
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(data),
            # one thread: only then does Arrow know the number of a row
            pyarrow.csv.ReadOptions(
                use_threads=False, block_size=BLOCK, column_names=list(columns), skip_rows=int(header)
            ),
            pyarrow.csv.ParseOptions(
                delimiter=separator,
                quote_char='"' if separator in ",;" else False,
                ignore_empty_lines=False,
                invalid_row_handler=skip,
            ),
            pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.string())),
        )
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: not a table separated by {separator!r}: {error}; repair or remove the file") from None
    frame = cast(pd.DataFrame, table.to_pandas())

    numbers = np.array([number for number, _ in broken], dtype=np.int64)
    rows = np.delete(np.arange(len(frame) + len(broken)) + 1 + header, numbers - 1 - header)
    # a quote left open swallows the lines up to the next one: all of them are lost, and later rows stand further down
    lost = [text.split("\n") for _, text in broken]
    shift = np.cumsum([0] + [len(lines) - 1 for lines in lost])
    frame["line"] = rows + shift[np.searchsorted(numbers, rows)]
    places = (
        (int(first) + offset, f"not {len(columns)} fields: {line[:80]!r}")
        for first, lines in zip(numbers + shift[:-1], lost, strict=True)
        for offset, line in enumerate(lines)
    )
    count = len(broken) + int(shift[-1])
    problems.add_all(BROKEN, name, count, places)
    frame = frame[(frame[list(columns)] != "").any(axis=1)]
    problems.read[name] += len(frame) + count
    if not repaired:
        return frame.reset_index(drop=True)
    garbled = frame[list(columns)].apply(lambda column: column.str.contains("\ufffd", regex=False)).any(axis=1)
    return drop_broken(frame, garbled, name, problems, "not UTF-8")


def parse_events(
    frame: pd.DataFrame,
    name: str,
    problems: Problems,
    *,
    timed: bool,
    times: Sequence[str] = ("timestamp",),
) -> pd.DataFrame:
    """Keep the rows with a user, an item and (where timed) a time; count the others as broken.

    Args:
        frame: ``user_id``, ``item_id``, ``line`` and (where timed) the columns of time.
        name: what problems call the file.
        problems: counts what is broken, and learns why times are of no use.
        timed: whether events have a time.
        times: the columns that may hold it.

    Returns:
        ``user_id``, ``item_id``, ``line``, what else the frame has, and (where timed) ``timestamp``, int64 or float64.
    """
    frame = drop_broken(frame, frame["user_id"] == "", name, problems, "no user")
    frame = drop_broken(frame, frame["item_id"] == "", name, problems, "no item")
    if not timed or frame.empty:
        return frame
    chosen = choose(frame, times, name, problems)
    if chosen is None:
        return frame
    column, found = chosen
    texts = frame[column][~found.known].astype("str").fillna("")
    places = (
        (int(line), f"no time: {text[:40]!r}") for line, text in zip(frame["line"][texts.index], texts, strict=True)
    )
    problems.add_all(BROKEN, name, len(texts), places)
    return frame.assign(timestamp=found.values)[found.known].reset_index(drop=True)


def drop_broken(frame: pd.DataFrame, broken: pd.Series[bool], name: str, problems: Problems, what: str) -> pd.DataFrame:
    """The frame without the broken rows, which are counted."""
    lines = frame.loc[broken, "line"]
    problems.add_all(BROKEN, name, len(lines), ((int(line), what) for line in lines))
    return frame[~broken].reset_index(drop=True)


def _utf8(data: bytes, encoding: str) -> bytes:
    """The same text in UTF-8; what fits neither UTF-8 nor the other encoding becomes U+FFFD."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode(encoding, errors="replace").encode("utf-8")
    return data


def pick(columns: Sequence[str], roles: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Which column plays which role: for each role the first of its names among the columns.

    Capitals, and what is neither letter nor digit, make no difference.
    """
    known = {plain(column): column for column in reversed(columns)}
    found = {
        role: next((known[name] for name in map(plain, names) if name in known), None) for role, names in roles.items()
    }
    return {column: role for role, column in found.items() if column is not None}


def describe(frame: pd.DataFrame, separator: str) -> pd.DataFrame:
    """Item metadata from the columns ``title``, ``category`` and ``text``, as far as they are there.

    Args:
        frame: ``item_id``, ``line`` and any of the three.
        separator: stands between the names in ``category``.

    Returns:
        ``title``; ``category``, the first of the names; ``text``, all three one after the other, or "" where the
        category is all there is.
    """
    words = frame.reindex(columns=["title", "category", "text"], fill_value="").astype("str")
    listed = words["category"].str.match(QUOTED)
    if listed.any():  # ['Sports & Outdoors', 'Balls'] or 'Sports & Outdoors', 'Balls'
        lists = words["category"][listed].map(lambda text: "|".join(map("".join, ELEMENT.findall(text))))
        words["category"] = words["category"].str.replace(separator, "|", regex=False).mask(listed, lists)
        separator = "|"
    names = words["category"].str.replace(separator, " ", regex=False)
    text = (words["title"] + ". " + names + ". " + words["text"]).str.replace(r"\.*(\. )+", ". ", regex=True)
    wordless = (words["title"] == "") & (words["text"] == "")
    return frame[["item_id", "line"]].assign(
        title=words["title"],
        text=text.str.strip(" .").mask(wordless, ""),
        category=words["category"].str.split(separator, regex=False).str[0],
    )
