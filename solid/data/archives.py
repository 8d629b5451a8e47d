"""Archives of strangers: unpacked member by member, within limits, and nowhere else than into their folder."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from solid.console import progress
from solid.errors import DataError

ARCHIVES = (".zip", ".tar.gz", ".tgz", ".tar")
MEMBERS = 1_000_000
SIZE = 256 << 30
RATIO = 1000
"""How many times as large as its archive a content may be, beyond what every archive may hold; text comes to 20."""
FREE = 1 << 30
_CHUNK = 1 << 20


def inside(name: str, source: str) -> PurePosixPath:
    """The relative path of a member of an archive or bucket, refused where it would lead out of the folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        raise DataError(f"{source}: holds {name!r}, which would be written outside its folder; remove it from there")
    return path


def unpack(archive: Path, into: Path, wanted: Callable[[PurePosixPath], bool]) -> None:
    """Unpack an archive's files into a folder.

    Args:
        archive: whose name ends like one of ARCHIVES.
        into: existing folder.
        wanted: which files, by their relative path.

    Raises:
        DataError: it is damaged, or holds more than MEMBERS files, more than SIZE bytes, more than RATIO times its own
            size, a link or a device, or a file that would lie outside its folder.
    """
    room = min(SIZE, FREE + RATIO * archive.stat().st_size)
    try:
        for number, (name, file) in enumerate(progress(_members(archive), f"unpack {archive.name}", "file"), 1):
            if number > MEMBERS:
                raise DataError(f"{archive.name}: holds more than {MEMBERS:,} files, the limit; unpack it by hand")
            path = PurePosixPath(*(part for part in inside(name, archive.name).parts if part != "."))
            if not wanted(path):
                continue
            (into / path).parent.mkdir(parents=True, exist_ok=True)
            with file, (into / path).open("xb") as out:
                while chunk := file.read(_CHUNK):
                    room -= len(chunk)
                    if room < 0:
                        raise DataError(
                            f"{archive.name}: {name!r} goes beyond the limit of {SIZE >> 30} GiB, or of {RATIO} times "
                            "the archive's own size; unpack it by hand, if it is to be trusted"
                        )
                    out.write(chunk)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError,
            NotImplementedError) as error:  # fmt: skip
        raise DataError(f"{archive.name}: not unpacked: {error}; check the archive") from None


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and content of each file."""
    if archive.name.endswith(".zip"):
        with zipfile.ZipFile(archive) as members:
            for member in members.infolist():
                if not member.is_dir():
                    if (member.external_attr >> 16) & 0o170000 == 0o120000:
                        raise _no_file(archive, member.filename)
                    yield member.filename, members.open(member)
        return
    with tarfile.open(archive) as tar:
        for entry in tar:
            tar.members = []  # type: ignore[attr-defined]  # else it remembers all of them
            if entry.isfile():
                content = tar.extractfile(entry)
                assert content is not None
                yield entry.name, content
            elif not entry.isdir():
                raise _no_file(archive, entry.name)


def _no_file(archive: Path, name: str) -> DataError:
    return DataError(f"{archive.name}: {name!r} is a link or a device, which data has no need of; remove it from there")
