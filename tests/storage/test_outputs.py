"""Steps whose folders lie in a real S3 server: the same bytes as local, whole or not at all, downloaded once."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner
from killed import KILLED
from test_interruption import PARAMS, STEPS

from solid.cli import main
from solid.errors import DataError, SettingsError
from solid.storage.local import STATE, folder_digest, partial_of, whole_file
from solid.storage.manifest import MANIFEST
from solid.storage.outputs import (
    download_file,
    download_folder,
    is_output,
    is_written,
    upload_file,
    upload_when_done,
)
from solid.storage.progress import PROGRESS
from solid.storage.s3 import Prefix, client

pytestmark = pytest.mark.s3

ROOT = Path(__file__).resolve().parent.parent.parent
OLD, NEW = {"a": b"1", "b/c d": b"", "big": b"x" * 100}, {"a": b"2", "é": b"3"}


@pytest.fixture
def address(s3: Any) -> str:
    """Of nothing yet."""
    return f"s3://solid/{uuid4().hex}/out"


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Call it to go on as if on another machine, without local copies."""

    def move() -> None:
        monkeypatch.setenv("SOLID_CACHE", str(tmp_path / uuid4().hex))

    return move


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def upload(address: str, files: dict[str, bytes], step: str = "prepare") -> None:
    with upload_when_done(address, step) as folder:
        write(folder, files)


def versions(address: str) -> set[str]:
    """The folders of files at an address."""
    return {name.partition("/")[0] for name in Prefix(address).objects()} - {MANIFEST}


def remove_files(address: str) -> None:
    """All but the manifest: from now on nothing can be downloaded."""
    Prefix(address).remove(name for name in Prefix(address).objects() if name != MANIFEST)


