"""Archives of strangers: limits on count, size and ratio, said in the error; no links, nothing outside the folder."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from solid.data import archives
from solid.data.archives import unpack
from solid.errors import DataError


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return path


def tarred(path: Path, *entries: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for entry, content in entries:
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def entry(name: str, kind: bytes = tarfile.REGTYPE, to: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, to
    return made


def into(tmp_path: Path) -> Path:
    folder = tmp_path / "into"
    folder.mkdir(exist_ok=True)
    return folder


def all_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_files_come_out_as_they_went_in(tmp_path: Path) -> None:
    for number, archive in enumerate((
        zipped(tmp_path / "a.zip", a=b"1", b__c=b"2"),
        tarred(tmp_path / "a.tgz", (entry("./a"), b"1"), (entry("b", tarfile.DIRTYPE), b""), (entry("b/c"), b"2")),
    )):  # fmt: skip
        folder = tmp_path / str(number)
        folder.mkdir()
        unpack(archive, folder, lambda path: True)
        assert all_of(folder) == {"a": b"1", "b/c": b"2"}


@pytest.mark.parametrize(
    "bad",
    [
        entry("../out"), entry("/out"), entry("a/../../out"),
        entry("link", tarfile.SYMTYPE, "/etc/passwd"), entry("link", tarfile.LNKTYPE, "a"),
        entry("dev", tarfile.CHRTYPE),
        entry("pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda made: f"{made.name} {made.type!r}",
)  # fmt: skip
def test_what_leads_elsewhere_is_refused(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    archive = tarred(tmp_path / "a.tar.gz", (entry("a"), b"1"), (bad, b""))
    with pytest.raises(DataError, match=r"outside its folder|is a link or a device"):
        unpack(archive, into(tmp_path), lambda path: True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.gz", "into"]


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="'link' is a link or a device"):
        unpack(tmp_path / "a.zip", into(tmp_path), lambda path: True)


def test_bombs_stop_at_the_limit_and_say_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "FREE", 1000)
    monkeypatch.setattr(archives, "RATIO", 10)
    bombs = zipped(tmp_path / "a.zip", a=bytes(1 << 20)), tarred(tmp_path / "a.tgz", (entry("a"), bytes(1 << 20)))
    for bomb in bombs:
        with pytest.raises(DataError, match="goes beyond the limit of 256 GiB, or of 10 times the archive's own size"):
            unpack(bomb, into(tmp_path), lambda path: True)
        (tmp_path / "into" / "a").unlink(missing_ok=True)
    monkeypatch.setattr(archives, "MEMBERS", 2)
    with pytest.raises(DataError, match="holds more than 2 files, the limit"):
        unpack(zipped(tmp_path / "b.zip", a=b"", b=b"", c=b""), into(tmp_path), lambda path: True)
