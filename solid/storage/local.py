"""Outputs that appear whole or not at all, and digests of what was read."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from solid.errors import DataError

STATE = "state.safetensors"
"""In a scratch folder: what an interrupted step resumes from."""
_MADE = "output"  # in the scratch folder of a step that is resumable: what becomes the output


def partial_of(out: Path) -> Path:
    """The scratch folder beside ``out`` in which an output is built before it is renamed into place."""
    out = out.resolve()
    return out.with_name(out.name + ".partial")


@contextmanager
def whole_folder(out: Path, *, holds: str, resumable: bool = False) -> Iterator[Path]:
    """Yield a folder to write in; it becomes ``out`` when the block ends well and only then.

    An older output is replaced. When the block fails nothing is left behind, unless the step is resumable: then the
    scratch folder stays, whose STATE says how to go on; also when the block ends well, until whoever wrote it has no
    need of it any more.

    Args:
        out: the folder to make.
        holds: a file that every such output has; a folder with other things in it is somebody's and not replaced.
        resumable: whether the scratch folder stays.

    Raises:
        DataError: ``out`` is a file, or a folder that is no older output, or another process writes there.
    """
    out = out.resolve()
    with _only_writer(out) as scratch:
        # Asked by the only one who may replace it: it cannot go between two looks.
        if out.exists() and not (out.is_dir() and ((out / holds).exists() or not any(out.iterdir()))):
            if not any(scratch.iterdir()):
                scratch.rmdir()
            raise DataError(f"{out}: exists and is no older output of this step; remove it, or choose another --out")
        for leftover in scratch.iterdir():
            if not (resumable and leftover.name == STATE):
                _remove(leftover)
        made = scratch / _MADE if resumable else scratch
        made.mkdir(exist_ok=True)
        try:
            yield made
        except BaseException:
            _remove(made)
            if resumable and not any(scratch.iterdir()):
                scratch.rmdir()
            raise
        retired = out.with_name(out.name + ".old.partial")
        while out.exists():
            # Renamed first, for a process killed while it removes files would leave half of the older folder.
            shutil.rmtree(retired, ignore_errors=True)
            try:
                out.replace(retired)
            except OSError as error:  # the writer before this one removes there what it has retired
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
        made.replace(out)
        shutil.rmtree(retired, ignore_errors=True)


@contextmanager
def _only_writer(out: Path) -> Iterator[Path]:
    """Yield the scratch folder, made and held by this process alone; the lock ends with it, however that ends."""
    scratch = partial_of(out)
    while True:
        try:
            scratch.mkdir(parents=True, exist_ok=True)
            held = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue  # another process has just renamed it into place
        except FileExistsError:
            if os.path.lexists(scratch) and not scratch.is_dir():
                raise DataError(f"{scratch}: in the way of the output to be, and no folder; remove it") from None
            continue  # it was there, and has been renamed before anybody could look what it is
        try:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DataError(f"{out}: another process writes there; wait until it ends") from None
            if _still_there(scratch, held):
                yield scratch
                return
        finally:
            os.close(held)


def _still_there(folder: Path, held: int) -> bool:
    try:
        return os.path.samestat(folder.stat(), os.fstat(held))
    except FileNotFoundError:
        return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


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
        DataError: it was made from others, which may have as many items, or does not say from which.
    """
    about = read_json(description)
    made = about.get("digest") if isinstance(about, dict) else None
    if made is None:
        raise DataError(f"{description}: does not say which data it was made from (digest); run its step again")
    if made != digest:
        raise DataError(f"{description}: made from data {made!r}, not from {digest!r} as the prepared; make it again")