def solid(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


# outputs


def test_an_output_comes_back_as_it_was_written(address: str, elsewhere: Any) -> None:
    assert not is_output(address)
    upload(address, OLD)
    assert is_output(address)
    elsewhere()
    assert contents(download_folder(address)) == OLD
    assert contents(download_folder(address + "/")) == OLD


def test_a_large_file_goes_up_and_comes_down_in_parts(address: str, s3: Any, elsewhere: Any) -> None:
    files = {"large": os.urandom(20 << 20)}
    upload(address, files)
    [name] = [name for name in Prefix(address).objects() if name.endswith("/large")]
    etag = s3.head_object(Bucket="solid", Key=f"{address.removeprefix('s3://solid/')}/{name}")["ETag"]
    assert etag.endswith('-3"')  # parts of 8 MiB
    elsewhere()
    assert contents(download_folder(address)) == files


def test_an_output_or_an_object_is_written_and_a_folder_with_other_things_is_not(address: str, tmp_path: Path) -> None:
    (tmp_path / "page").write_bytes(b"<html>")
    upload_file(tmp_path / "page", f"{address}/page")
    assert Prefix(address).read("page") == b"<html>"
    assert [is_written(place) for place in (f"{address}/page", f"{address}/pag", address)] == [True, False, False]
    upload(address, NEW)
    assert is_written(address)


def test_an_older_output_is_replaced_and_its_files_are_removed(address: str, elsewhere: Any) -> None:
    upload(address, OLD)
    before = versions(address)
    upload(address, NEW)
    assert len(versions(address)) == 1
    assert versions(address) != before
    elsewhere()
    assert contents(download_folder(address)) == NEW


def test_a_step_that_fails_changes_nothing(address: str, elsewhere: Any) -> None:
    upload(address, OLD)
    before = Prefix(address).objects()
    with pytest.raises(KeyboardInterrupt), upload_when_done(address, "prepare") as folder:
        write(folder, NEW)
        raise KeyboardInterrupt
    assert Prefix(address).objects() == before
    elsewhere()
    assert contents(download_folder(address)) == OLD


@pytest.mark.parametrize(
    "moment",
    [
        # Some bytes are sent.
        "import solid.storage.s3; solid.storage.s3.ProgressCallbackInvoker = lambda done: Kill()",
        "from solid.storage.s3 import Prefix; Prefix.write = lambda *_: kill()",  # all but the manifest is there
    ],
)
def test_a_writer_killed_in_the_middle_leaves_the_older_output(address: str, moment: str, elsewhere: Any) -> None:
    upload(address, OLD)
    code = f"""
import os, signal, sys
from s3transfer.subscribers import BaseSubscriber
def kill(): os.kill(os.getpid(), signal.SIGKILL)
class Kill(BaseSubscriber):
    def on_progress(self, **_): kill()
{moment}
from solid.storage.outputs import upload_when_done
with upload_when_done({address!r}, "prepare") as folder:
    folder.mkdir(parents=True)
    for number in range(20): (folder / str(number)).write_bytes(b"x" * 2_000_000)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    elsewhere()
    assert contents(download_folder(address)) == OLD
    upload(address, NEW)
    elsewhere()
    assert contents(download_folder(address)) == NEW


def test_an_upload_that_fails_takes_back_what_it_sent_and_keeps_what_was_made(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    upload(address, OLD)
    before = Prefix(address).objects()

    def fail(self: Prefix, files: dict[str, Path], original: Any = Prefix.upload) -> None:
        original(self, dict([*files.items()][:1]))
        raise DataError("network gone")

    monkeypatch.setattr(Prefix, "upload", fail)
    with pytest.raises(DataError, match="network gone"):
        upload(address, NEW)
    assert Prefix(address).objects() == before
    [kept] = re.findall(r"^(/.*): whole, but not uploaded", capsys.readouterr().err, re.MULTILINE)
    assert contents(Path(kept)) == NEW


def test_of_two_writers_the_last_one_counts_and_none_harms_the_other(address: str, elsewhere: Any) -> None:
    with upload_when_done(address, "prepare") as folder:
        write(folder, OLD)
        elsewhere()
        upload(address, NEW)
        assert contents(download_folder(address)) == NEW
    elsewhere()
    assert contents(download_folder(address)) == OLD
    assert len(versions(address)) == 1


def test_what_killed_writers_left_goes_after_a_day_and_nothing_else_does(address: str) -> None:
    writes_now = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-0123abcd/a"
    theirs = {"notes.txt", "deeper/20200101T000000Z-0123abcd/a", "20200101T000000Z/a", writes_now}
    for name in {"20200101T000000Z-0123abcd/a", *theirs}:
        Prefix(address).write(name, b"x")
    upload(address, NEW)
    kept = {name for name in Prefix(address).objects() if not is_of(name, NEW)}
    assert kept == theirs | {MANIFEST}


def is_of(name: str, files: dict[str, bytes]) -> bool:
    version, _, rest = name.partition("/")
    return rest in files and len(version) == 25 and not version.endswith("-0123abcd")


def test_one_step_does_not_replace_the_output_of_another(address: str) -> None:
    upload(address, OLD, step="ingest")
    with (
        pytest.raises(DataError, match=f"^{address}: holds an output of ingest, not of prepare; choose another --out$"),
        upload_when_done(address, "prepare"),
    ):
        pytest.fail("nothing may be done before")


def test_a_second_writer_on_the_machine_is_told_to_wait(address: str) -> None:
    with upload_when_done(address, "prepare") as folder:
        with pytest.raises(DataError, match="another process on this machine writes there"):
            upload(address, OLD)
        write(folder, NEW)
    upload(address, OLD)
    assert contents(download_folder(address)) == OLD


# copies


def test_an_input_is_downloaded_once(address: str, elsewhere: Any) -> None:
    upload(address, OLD)
    elsewhere()
    first = download_folder(address)
    remove_files(address)
    assert download_folder(address) == first
    assert contents(first) == OLD


def test_the_same_content_in_a_new_version_is_not_downloaded_again(
    address: str, elsewhere: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(address, OLD)
    elsewhere()
    here, first = os.environ["SOLID_CACHE"], download_folder(address)
    elsewhere()
    upload(address, OLD)
    remove_files(address)
    monkeypatch.setenv("SOLID_CACHE", here)
    assert download_folder(address) == first


def test_what_a_step_uploaded_the_next_one_on_the_machine_has_at_hand(address: str) -> None:
    upload(address, OLD)
    remove_files(address)
    assert contents(download_folder(address)) == OLD


@pytest.mark.parametrize("change", [{"a": b"longer"}, {"more": b""}])
def test_a_copy_that_was_changed_is_downloaded_again(address: str, change: dict[str, bytes]) -> None:
    upload(address, OLD)
    write(download_folder(address), change)
    assert contents(download_folder(address)) == OLD


def test_copies_that_nobody_used_for_a_day_go_when_a_newer_one_comes(address: str, elsewhere: Any) -> None:
    upload(address, OLD)
    elsewhere()
    old = download_folder(address)
    upload(address, NEW)
    new = download_folder(address)
    assert {path.name for path in old.parent.iterdir()} == {old.name, new.name}
    os.utime(old, (time.time() - 90_000,) * 2)
    write(new, {"a": b"changed"})  # so that it is downloaded
    download_folder(address)
    assert [path.name for path in old.parent.iterdir()] == [new.name]


def test_a_reader_overtaken_by_a_writer_gets_the_newer_output(
    address: str, elsewhere: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(address, OLD)
    elsewhere()

    def overtaken(self: Prefix, *arguments: Any, original: Any = Prefix.download) -> None:
        monkeypatch.setattr(Prefix, "download", original)
        here = os.environ["SOLID_CACHE"]
        elsewhere()
        upload(address, NEW)
        monkeypatch.setenv("SOLID_CACHE", here)
        original(self, *arguments)

    monkeypatch.setattr(Prefix, "download", overtaken)
    assert contents(download_folder(address)) == NEW


def test_a_damaged_output_is_found_out(address: str, elsewhere: Any) -> None:
    upload(address, OLD)
    [version] = versions(address)
    elsewhere()
    Prefix(address).write(f"{version}/big", b"y" * 100)  # of the same size
    with pytest.raises(DataError, match=f"^{address}/{version}/big: not the file that was written, by size or SHA-256"):
        download_folder(address)
    Prefix(address).remove([f"{version}/big"])
    with pytest.raises(DataError, match=f"^{address}/{version}/big: no such object, though the manifest lists it"):
        download_folder(address)
    assert not list(Path(os.environ["SOLID_CACHE"]).rglob("big"))


# errors


def test_what_is_no_output_is_told(address: str) -> None:
    with pytest.raises(DataError, match=f"^{address}: no output of a step lies there"):
        download_folder(address)
    with pytest.raises(DataError, match=f"^{address}: no such object; check the address"):
        download_file(address)
    Prefix(address).write(MANIFEST, b'{"step": "x", "version": "1", "files": {}}')
    with pytest.raises(DataError, match=f"^{address}/{MANIFEST}: not a manifest .version: .*; remove it and run"):
        download_folder(address)
    sha = "0" * 64
    for name in ("../x", "/x", "a/../../x", "a//x", "a\\x"):
        listed = f'{{{name.replace(chr(92), chr(92) * 2)!r}: {{"size": 1, "sha256": "{sha}"}}}}'.replace("'", '"')
        written = f'{{"step": "x", "version": "20200101T000000Z-0123abcd", "files": {listed}}}'
        Prefix(address).write(MANIFEST, written.replace("\\\\\\\\", "\\\\").encode())
        with pytest.raises(DataError, match="would lie outside its folder"):
            download_folder(address)


@pytest.mark.parametrize("address", ["s3://", "s3:///x", "s3://key:secret@bucket/x", "s3://a b/x"])
def test_an_address_that_is_none_is_told_without_its_secret(address: str) -> None:
    with pytest.raises(DataError, match="not an address of S3; write it as s3://bucket/prefix") as error:
        download_folder(address)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"AWS_ACCESS_KEY_ID": "nobody"}, "InvalidAccessKeyId: the server does not know these credentials; check"),
        ({"AWS_SECRET_ACCESS_KEY": "wr0ng"}, "SignatureDoesNotMatch: .*; check AWS_SECRET_ACCESS_KEY"),
        ({"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1"}, "Could not connect .* check AWS_END"),
        (
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"},
            "Unable to locate credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ),
        (
            {"AWS_ENDPOINT_URL_S3": "127.0.0.1:8333"},
            "Invalid endpoint: 127.0.0.1:8333; write AWS_ENDPOINT_URL_S3 with http:// or https://",
        ),
        ({"SOLID_CACHE": "/dev/null/x"}, "no folder for copies of S3 and notes: .*; name one with SOLID_CACHE"),
    ],
)
def test_an_environment_that_does_not_fit_is_told_before_any_work(
    address: str, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    upload(address, OLD)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    client.cache_clear()
    with pytest.raises((DataError, SettingsError), match=message):
        download_folder(address)
    with pytest.raises((DataError, SettingsError), match=message), upload_when_done(address, "prepare"):
        pytest.fail("nothing may be done before")


def test_a_bucket_that_is_not_there_is_told_and_not_made(s3: Any) -> None:
    for use in (download_folder, download_file, lambda address: upload(address, OLD)):
        with pytest.raises(
            DataError, match=r"^s3://nobucket/x.*: NoSuchBucket: there is no such bucket; check its name"
        ):
            use("s3://nobucket/x")
    assert "nobucket" not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]


# DVC


@pytest.mark.slow
def test_a_fresh_clone_gets_its_data_by_dvc_pull(s3: Any, programs: Path, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    (here / ".dvc").mkdir(parents=True)
    shutil.copy(ROOT / ".dvc" / "config", here / ".dvc")
    write(here / "data", OLD)
    who = {f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}

    def call(folder: Path, *command: str) -> None:
        environment = os.environ | who | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr

    call(here, "git", "init", "--quiet")
    call(here, "dvc", "add", "data")
    call(here, "dvc", "push")
    call(here, "git", "add", ".")
    call(here, "git", "commit", "--quiet", "--message", "data")
    call(tmp_path, "git", "clone", "--quiet", str(here), str(there))
    assert not (there / "data").exists()
    call(there, "dvc", "pull")
    assert contents(there / "data") == OLD


# the command line


@pytest.fixture(scope="module")
def chain(
    s3_server: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, str, pytest.MonkeyPatch]]:
    """Every step of the chain, once in a local folder and once with all folders in S3 and each on a fresh machine."""
    local, remote = tmp_path_factory.mktemp("local"), f"s3://solid/{uuid4().hex}"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**s3_server, "SOLID_CACHE": str(tmp_path_factory.mktemp("cache"))}.items():
            patch.setenv(name, value)
        (local / "params.yaml").write_text(PARAMS)
        Prefix(remote).write("params.yaml", PARAMS.encode())
        for name, step in STEPS.items():
            for base in (remote, str(local)):  # the source of both is the sample in S3, whose address is recorded
                patch.setenv("SOLID_CACHE", str(tmp_path_factory.mktemp("cache")))
                arguments = [part.format(remote if part.startswith("data.source") else base) for part in step]
                settings = [] if name in ("sample", "embeddings") else ["--params", f"{base}/params.yaml"]
                code, output = solid(*arguments, *settings, "--out", f"{base}/{name}")
                assert code == 0, output
        yield local, remote, patch


@pytest.mark.slow
@pytest.mark.parametrize("name", STEPS)
def test_a_step_writes_to_s3_what_it_writes_to_a_folder(
    name: str, chain: tuple[Path, str, pytest.MonkeyPatch], tmp_path: Path
) -> None:
    local, remote, patch = chain
    patch.setenv("SOLID_CACHE", str(tmp_path / "cache"))
    copy = download_folder(f"{remote}/{name}")
    assert contents(copy) == contents(local / name)
    assert len(contents(copy)) > 0


@pytest.mark.slow
def test_a_training_goes_on_from_what_an_interrupted_one_left_on_the_machine(
    chain: tuple[Path, str, pytest.MonkeyPatch], address: str, programs: Path
) -> None:
    local, remote, _ = chain
    training = [part.format(remote) for part in STEPS["static"]]
    training += ["--params", f"{remote}/params.yaml", "--out", address]
    assert subprocess.run([programs / "python", "-c", KILLED, *training], check=False).returncode == -9
    assert not is_output(address)
    code, output = solid(*training)
    assert code == 0
    assert "resuming after epoch 1" in output
    assert folder_digest(download_folder(address)) == folder_digest(local / "static")
    assert [path.suffix for path in Path(os.environ["SOLID_CACHE"], "outputs").iterdir()] == [".lock"]


@pytest.mark.slow
def test_a_training_that_is_told_to_stop_goes_on_on_another_machine(
    chain: tuple[Path, str, pytest.MonkeyPatch], address: str, programs: Path, elsewhere: Any
) -> None:
    local, remote, _ = chain
    training = [part.format(remote) for part in STEPS["static"]]
    training += ["--params", f"{remote}/params.yaml", "--out", address]
    stopped = KILLED.replace("SIGKILL", "SIGTERM")  # as Kubernetes does, before it makes the pod again elsewhere
    assert subprocess.run([programs / "python", "-c", stopped, *training], check=False).returncode == 143
    assert list(Prefix(address).objects()) == [PROGRESS]
    elsewhere()
    code, output = solid(*training)
    assert code == 0
    assert "an interrupted try has left its state there" in output
    assert "resuming after epoch 1" in output
    assert contents(download_folder(address)) == contents(local / "static")
    assert PROGRESS not in Prefix(address).objects()


def test_the_state_of_a_step_goes_up_while_it_works(
    address: str, elsewhere: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOLID_PROGRESS", "0.01")
    write_there, sent = Prefix.write, []
    monkeypatch.setattr(Prefix, "write", lambda self, *what: sent.append(what) or write_there(self, *what))
    with upload_when_done(address, "train") as folder:
        state = partial_of(folder) / STATE
        for content in (b"first", b"second"):
            with whole_file(state) as partial:
                partial.write_bytes(content)
            until = time.monotonic() + 60
            while Prefix(address).read(PROGRESS) != content:
                assert time.monotonic() < until
                time.sleep(0.01)
        time.sleep(0.1)  # time for what must not happen: sending it again
        assert sent == [(PROGRESS, b"first"), (PROGRESS, b"second")]
        # Were the machine gone now, another one would have it.
        elsewhere()
        with pytest.raises(KeyboardInterrupt), upload_when_done(address, "train") as there:
            assert (partial_of(there) / STATE).read_bytes() == b"second"
            raise KeyboardInterrupt
        state.unlink()
        write(folder, NEW)
    assert PROGRESS not in Prefix(address).objects()
    assert contents(download_folder(address)) == NEW


def test_a_state_that_cannot_be_kept_in_s3_stops_nothing(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_there = Prefix.write

    def refuse(prefix: Prefix, name: str, content: bytes) -> None:
        if name == PROGRESS:
            raise DataError("S3 is away")
        write_there(prefix, name, content)

    monkeypatch.setattr(Prefix, "write", refuse)
    with upload_when_done(address, "train") as folder:
        write(partial_of(folder), {STATE: b"state"})
        write(folder, NEW)
    assert "not kept in S3 yet: S3 is away" in capsys.readouterr().err
    monkeypatch.undo()
    assert contents(download_folder(address)) == NEW


def test_no_state_goes_up_where_nobody_wants_it(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLID_PROGRESS", "0")
    with pytest.raises(KeyboardInterrupt), upload_when_done(address, "train") as folder:
        write(partial_of(folder), {STATE: b"state"})
        raise KeyboardInterrupt
    assert not Prefix(address).objects()
    for text in ("soon", "-1", "inf"):
        monkeypatch.setenv("SOLID_PROGRESS", text)
        with (
            pytest.raises(SettingsError, match=f"SOLID_PROGRESS={text}: a number of seconds"),
            upload_when_done(address, "train"),
        ):
            pass


def test_an_error_names_the_address_and_not_the_copy(address: str) -> None:
    upload(address, {"x": b""}, step="ingest")
    code, output = solid("prepare", "--raw", address, "--out", f"{address}2")
    assert code == 2
    assert f"Error: {address}/manifest.json: no such file; is {address} the output of the step before?\n" in output
    assert not is_output(f"{address}2")


def test_where_an_output_may_not_go_is_told_before_inputs_come_down(address: str) -> None:
    code, output = solid("prepare", "--raw", address, "--out", "s3://nobucket/x")
    assert (code, output.count("NoSuchBucket")) == (2, 1)


def test_a_models_address_is_told_when_nothing_is_there(address: str) -> None:
    upload(address, OLD)
    model = f"static={address}-model"
    code, output = solid("evaluate", "--prepared", address, "--model", model, "--out", f"{address}2")
    assert code == 2
    assert f"Error: {address}-model: no output of a step lies there" in output
