"""Folders in S3 that appear whole or not at all, and the local copies that steps work on.

S3 cannot rename a folder, so the output of a step lies there as

    <address>/20261125T031500Z-5f0c2a9e/...    the files of one version
    <address>/solid-manifest.json              the version that counts: its files, their sizes and SHA-256
    <address>/solid-progress                   while a training works: what another try resumes from

The files of a new version go up beside the older one's. Then its manifest replaces the older manifest, which S3 does
whole, and only then are the older files removed. A reader takes exactly the files that the manifest lists. So a writer
that is interrupted, or overtaken by another one, leaves a whole output behind; what it left of its own version is
removed a day later by the next writer.

Local copies lie in the folder that SOLID_CACHE names (default: ``solid`` in the user's cache folder). A copy is
found again by its content, so that an input that has not changed is not downloaded again, not even after the step that
wrote it ran anew. All of the folder can be removed at any time that no step runs.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from solid.console import say
from solid.errors import DataError
from solid.storage.cache import cache
from solid.storage.in_place import on_its_way
from solid.storage.local import STATE, partial_of, whole_file
from solid.storage.manifest import DAY, MANIFEST, File, Manifest
from solid.storage.progress import PROGRESS, progress_kept
from solid.storage.s3 import MissingObjectError, Prefix


def is_output(address: str) -> bool:
    """Whether a step has written its output to the address."""
    return Manifest.read(Prefix(address)) is not None


def is_written(address: str) -> bool:
    """Whether anything whole lies at the address: the output of a step, or a single object."""
    return not {"", MANIFEST}.isdisjoint(Prefix(address).objects())


def download_folder(address: str) -> Path:
    """A local copy of the output that lies at an address, to be read and not changed.

    It is downloaded if there is no copy of the same content yet, and checked against sizes and SHA-256.

    Raises:
        DataError: there is no output, it is damaged, or S3 refuses or does not answer.
    """
    source = Prefix(address)
    while True:
        manifest = Manifest.read(source)
        if manifest is None:
            raise DataError(
                f"{source.address}: no output of a step lies there (it would have a {MANIFEST}); check the address, "
                "or run the step that writes it"
            )
        copy = _place("inputs", source.address) / manifest.digest
        if not manifest.is_held_by(copy):
            try:
                _download(source, manifest, copy)
            except MissingObjectError as error:
                if Manifest.read(source) == manifest:
                    raise DataError(
                        f"{error}, though the manifest lists it; run the step that writes it again"
                    ) from None
                continue  # a new version took the place of this one while it came down
        os.utime(copy)  # in use
        return copy


def download_file(address: str) -> Path:
    """A local copy of one small object, such as a file of settings.

    Raises:
        DataError: there is none, or S3 refuses or does not answer.
    """
    source = Prefix(address)
    content = source.read("")
    if content is None:
        raise DataError(f"{source.address}: no such object; check the address")
    folder = _place("inputs", source.address) / hashlib.sha256(content).hexdigest()[:16]
    with whole_file(folder / PurePosixPath(source.address).name) as partial:
        partial.write_bytes(content)
    return folder / PurePosixPath(source.address).name


def upload_file(path: Path, address: str) -> None:
    """Copy a small file to an address, where it appears whole or not at all.

    Raises:
        DataError: S3 refuses or does not answer.
    """
    Prefix(address).write("", path.read_bytes())


@contextmanager
def upload_when_done(address: str, step: str) -> Iterator[Path]:
    """Yield the path of a folder to make; when the block ends well, and only then, it is the output at the address.

    The path is the same for every try on this machine, so that a training goes on from what an interrupted one left
    beside it; on another machine it goes on from what that one sent to S3. An older output of the same step is
    replaced. What was uploaded stays as a local copy.

    Args:
        address: where the output goes.
        step: the command that makes it.

    Raises:
        DataError: an output of another step lies there, another process on this machine writes there, or S3 refuses or
            does not answer.
    """
    target = Prefix(address)
    older = Manifest.read(target)
    if older and older.step != step:
        raise DataError(f"{target.address}: holds an output of {older.step}, not of {step}; choose another --out")
    folder = _place("outputs", target.address)
    with _only_writer(folder, target.address):
        if folder.exists():  # its upload failed
            shutil.rmtree(folder)
        with on_its_way(folder) as waiting, progress_kept(folder, target):
            yield folder
        manifest = Manifest.of(folder, step)
        try:
            _publish(target, manifest, folder)
        except DataError:
            say(f"{folder}: whole, but not uploaded; the next try of this step makes it anew")
            raise
        for act in waiting:
            act()
        if not (partial_of(folder) / STATE).exists():  # else another try would need it
            _tidy(target, lambda name: name == PROGRESS)
        copy = _place("inputs", target.address) / manifest.digest
        _settle(folder, copy, manifest)
        os.utime(copy)
    say(f"{target.address}: uploaded {manifest.amount}")


def _place(kind: str, address: str) -> Path:
    """The folder for an address in the cache: a name that people recognise, and a hash that tells addresses apart."""
    return cache(kind) / f"{PurePosixPath(address).name[:100]}-{hashlib.sha256(address.encode()).hexdigest()[:12]}"


def _download(source: Prefix, manifest: Manifest, copy: Path) -> None:
    copy.parent.mkdir(exist_ok=True)
    _remove_unused(copy.parent)
    with tempfile.TemporaryDirectory(dir=copy.parent, prefix=".", ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch, "files")
        folder.mkdir()
        source.download({f"{manifest.version}/{name}": folder / name for name in manifest.files}, manifest.size)
        for name, expected in manifest.files.items():
            if File.of(folder / name) != expected:
                raise DataError(
                    f"{source.address}/{manifest.version}/{name}: not the file that was written, by size or SHA-256; "
                    "run the step that writes it again"
                )
        _settle(folder, copy, manifest)
    say(f"{source.address}: downloaded {manifest.amount}")


def _settle(folder: Path, copy: Path, manifest: Manifest) -> None:
    """Make a finished folder the copy, unless another process has made the same one in the meantime."""
    copy.parent.mkdir(exist_ok=True)
    if copy.exists() and not manifest.is_held_by(copy):
        shutil.rmtree(copy)
    try:
        folder.replace(copy)
    except OSError:
        if not manifest.is_held_by(copy):
            raise
        shutil.rmtree(folder)


def _remove_unused(copies: Path) -> None:
    """Remove the copies of one address that no step has asked for in a day."""
    for copy in copies.iterdir():
        with suppress(FileNotFoundError):  # another process removes it, too
            if copy.stat().st_mtime < time.time() - DAY.total_seconds():
                shutil.rmtree(copy, ignore_errors=True)


@contextmanager
def _only_writer(folder: Path, address: str) -> Iterator[None]:
    """Hold the folder's lock, which ends with the process, however that ends."""
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(f"{address}: another process on this machine writes there; wait until it ends") from None
        yield


def _publish(target: Prefix, manifest: Manifest, folder: Path) -> None:
    objects = {f"{manifest.version}/{name}": folder / name for name in manifest.files}
    try:
        target.upload(objects)
    except BaseException:
        with suppress(DataError):
            target.remove(objects)
        raise
    older = Manifest.read(target)
    target.write(MANIFEST, manifest.model_dump_json(indent=2).encode())
    _tidy(target, lambda name: manifest.outlives(name, older))


def _tidy(target: Prefix, which: Callable[[str], bool]) -> None:
    try:
        target.remove([name for name in target.objects() if which(name)])
    except DataError as error:
        say(f"{error}; the new output is in place, files of an older one remain beside it")
