"""Outputs appear whole or not at all, and a folder's digest is the one DVC records."""

from __future__ import annotations

import os
import shutil
import subprocess
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from solid.cli import main
from solid.errors import DataError
from solid.storage.local import (
    STATE,
    file_md5,
    folder_digest,
    partial_of,
    read_json,
    whole_file,
    whole_folder,
    write_json,
)
from solid.storage.s3 import Prefix


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text("utf-8") for p in folder.rglob("*") if p.is_file()}


# whole_folder


def test_a_folder_appears_when_the_block_ends(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    with whole_folder(out, holds="old") as folder:
        write(folder, {"a": "1", "b/c": "2"})
        assert not out.exists()
    assert contents(tmp_path) == {"deep/out/a": "1", "deep/out/b/c": "2"}


def test_a_folder_that_fails_leaves_nothing_and_keeps_the_older_one(tmp_path: Path) -> None:
    out = write(tmp_path / "out", {"old": "1"})
    with pytest.raises(KeyboardInterrupt), whole_folder(out, holds="old") as folder:
        write(folder, {"new": "2"})
        raise KeyboardInterrupt
    assert contents(tmp_path) == {"out/old": "1"}


def test_somebody_elses_folder_or_file_is_never_replaced(tmp_path: Path) -> None:
    theirs = write(tmp_path / "thesis", {"chapter": "1"})
    with pytest.raises(DataError, match="is no older output of this step"), whole_folder(theirs, holds="old"):
        pytest.fail("nothing may be done before")
    with pytest.raises(DataError, match="is no older output"), whole_folder(theirs / "chapter", holds="old"):
        pytest.fail("nothing may be done before")
    assert contents(tmp_path) == {"thesis/chapter": "1"}
    (tmp_path / "empty").mkdir()
    with whole_folder(tmp_path / "empty", holds="old") as folder:
        write(folder, {"old": "1"})
    assert contents(tmp_path / "empty") == {"old": "1"}


def test_an_older_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    out = write(tmp_path / "out", {"old": "1"})
    with whole_folder(out, holds="old") as folder:
        write(folder, {"new": "2"})
    assert contents(tmp_path) == {"out/new": "2"}


def test_an_older_folder_is_never_there_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = write(tmp_path / "out", {"old": "1", "older": "0"})

    def killed(folder: Path, **options: object) -> None:
        if folder.is_dir():
            (folder / "old").unlink()
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shutil, "rmtree", killed)
        with whole_folder(out, holds="old") as folder:
            write(folder, {"new": "2"})
    assert contents(out) == {"new": "2"}
    for text in ("3", "4"):
        with whole_folder(out, holds="new") as folder:
            write(folder, {"new": text})
    assert contents(tmp_path) == {"out/new": "4"}


def test_leftovers_of_a_killed_process_do_not_get_into_the_output(tmp_path: Path) -> None:
    write(partial_of(tmp_path / "out"), {"half": "1"})
    with whole_folder(tmp_path / "out", holds="old") as folder:
        write(folder, {"new": "2"})
    assert contents(tmp_path) == {"out/new": "2"}


def test_the_state_is_kept_for_those_who_resume_also_when_the_output_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt), whole_folder(out, holds="old", resumable=True) as folder:
        write(folder, {"half": "1"})
        write(partial_of(out), {STATE: "1", "litter": "1"})
        raise KeyboardInterrupt
    assert contents(tmp_path) == {f"out.partial/{STATE}": "1", "out.partial/litter": "1"}
    with whole_folder(out, holds="old", resumable=True) as folder:
        assert contents(partial_of(out)) == {STATE: "1"}
        write(folder, {"model": "2"})
    assert contents(tmp_path) == {f"out.partial/{STATE}": "1", "out/model": "2"}


