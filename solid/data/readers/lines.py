"""Text files, compressed or not, and the JSON objects in them."""

from __future__ import annotations

import ast
import bz2
import gzip
import json
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any

from solid.console import progress
from solid.data.readers.problems import BROKEN, Problems
from solid.errors import DataError

LONGEST_LOOK = 1 << 20  # bytes of a line that are looked at to recognise a file
COMPRESSED = (".gz", ".bz2", ".xz")
_OPENERS: dict[bytes, tuple[str, Callable[[Path], Any]]] = {
    b"\x1f\x8b": ("gzip", gzip.open),
    b"BZh": ("bzip2", bz2.open),
    b"\xfd7zXZ": ("xz", lzma.open),
}


@contextmanager
def open_binary(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, decompressed where its first bytes say so, whatever its name.

    Raises:
        DataError: the compressed file is damaged.
    """
    with path.open("rb") as file:
        first = file.read(5)
    kind, opener = next((found for magic, found in _OPENERS.items() if first.startswith(magic)), ("", None))
    damage = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, *((OSError,) if kind == "bzip2" else ()))
    try:
        with opener(path) if opener else path.open("rb") as file:
            yield file
    except damage as error:
        raise DataError(f"{path}: damaged {kind} file ({error}); fetch it again") from None


def first_lines(path: Path, count: int) -> list[str]:
    """At most ``count`` first lines, for a look at what a file holds; a file that cannot be read has none."""
    try:
        with open_binary(path) as file:
            lines = [file.readline(LONGEST_LOOK) for _ in range(count)]
    except (OSError, DataError):
        return []
    return [line.decode("utf-8-sig", errors="replace").rstrip("\r\n") for line in lines if line]


def first_records(path: Path, count: int) -> list[dict[str, Any]]:
    """The JSON objects among the first lines, or the first ones of an array; a file that cannot be read has none."""
    lines = first_lines(path, count)
    if lines and lines[0].lstrip().startswith("["):
        return list(islice(_in_array(path), count))
    records = []
    for line in lines:
        try:
            records.append(parse_record(line))
        except ValueError:
            continue
    return records


def parse_record(line: str) -> dict[str, Any]:
    """Parse a JSON object, or a Python dict display as in the Amazon metadata of 2014.

    Raises:
        ValueError: it is neither.
    """
    try:
        python = line.lstrip().startswith(("{'", "{u'", '{u"'))
        record = ast.literal_eval(line) if python else json.loads(line)
    except (SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(str(error)) from None
    return _checked(record)


def json_lines(path: Path, name: str, problems: Problems) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSON lines file with their line numbers; broken lines are counted and passed over.

    Of a file that is one array they are the objects in it, numbered from 1.

    Raises:
        DataError: the file is compressed and damaged, or an array and cut.
    """
    with open_binary(path) as file:
        start = file.read(64)
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[") and _is_array(path):
        yield from _array(path, name, problems)
        return
    with open_binary(path) as file:
        for number, line in enumerate(progress(file, f"read {name}", "line"), start=1):
            if line.isspace():
                continue
            problems.read[name] += 1
            try:
                yield number, parse_record(line.decode("utf-8-sig"))
            except ValueError as error:
                problems.add(BROKEN, name, number, f"not a JSON object: {error}")


def _checked(record: Any) -> dict[str, Any]:
    if not isinstance(record, dict):
        raise ValueError("not an object")
    if not all(isinstance(field, str) for field in record):
        raise ValueError("a field whose name is not text")
    return record


def _is_array(path: Path) -> bool:
    """Whether the first thing in the array is an object."""
    return next(_in_array(path), None) is not None


def _in_array(path: Path) -> Iterator[dict[str, Any]]:
    """The objects at the beginning of an array."""
    try:
        with open_binary(path) as file:
            text = file.read(LONGEST_LOOK).decode("utf-8-sig", errors="replace").strip()
    except (OSError, DataError):
        return
    decoder, place = json.JSONDecoder(), 1
    while True:
        place += len(text[place:]) - len(text[place:].lstrip(" \t\r\n,"))
        try:
            record, place = decoder.raw_decode(text, place)
            yield _checked(record)
        except (ValueError, RecursionError):
            return


def _array(path: Path, name: str, problems: Problems) -> Iterator[tuple[int, dict[str, Any]]]:
    with open_binary(path) as file:
        try:
            records = json.loads(file.read())
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: not a whole JSON array ({error}); fetch it again") from None
    for number, record in enumerate(progress(records, f"read {name}", "object"), start=1):
        problems.read[name] += 1
        try:
            yield number, _checked(record)
        except ValueError as error:
            problems.add(BROKEN, name, number, f"not a JSON object: {error}")
