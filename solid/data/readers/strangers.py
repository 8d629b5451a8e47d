"""The files of a source that no reader took: those without events, as name and first lines tell, and the rest."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path

from solid.data.readers.base import PICTURES, find_files, relative
from solid.data.readers.csv_table import ROLES
from solid.data.readers.delimited import pick
from solid.data.readers.lines import first_lines, open_binary
from solid.data.readers.tables import readings
from solid.data.readers.times import alike, candidates
from solid.errors import DataError

WITHOUT_EVENTS = (
    *("readme*", "licen[cs]e*", "copying*", "notice*", "changelog*", "changes*", "citation*", "authors*"),
    *("contributing*", "*.log"),
    *("*.md", "*.rst", "*.pdf", "*.doc", "*.docx", "*.rtf", "*.tex", "*.bib", "*.html", "*.htm", "*.css", "*.js"),
    *("*.py", "*.ipynb", "*.r", "*.sh", "*.pl", "*.sql", "*.java", "*.cpp", "*.yaml", "*.yml", "*.toml", "*.cfg"),
    *("*.md5", "*.sha1", "*.sha256", "*.sha512", "*.sig", "*.asc", "*.crc", "md5sums*", "sha*sums*", "checksums*"),
    *("thumbs.db", "desktop.ini", "_success", "_metadata", "_common_metadata", "makefile", "dockerfile", "*.dvc"),
    *("dataset_info.json", "dataset-metadata.json", "croissant.json", "metadata.json", "*.svg", "*.mp4", "*.mp3"),
)
"""Names, in any case of letters, of what lies beside data and holds none."""

_EVENTFUL = re.compile(
    r"\.inter\b|rating|review|interact|event|click|purchase|transact|behavio|check.?in|order|train|valid|test",
    re.IGNORECASE,
)
"""Names of files that are there for their events, whatever their columns are called."""


def sort_out(folder: Path, read: Collection[str], others: Sequence[str] = ()) -> tuple[list[str], dict[str, str]]:
    """Find the files that were not read, and tell those without events from those that nobody knows.

    Args:
        folder: of the source.
        read: names of the files that were.
        others: patterns of file names that the format has and that hold no events.

    Returns:
        names of files without events, pictures left out; and name -> what is known of the rest.
    """
    without, strangers = [], {}
    for path in find_files(folder, "*"):
        name = relative(path, folder)
        if name in read or path.suffix.lower() in PICTURES:
            continue
        if any(fnmatch(path.name.lower(), pattern.lower()) for pattern in (*WITHOUT_EVENTS, *others)) or _beside(path):
            without.append(name)
        else:
            strangers[name] = look(path)
    return without, strangers


def tell(strangers: Iterable[tuple[str, str]], most: int = 5) -> str:
    """A line for each of the first few."""
    shown = [f"\n  {name}: {what}" for name, what in strangers]
    return "".join(shown[:most]) + (f"\n  and {len(shown) - most:,} more" if len(shown) > most else "")


def look(path: Path) -> str:
    """What a file is that no reader knows, in a few words."""
    if not path.stat().st_size:
        return "is empty"
    with path.open("rb") as file:
        first = file.read(512)
    if first.startswith((b"PK\x03\x04", b"Rar!", b"7z\xbc\xaf", b"(\xb5/\xfd")) or first[257:262] == b"ustar":
        return "is an archive inside the source; unpack it there"
    if first.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "is UTF-16 text; save it as UTF-8"
    try:
        with open_binary(path) as data:
            start = data.read(1 << 16)
            while data.read(1 << 20):  # is it whole?
                pass
    except (DataError, OSError) as error:
        return str(error).removeprefix(f"{path}: ")
    text = start.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if text.lower().startswith(("<!doctype", "<html")):
        return "is a web page, perhaps an error of the server it came from; fetch it again"
    if b"\0" in start or text.count("\ufffd") > len(text) / 10:
        return "is neither text nor a compressed file"
    for table in readings(path):
        if len(pick(table.columns, ROLES)) == 2:
            return "has users and items, but in another format than the one read; put it into a source of its own"
    line = text.partition("\n")[0].strip()[:80]
    return f"no reader knows lines like {line!r}"


def _beside(path: Path) -> bool:
    """Whether it is a table of items without users, of users without items, or of neither and no time: no events."""
    if not first_lines(path, 1):
        return False
    columns = [[column.partition(":")[0] for column in table.columns] for table in readings(path)]
    roles = [set(pick(names, ROLES).values()) for names in columns]
    return any(len(found) == 1 for found in roles) or (
        not any(roles)
        and not _EVENTFUL.search(path.name)
        and any(_headed(names) for names in columns)
        and not any(map(candidates, columns))
    )


def _headed(names: Sequence[str]) -> bool:
    """Whether these can be the names of several columns, none of which may be a time, and no first line of values."""
    words = all(re.fullmatch(r"[^\W\d][\w .()/-]*", name) for name in names)
    return len(names) > 1 and words and not alike(names)
