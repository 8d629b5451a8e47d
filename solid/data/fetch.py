"""Copy a data source, wherever it lies, into a local folder."""

from __future__ import annotations

import base64
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from urllib.parse import SplitResult, unquote, urlsplit

from solid.console import progress
from solid.data.archives import ARCHIVES, inside, unpack
from solid.errors import DataError
from solid.masking import public

MANIFEST = "manifest.json"
CHUNK = 1 << 20  # bytes read at once
TIMEOUT = 60  # seconds without a byte


def fetch(source: str, into: Path) -> None:
    """Copy the files of a folder, an http(s):// address or an s3://bucket/prefix into an empty folder.

    Hidden files and the manifest of an earlier ingest are left out. A source that is one archive (.zip, .tar.gz) is
    unpacked. S3 takes its endpoint and credentials from the usual AWS variables.

    Args:
        source: path or address; http(s) may carry ``user:password@``.
        into: existing empty folder.

    Raises:
        DataError: the source is missing, refused or empty, or an archive has members outside itself.
    """
    address = _split(source)
    if address.scheme in ("http", "https"):
        _download(address, into)
    elif address.scheme == "s3":
        _download_objects(public_source(source), into)
    elif "://" in source:
        raise DataError(f"{public_source(source)}: give a folder, or an https://, http:// or s3:// address")
    else:
        _copy(Path(source).expanduser(), into)
    files = [path for path in into.rglob("*") if path.is_file()]
    if len(files) == 1 and files[0].name.endswith(ARCHIVES):
        unpack(files[0], into, _wanted)
        files[0].unlink()
        files = [path for path in into.rglob("*") if path.is_file()]
    if not files:
        raise DataError(f"{public_source(source)}: holds no files")


def public_source(source: str) -> str:
    """The source without what may be a secret.

    Raises:
        DataError: it is no address.
    """
    _split(source)
    return public(source)


def _split(source: str) -> SplitResult:
    try:
        return urlsplit(source)
    except ValueError as error:
        raise DataError(f"data.source is not an address: {error}") from None


def _wanted(name: PurePosixPath) -> bool:
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.parts)
    return not hidden and name != PurePosixPath(MANIFEST)


def _copy(source: Path, into: Path) -> None:
    if source.is_file():
        shutil.copyfile(source, into / source.name)
        return
    if not source.is_dir():
        raise DataError(f"{source}: no such folder; set data.source to a folder, an https:// or an s3:// address")
    names = sorted(path.relative_to(source) for path in source.rglob("*") if path.is_file())
    for name in progress(names, f"copy {source.name}", "file", len(names)):
        if _wanted(PurePosixPath(name.as_posix())):
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, into / name)


def _download(address: SplitResult, into: Path) -> None:
    shown = public(address.geturl())
    name = PurePosixPath(unquote(address.path)).name or "download"
    request = urllib.request.Request(  # noqa: S310 - fetch() lets http and https through alone
        address._replace(netloc=address.netloc.rpartition("@")[2], fragment="").geturl(),
        headers={"User-Agent": "solid"},
    )
    if address.username is not None:
        login = f"{unquote(address.username)}:{unquote(address.password or '')}".encode()
        # not sent on to where a redirect leads
        request.add_unredirected_header("Authorization", "Basic " + base64.b64encode(login).decode())
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310 - as above
            size = int(response.headers.get("Content-Length", 0))
            with (into / name).open("wb") as file:
                for chunk in progress(_chunks(response), f"download {name}", "MiB", size // CHUNK or None):
                    file.write(chunk)
                received = file.tell()
    except urllib.error.HTTPError as error:
        raise DataError(f"{shown}: the server answers {error.code} {error.reason}; check the address") from None
    except (OSError, HTTPException, ValueError) as error:
        raise DataError(f"{shown}: {getattr(error, 'reason', error)}; check address and network, try again") from None
    if received < size:
        raise DataError(f"{shown}: only {received:,} of {size:,} bytes arrived; try again")


def _chunks(response: HTTPResponse) -> Iterator[bytes]:
    while chunk := response.read(CHUNK):
        yield chunk


def _download_objects(address: str, into: Path) -> None:
    from solid.storage.outputs import download_folder, is_output
    from solid.storage.s3 import Prefix

    if is_output(address):
        _copy(download_folder(address), into)
        return
    source = Prefix(address)
    sizes = source.objects()
    paths = {name: inside(name or PurePosixPath(source.address).name, source.address) for name in sizes}
    wanted = {name: into / path for name, path in paths.items() if _wanted(path)}
    if not wanted:
        raise DataError(f"{source.address}: no object there; `aws s3 ls {source.address}/` should list some")
    source.download(wanted, sum(sizes[name] for name in wanted))