def test_of_two_writers_the_second_is_told(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with whole_folder(out, holds="old") as folder:
        write(folder, {"old": "1"})
        with pytest.raises(DataError, match=f"{out}: another process writes there"), whole_folder(out, holds="old"):
            pass
    assert contents(tmp_path) == {"out/old": "1"}


def test_a_scratch_folder_that_goes_while_it_is_made_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ``Path.mkdir`` says where another writer renames the folder between its two looks."""
    mkdir, errors = Path.mkdir, [FileExistsError(17, "File exists")]

    def sometimes(path: Path, *given: Any, **more: Any) -> None:
        if path.name == "out.partial" and errors:
            raise errors.pop()
        mkdir(path, *given, **more)

    monkeypatch.setattr(Path, "mkdir", sometimes)
    with whole_folder(tmp_path / "out", holds="0") as folder:
        (folder / "0").touch()
    assert (tmp_path / "out" / "0").is_file()
    assert not errors


def test_a_file_in_the_way_of_the_scratch_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "out.partial").write_text("mine")
    with (
        pytest.raises(DataError, match=r"out\.partial: in the way of the output to be, and no folder; remove it"),
        whole_folder(tmp_path / "out", holds="0"),
    ):
        pass
    assert (tmp_path / "out.partial").read_text() == "mine"


@pytest.mark.parametrize("resumable", [False, True])
def test_many_writers_at_once_leave_one_whole_output(tmp_path: Path, resumable: bool) -> None:
    """Processes that begin at the same moment, again and again: what is published is always of one of them, whole."""

    def writer(number: int) -> None:
        for _ in range(30):
            try:
                with whole_folder(tmp_path / "out", holds="0", resumable=resumable) as folder:
                    for name in range(20):
                        (folder / str(name)).write_text(str(number))
            except DataError:
                continue

    processes = [get_context("fork").Process(target=writer, args=(number,)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert sorted(int(path.name) for path in (tmp_path / "out").iterdir()) == list(range(20))
    assert len({path.read_text() for path in (tmp_path / "out").iterdir()}) == 1


# whole_file, write_json, read_json


def test_a_file_appears_when_the_block_ends_well_and_only_then(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    with whole_file(path) as partial:
        partial.write_text("1")
        assert not path.exists()
    with pytest.raises(ValueError, match="no"), whole_file(path) as partial:
        partial.write_text("half")
        raise ValueError("no")
    assert contents(tmp_path) == {"deep/file": "1"}


def test_json_is_readable_keeps_its_order_and_ends_with_a_newline(tmp_path: Path) -> None:
    write_json(tmp_path / "f.json", {"z": 1, "a": ["é", None]})
    text = '{\n  "z": 1,\n  "a": [\n    "é",\n    null\n  ]\n}\n'
    assert (tmp_path / "f.json").read_bytes() == text.encode()
    assert read_json(tmp_path / "f.json") == {"z": 1, "a": ["é", None]}


@pytest.mark.parametrize("value", [{"x": float("nan")}, {"x": object()}])
def test_what_is_no_json_is_refused_and_leaves_nothing(tmp_path: Path, value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        write_json(tmp_path / "f.json", value)
    assert list(tmp_path.iterdir()) == []


def test_json_that_is_missing_or_broken_is_named(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    with pytest.raises(DataError) as caught:
        read_json(path)
    assert str(caught.value) == f"{path}: no such file; is {tmp_path} the output of the step before?"
    path.write_text('{\n"a": }')
    with pytest.raises(DataError) as caught:
        read_json(path)
    message = f"{path}: not valid JSON (Expecting value: line 2 column 6 (char 7)); run the step that wrote it again"
    assert str(caught.value) == message
    for content in (b'{"a": "\xff"}', b"[" * 100_000):
        path.write_bytes(content)
        with pytest.raises(DataError, match=f"{path}: not valid JSON"):
            read_json(path)


# digests


def test_digests_are_what_they_are_documented_to_be(tmp_path: Path) -> None:
    write(tmp_path / "d", {"b": "", "a/x": "1"})
    assert file_md5(tmp_path / "d" / "a" / "x") == "c4ca4238a0b923820dcc509a6f75849b"
    # md5 of '[{"md5": "c4ca...", "relpath": "a/x"}, {"md5": "d41d...", "relpath": "b"}]'
    assert folder_digest(tmp_path / "d") == "825bb5bea38391aa3ff2f21273793b9e.dir"


@pytest.mark.slow
def test_a_folders_digest_is_the_one_dvc_records(programs: Path, tmp_path: Path) -> None:
    """Nested folders, names out of order and beyond ASCII, hidden and empty files, links, empty folders."""
    names = ["b.txt", "a/z.txt", "a/b/c.txt", "a.txt", "a-b/c", "Z", "ü/é ñ.txt", "日本/語", "e\u0301", "😀", ".h/x"]
    folder = write(tmp_path / "data", {name: f"content of {name}" for name in names} | {"empty": "", "crlf": "a\r\nb"})
    (folder / "nothing").mkdir()
    (folder / "link").symlink_to("b.txt")
    outside = write(tmp_path / "outside", {"deep/file": "linked"})
    (folder / "linked").symlink_to(outside, target_is_directory=True)
    environment = os.environ | {"DVC_NO_ANALYTICS": "1"}
    for command in (["init", "--no-scm", "--quiet"], ["add", "--quiet", "data"]):
        subprocess.run([programs / "dvc", *command], cwd=tmp_path, env=environment, check=True, capture_output=True)
    recorded = yaml.safe_load((tmp_path / "data.dvc").read_text())["outs"][0]
    assert folder_digest(folder) == recorded["md5"]
    assert recorded["nfiles"] == len(contents(folder))


@pytest.mark.s3
def test_copy_puts_a_folder_or_a_file_where_ingest_reads_it(tmp_path: Path, s3: Any) -> None:
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "a.csv").write_text("user_id,item_id\n")
    (tmp_path / "data" / "deep" / "b").write_text("b")
    for source, address in (("data", "s3://solid/copied/folder"), ("data/a.csv", "s3://solid/copied/file")):
        done = CliRunner().invoke(main, ["copy", str(tmp_path / source), address])
        assert done.exit_code == 0, done.output
    assert set(Prefix("s3://solid/copied/folder").objects()) == {"a.csv", "deep/b"}
    assert Prefix("s3://solid/copied/file").read("a.csv") == b"user_id,item_id\n"
