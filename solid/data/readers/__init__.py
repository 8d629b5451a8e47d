"""Readers of source formats, found by name or by looking at the folder. To add one: a file and a line here."""

from __future__ import annotations

from pathlib import Path
from pkgutil import resolve_name

from solid.data.readers.base import RawData, Reader, Vectors, find_files, relative
from solid.data.readers.problems import Problems
from solid.data.readers.strangers import look, tell
from solid.errors import DataError

__all__ = ["READERS", "Problems", "RawData", "Reader", "Vectors", "find_reader"]

READERS: tuple[Reader, ...] = tuple(
    resolve_name(f"{__name__}.{place}")()
    for place in (
        "amazon:Amazon",
        "amazon_ratings:AmazonRatings",
        "recbole:RecBole",
        "unisrec:UniSRec",
        "movielens:MovieLens",
        "douban:Douban",
        "released:Released",
        "headless:Headless",
        "headless:Pairs",
        "csv_table:Csv",
    )
)
GENERIC = next(reader for reader in READERS if reader.name == "csv")


def find_reader(folder: Path, name: str = "auto") -> Reader:
    """The reader of that name, or for ``auto`` the one that recognises the folder.

    The generic ``csv`` is asked only when no other reader recognises the folder.

    Raises:
        DataError: no reader has that name, none recognises the folder, or more than one does.
    """
    known = {reader.name: reader for reader in READERS}
    if name in known:
        return known[name]
    listing = "\n".join(f"  {reader.name}: {reader.description}" for reader in known.values())
    if name != "auto":
        raise DataError(f"no reader is called {name!r}; data.format may be auto or one of\n{listing}")
    fitting = [reader for reader in READERS if reader.matches(folder)]
    if len(fitting) > 1 and GENERIC in fitting:
        fitting.remove(GENERIC)
    if not fitting:
        looks = [(relative(path, folder), look(path)) for path in find_files(folder, "*")]
        raise DataError(
            f"{folder}: no reader recognises these files:{tell(looks)}\ndata.format may name one of\n{listing}"
        )
    if len(fitting) > 1:
        names = " and ".join(reader.name for reader in fitting)
        raise DataError(f"{folder}: looks like {names}; say which with data.format")
    return fitting[0]
