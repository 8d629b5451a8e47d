"""Helpers of the reader tests: write a tiny source, compare what was read with what should be."""

from __future__ import annotations

import gzip
from pathlib import Path

from solid.data.readers import RawData


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return folder


def events(raw: RawData) -> list[tuple[str, str, int]]:
    """The interactions, after a look at the schema."""
    frame = raw.interactions
    assert list(frame.columns) == ["user_id", "item_id", "timestamp", "file", "line"]
    assert [str(frame[column].dtype) for column in frame.columns[:3]] == ["str", "str", "int64"]
    return list(frame[["user_id", "item_id", "timestamp"]].itertuples(index=False, name=None))


def places(raw: RawData) -> list[str]:
    """file:line of every interaction."""
    return [f"{file}:{line}" for file, line in raw.interactions[["file", "line"]].itertuples(index=False, name=None)]


def items(raw: RawData) -> list[tuple[str, str, str, str, str]]:
    """The items as (item_id, title, text, category, image), after a look at the schema."""
    assert list(raw.items.columns) == ["item_id", "title", "text", "category", "image"]
    assert {str(dtype) for dtype in raw.items.dtypes} == {"str"}
    return list(raw.items.itertuples(index=False, name=None))
