"""Text files, gzip-compressed or not, and the JSON lines in them."""

from __future__ import annotations

import ast
import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from solid.console import progress
from solid.data.readers.base import BROKEN, Problems
from solid.errors import DataError

LONGEST_LOOK = 1 << 20  # bytes of a line that are looked at to recognise a file


@contextmanager
def open_binary(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, through gzip where its name ends in .gz.

    Raises:
        DataError: the compressed file is damaged.
    """
    try:
        with cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb") as file:
            yield file
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: damaged gzip file ({error}); fetch it again") from None


def first_lines(path: Path, count: int) -> list[str]:
    """At most ``count`` first lines, for a look at what a file holds; a file that cannot be read has none."""
    try:
        with open_binary(path) as file:
            lines = [file.readline(LONGEST_LOOK) for _ in range(count)]
    except (OSError, DataError):
        return []
    return [line.decode("utf-8-sig", errors="replace").rstrip("\r\n") for line in lines if line]


def parse_record(line: str) -> dict[str, Any]:
    """Parse a JSON object, or a Python dict display as in the Amazon metadata of 2014.

    Raises:
        ValueError: it is neither.
    """
    try:
        record = ast.literal_eval(line) if line.lstrip().startswith("{'") else json.loads(line)
    except (SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(str(error)) from None
    if not isinstance(record, dict):
        raise ValueError("not an object")
    if not all(isinstance(field, str) for field in record):
        raise ValueError("a field whose name is not text")
    return record


def json_lines(path: Path, name: str, problems: Problems) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSON lines file with their line numbers; broken lines are counted and passed over."""
    with open_binary(path) as file:
        for number, line in enumerate(progress(file, f"read {name}", "line"), start=1):
            if line.isspace():
                continue
            problems.read[name] += 1
            try:
                yield number, parse_record(line.decode("utf-8-sig"))
            except ValueError as error:
                problems.add(BROKEN, name, number, f"not a JSON object: {error}")
