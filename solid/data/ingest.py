"""Bring raw data in, unchanged, and record what it is."""

from __future__ import annotations

from pathlib import Path

from solid.console import say
from solid.data.fetch import MANIFEST, fetch, public_source
from solid.data.readers import find_reader
from solid.errors import DataError
from solid.settings.schema import DataSettings
from solid.storage.local import file_md5, folder_digest, whole_folder, write_json


def ingest(out: Path, settings: DataSettings) -> None:
    """Copy the source into a folder, recognise its format, and write ``manifest.json``.

    The manifest holds ``source`` (an address without credentials; of a local source the name alone, since the same data
    gives the same bytes wherever it lies), ``format`` (the reader's name), ``order`` (of events, as set), ``digest``
    (DVC's of the source files alone) and ``files`` (relative path -> md5).

    Args:
        out: folder to write.
        settings: source, format and order.

    Raises:
        DataError: the source cannot be fetched, or no reader, or more than one, recognises it.
    """
    source = public_source(settings.source)
    _refuse_overlap(settings.source, out)
    with whole_folder(out, holds=MANIFEST) as folder:
        fetch(settings.source, folder)
        try:
            reader = find_reader(folder, settings.format)
        except DataError as error:
            raise DataError(str(error).replace(str(folder), source)) from None
        digest = folder_digest(folder)
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        files = {path.relative_to(folder).as_posix(): file_md5(path) for path in paths}
        origin = source if "://" in source else Path(source).resolve().name
        manifest = {"source": origin, "format": reader.name, "order": settings.order, "digest": digest, "files": files}
        write_json(folder / MANIFEST, manifest)
    say(f"{out}: {len(files):,} files from {source}, format {reader.name}")


def _refuse_overlap(source: str, out: Path) -> None:
    """Writing ``out`` must not touch what it is made from."""
    here, there = Path(source).expanduser().resolve(), out.resolve()
    if "://" not in source and (here.is_relative_to(there) or there.is_relative_to(here)):
        raise DataError(f"{source}: overlaps the output {out}; choose an --out beside it")
