"""Outputs that appear whole or not at all, and digests of what was read."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from solid.errors import DataError

STATE = "state.safetensors"
"""In an unfinished folder: what an interrupted step resumes from."""


def partial_of(out: Path) -> Path:
    """The scratch folder beside ``out`` in which an output is built before it is renamed into place."""
    return out.with_name(out.name + ".partial")


@contextmanager
def whole_folder(out: Path, *, holds: str, keep_partial: bool = False) -> Iterator[Path]:
    """Yield a folder to write in; it becomes ``out`` when the block ends well and only then.

    An older output is replaced. When the block fails nothing is left behind, unless ``keep_partial``
    says that the unfinished folder holds something a second try can resume from.

    Args:
        out: the folder to make.
        holds: a file that every such output has; a folder with other things in it is somebody's and not replaced.
        keep_partial: whether an unfinished folder stays.

    Raises:
        DataError: ``out`` is a file, or a folder that is no older output.
    """
    out = out.resolve()
    if out.exists() and not (out.is_dir() and ((out / holds).exists() or not any(out.iterdir()))):
        raise DataError(f"{out}: exists and is no older output of this step; remove it, or choose another --out")
    partial = partial_of(out)
    if partial.exists() and not keep_partial:
        shutil.rmtree(partial)
    partial.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
    except BaseException:
        if not keep_partial:
            shutil.rmtree(partial, ignore_errors=True)
        raise
    retired = out.with_name(out.name + ".old.partial")
    if out.exists():
        # Renamed first, for a process killed while it removes files would leave half of the older folder.
        shutil.rmtree(retired, ignore_errors=True)
        out.replace(retired)
    partial.replace(out)
    shutil.rmtree(retired, ignore_errors=True)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to; it becomes ``path`` when the block ends well and only then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON, whole or not at all; NaN is refused, keys keep their order."""
    with whole_file(path) as partial:
        partial.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DataError: the file is missing or is not JSON.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; is {path.parent} the output of the step before?")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON ({error}); run the step that wrote it again") from None


def file_md5(path: Path) -> str:
    """MD5 of a file's bytes, as DVC records it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def folder_digest(folder: Path) -> str:
    """The digest DVC gives a folder (``<md5>.dir``), so that a run can name its data as ``dvc.lock`` does."""
    entries = [
        {"md5": file_md5(path), "relpath": path.relative_to(folder).as_posix()}
        for path in folder.rglob("*")
        if path.is_file()
    ]
    entries.sort(key=lambda entry: entry["relpath"])
    return hashlib.md5(json.dumps(entries, sort_keys=True).encode("utf-8")).hexdigest() + ".dir"


def check_digest(description: Path, digest: str) -> None:
    """Check that a step's output was made from these data, as its description in JSON says.

    Raises:
        DataError: it was made from others, which may have as many items.
    """
    made = read_json(description).get("digest", digest) if description.is_file() else digest
    if made != digest:
        raise DataError(f"{description}: made from data {made!r}, not from {digest!r} as the prepared; make it again")
