"""Runs in a real MLflow store: what is logged, how runs end, and what happens when the store does not answer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from solid.errors import SettingsError, SolidError
from solid.tracking import DatasetInfo, clear_errors, git_sha, leaves_owed, track
from solid.tracking.made_by import _of_checkout

DIGEST = "8c55c7a0b1d2e3f4a5b6c7d8e9f00112.dir"
DATA = DatasetInfo("amazon", DIGEST, "data")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for the file: a fresh schema takes seconds."""
    return tmp_path_factory.mktemp("mlflow") / "mlflow.db"


@pytest.fixture(autouse=True)
def environment(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SOLID_TRACKING", "on")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}")
    monkeypatch.setenv("SOLID_CACHE", str(store.parent / "cache"))


@pytest.fixture
def client(store: Path) -> Iterator[Any]:
    import mlflow

    yield mlflow.MlflowClient(f"sqlite:///{store}")


def test_a_run_holds_params_epochs_data_and_files(client: Any, store: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    params = {"head": "solid", "fusion": {"t": 0.01, "deep": {"x": None}}, "long": "x" * 9000}
    with track("solid sasrec", params, DATA) as run:
        assert run.id is not None
        run.epoch(1, {"bce": 0.7, "valid_uauc": 0.5})
        assert client.get_run(run.id).info.status == "RUNNING"
        assert client.get_run(run.id).data.metrics["bce"] == 0.7  # live, not at the end
        run.epoch(2, {"bce": 0.6, "valid_uauc": 0.6})
        run.artifacts(tmp_path)
    logged = client.get_run(run.id)
    assert logged.info.status == "FINISHED"
    assert logged.info.run_name == "solid sasrec"
    assert logged.data.params == {"head": "solid", "fusion.t": "0.01", "fusion.deep.x": "None", "long": "x" * 6000}
    assert [(m.step, m.value) for m in client.get_metric_history(run.id, "valid_uauc")] == [(1, 0.5), (2, 0.6)]
    (entry,) = logged.inputs.dataset_inputs
    assert (entry.dataset.name, entry.dataset.digest, entry.dataset.source_type) == ("amazon", DIGEST, "local")
    assert json.loads(entry.dataset.source) == {"uri": "data"}
    assert [file.path for file in client.list_artifacts(run.id, "model")] == ["model/config.json"]
    assert (store.parent / "mlartifacts" / run.id / "artifacts" / "model" / "config.json").is_file()
    assert client.get_experiment(logged.info.experiment_id).name == "solid"


@pytest.mark.parametrize(
    ("source", "kind", "key"),
    [("https://example.org/reviews.gz", "http", "url"), ("s3://bucket/reviews", "s3", "uri"), ("data", "local", "uri")],
)
def test_mlflow_finds_the_source_again(client: Any, source: str, kind: str, key: str) -> None:
    import mlflow

    with track("sources", {}, DatasetInfo(f"from {kind}", DIGEST, source)) as run:
        pass
    entry = client.get_run(run.id).inputs.dataset_inputs[0].dataset
    assert (entry.source_type, json.loads(entry.source)) == (kind, {key: source})
    assert json.loads(mlflow.data.get_source(entry).to_json()) == {key: source}


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED"), (SystemExit, "KILLED")]
)
def test_a_run_ends_as_its_block_does(client: Any, error: type[BaseException], status: str) -> None:
    with pytest.raises(error), track("ends", {}, DATA) as run:
        raise error
    assert client.get_run(run.id).info.status == status


def test_an_interrupted_run_goes_on(client: Any) -> None:
    with pytest.raises(KeyboardInterrupt), track("resumed", {"seed": 1}, DATA) as run:
        run.epoch(1, {"bce": 0.7})
        raise KeyboardInterrupt
    with track("resumed", {"seed": 1}, DATA, run_id=run.id) as again:
        again.epoch(2, {"bce": 0.6})
    assert again.id == run.id
    assert [m.step for m in client.get_metric_history(run.id, "bce")] == [1, 2]
    assert client.get_run(run.id).info.status == "FINISHED"
    assert len(client.get_run(run.id).inputs.dataset_inputs) == 1


def test_a_run_that_is_gone_or_had_other_params_is_left_alone(client: Any) -> None:
    with track("before", {"seed": 1}, DATA) as old:
        pass
    with track("after", {"seed": 2}, DATA, run_id=old.id) as other:
        pass
    assert other.id != old.id
    assert client.get_run(old.id).data.params == {"seed": "1"}
    client.delete_run(old.id)
    with track("after", {"seed": 1}, DATA, run_id=old.id) as deleted, track("x", {}, DATA, run_id="0" * 32) as unknown:
        pass
    assert deleted.id != old.id
    assert unknown.id != "0" * 32


def test_a_run_begun_by_somebody_else_is_joined(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    owned = client.create_run("0", run_name="task of a pipeline")
    monkeypatch.setenv("MLFLOW_RUN_ID", owned.info.run_id)
    with track("mine", {"seed": 1}, DATA, run_id="0" * 32) as run:
        run.epoch(1, {"bce": 0.7})
    assert run.id == owned.info.run_id
    joined = client.get_run(run.id)
    assert (joined.info.run_name, joined.data.params) == ("task of a pipeline", {"seed": "1"})
    monkeypatch.setenv("MLFLOW_RUN_ID", "f" * 32)
    with pytest.raises(SolidError, match="f" * 32), track("mine", {}, DATA):
        pass


def test_the_experiment_can_be_named(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "books")
    with track("a", {}, DATA) as named:
        pass
    books = client.get_experiment_by_name("books").experiment_id
    assert client.get_run(named.id).info.experiment_id == books
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", books)
    with track("b", {}, DATA) as numbered:
        pass
    assert client.get_run(numbered.id).info.experiment_id == books


def test_values_wait_while_the_store_does_not_answer(
    client: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import mlflow

    answer = mlflow.MlflowClient.log_batch

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise mlflow.MlflowException("connection refused\nand much more")

    with track("patient", {}, DATA) as run:
        monkeypatch.setattr(mlflow.MlflowClient, "log_batch", refuse)
        run.epoch(1, {"bce": 0.7})
        assert "epoch 1 is not tracked yet" in capsys.readouterr().err
        monkeypatch.setattr(mlflow.MlflowClient, "log_batch", answer)
        run.epoch(2, {"bce": 0.6})
    assert [m.step for m in client.get_metric_history(run.id, "bce")] == [1, 2]

    monkeypatch.setattr("solid.tracking.runs._AWAY", 0.0)
    with track("silent", {}, DATA) as run:
        monkeypatch.setattr(mlflow.MlflowClient, "log_batch", refuse)
        run.epoch(1, {"bce": 0.7})
    assert "MLflow has not taken the record of run" in capsys.readouterr().err
    assert leaves_owed()
    monkeypatch.setattr(mlflow.MlflowClient, "log_batch", answer)
    with track("next", {}, DATA):
        pass
    assert not leaves_owed()
    assert client.get_run(run.id).info.status == "FINISHED"
    assert client.get_run(run.id).data.metrics == {"bce": 0.7}


def test_an_unreachable_server_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(SolidError, match=r"MLflow at http://127\.0\.0\.1:9: ") as caught, track("x", {}, DATA):
        pass
    assert "SOLID_TRACKING=off" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_name_that_nobody_knows_is_known_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.nowhere.invalid:5000")
    began = time.monotonic()
    with pytest.raises(SolidError) as caught, track("x", {}, DATA):
        pass
    assert time.monotonic() - began < 5
    assert str(caught.value).startswith("MLflow: the name mlflow.nowhere.invalid cannot be resolved\nCheck MLFLOW_TR")


def test_a_store_behind_the_server_that_cannot_be_reached_is_not_blamed_on_the_server(
    client: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL_S3": "http://seaweedfs.nowhere.invalid:8333",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_MAX_ATTEMPTS": "1",
        "MLFLOW_EXPERIMENT_ID": client.create_experiment("elsewhere", artifact_location="s3://mlflow/x"),
    }.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "a").write_text("a")
    with pytest.raises(SolidError) as caught, track("x", {}, DATA) as run:
        run.artifacts(tmp_path)
    assert "seaweedfs.nowhere.invalid cannot be reached\nMLflow answers; its store is what" in str(caught.value)
    assert "MLFLOW_TRACKING_URI" not in str(caught.value)


def test_a_failed_download_keeps_its_first_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    """As MLflow 3.17 said it on a cluster."""
    from mlflow import MlflowException

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@mlflow.solid.svc:5000")
    pool = "HTTPConnectionPool(host='seaweedfs', port=8333)"
    text = (
        "The following failures occurred while downloading one or more artifacts from http://mlflow.solid.svc:5000/x:\n"
        f"##### File code/solid/cli.py #####\n{pool}: Max retries exceeded with url: /mlflow/y (Caused by "
        "NameResolutionError(\"HTTPConnection(host='seaweedfs', port=8333): Failed to resolve 'seaweedfs' "
        '([Errno -2] Name or service not known)"))'
    )
    with pytest.raises(SolidError) as caught, clear_errors():
        raise MlflowException(text)
    cause, remedy = str(caught.value).splitlines()
    assert cause == "MLflow at http://mlflow.solid.svc:5000: the name seaweedfs cannot be resolved"
    assert remedy.startswith("MLflow answers; its store is what cannot be reached from here.")
    with pytest.raises(SolidError, match=r"5000: 500 Server Error: x\nCheck MLFLOW_TRACKING_URI"), clear_errors():
        raise MlflowException(text.partition("HTTPConn")[0] + "500 Server Error: x\nmore")


@pytest.mark.parametrize(
    ("text", "code", "remedy"),
    [
        ("Run 'a' not found", "RESOURCE_DOES_NOT_EXIST", "Check the name; MLflow's pages show what there is."),
        ("k must be at least 1", "INVALID_PARAMETER_VALUE", ""),
        (
            "Permission denied",
            "PERMISSION_DENIED",
            "This user may not do that; whoever made it, or an admin, can grant",
        ),
        ("failed with error code 401 != 200", "INTERNAL_ERROR", "Check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_P"),
        ("403: Invalid Host header", "INTERNAL_ERROR", "The server has to know this name of its: add it to --allowed-"),
        (
            "HTTPConnectionPool(host='m', port=5): [Errno 111] Connection refused",
            "INTERNAL_ERROR",
            "Check MLFLOW_TRACK",
        ),
    ],
)
def test_the_remedy_fits_the_cause(monkeypatch: pytest.MonkeyPatch, text: str, code: str, remedy: str) -> None:
    from mlflow import MlflowException
    from mlflow.protos import databricks_pb2

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://m:5")
    with pytest.raises(SolidError) as caught, clear_errors():
        raise MlflowException(text, error_code=databricks_pb2.ErrorCode.Value(code))
    assert str(caught.value).partition("\n")[2].startswith(remedy)
    assert bool(str(caught.value).partition("\n")[2]) == bool(remedy)


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("foo://me:secret@host", "MLflow at foo://host: "),
        ("sqlite:///{here}/junk.db", "file is not a database"),
        ("sqlite:///{here}/junk.db/x.db", "Not a directory|File exists"),
    ],
)
def test_a_store_that_cannot_be_is_a_clear_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, uri: str, says: str
) -> None:
    (tmp_path / "junk.db").write_text("no database " * 100)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri.format(here=tmp_path))
    with pytest.raises(SolidError, match=says) as caught, track("x", {}, DATA):
        pass
    assert "SOLID_TRACKING=off" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_sqlite_store_needs_more_than_skinny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("solid.tracking.server.find_spec", lambda name: None)
    with pytest.raises(SolidError, match="mlflow-skinny cannot read sqlite; install 'solid-rec"), track("x", {}, DATA):
        pass


def test_tracking_can_be_switched_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, client: Any) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.setenv("SOLID_TRACKING", "off")
    with track("x", {"seed": 1}, DATA) as run:
        run.epoch(1, {"bce": 0.7})
        run.artifacts(tmp_path)
    assert run.id is None
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv("SOLID_TRACKING", "perhaps")
    with pytest.raises(SettingsError, match="SOLID_TRACKING=perhaps: set it to on or off"), track("x", {}, DATA):
        pass


def test_by_default_the_store_is_a_file_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(store.read_bytes() if store.is_file() else b"")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "fresh")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a").write_text("a")
    with track("x", {}, DATA) as run:
        run.artifacts(tmp_path / "files", "evaluation")
    assert (tmp_path / "mlartifacts" / str(run.id) / "artifacts" / "evaluation" / "a").is_file()
    assert not (tmp_path / "mlruns").exists()


def test_the_commit_is_a_tag(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLID_GIT_SHA", "abc123")
    with track("x", {}, DATA) as run:
        pass
    assert client.get_run(run.id).data.tags["git_sha"] == "abc123"
    monkeypatch.delenv("SOLID_GIT_SHA")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True)
    if head.returncode == 0:
        assert str(git_sha()).removesuffix("-dirty") == head.stdout.strip()


def test_the_dataset_comes_from_the_statistics() -> None:
    stats = {"digest": DIGEST, "format": "movielens", "origin": "s3://bucket/ml-100k", "users": 943}
    assert DatasetInfo.of(stats) == DatasetInfo("movielens", DIGEST, "s3://bucket/ml-100k")


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    return subprocess.check_output(["git", *who, *arguments], cwd=folder, text=True).strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A repository of the package, which is asked in place of the one at hand."""
    package = tmp_path / "repository" / "solid"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package.parent / "dvc.lock").write_text("old")
    git(package.parent, "init", "--quiet")
    git(package.parent, "add", "--all")
    git(package.parent, "commit", "--quiet", "--message", "first")
    monkeypatch.delenv("SOLID_GIT_SHA", raising=False)
    monkeypatch.setattr("solid.tracking.made_by._PACKAGE", package)
    _of_checkout.cache_clear()
    yield package.parent
    _of_checkout.cache_clear()


def test_what_a_run_itself_writes_makes_no_commit_dirty(checkout: Path) -> None:
    head = git(checkout, "rev-parse", "HEAD")
    (checkout / "dvc.lock").write_text("new")  # as DVC does while the chain runs
    (checkout / "work").mkdir()
    assert git_sha() == head
    _of_checkout.cache_clear()
    (checkout / "solid" / "__init__.py").write_text("1")
    assert git_sha() == f"{head}-dirty"


def test_a_package_inside_somebodys_repository_is_no_part_of_it(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = checkout / ".venv" / "lib" / "solid"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    monkeypatch.setattr("solid.tracking.made_by._PACKAGE", installed)
    assert git_sha() is None


def test_a_checkout_that_git_refuses_is_said(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert git_sha() is None
    assert "git refuses this checkout" in capsys.readouterr().err


def test_empty_variables_mean_unset(client: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("SOLID_TRACKING", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID", "SOLID_GIT_SHA"):
        monkeypatch.setenv(name, "")
    with track("x", {}, DATA) as run:
        pass
    assert client.get_experiment(client.get_run(run.id).info.experiment_id).name == "solid"


def test_a_name_that_mlflow_refuses_is_told_as_such(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "x" * 600)
    with (
        pytest.raises(SettingsError, match=r"MLFLOW_EXPERIMENT_NAME=x+: MLflow refuses the name: "),
        track("x", {}, DATA),
    ):
        pass


def test_an_experiment_that_was_deleted_is_told_with_how_to_restore_it(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = client.create_experiment("gone")
    client.delete_experiment(number)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "gone")
    with (
        pytest.raises(SettingsError, match=f"gone was deleted; restore it .*--experiment-id {number}"),
        track("x", {}, DATA),
    ):
        pass


def test_a_run_around_the_whole_chain_has_a_run_below_it_for_each_step(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    around = client.create_run("0", run_name="chain").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", around)
    with track("first", {"head": "static"}, DATA) as first:
        pass
    with track("second", {"head": "duet"}, DATA) as second:
        pass
    assert first.id == around
    assert second.id != around
    assert client.get_run(second.id).data.tags["mlflow.parentRunId"] == around
    assert client.get_run(second.id).data.params == {"head": "duet"}


FRESH = """
import sys
from pathlib import Path
from solid.tracking import DatasetInfo, track
sys.stdin.readline()
with track("x", {}, DatasetInfo("a", "d.dir", "a")):
    pass
"""


def test_a_new_store_is_made_by_one_of_many_that_begin_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    command = [sys.executable, "-c", FRESH]
    processes = [
        subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = [process.communicate("go\n")[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    [experiment] = [found for found in client.search_experiments() if found.name == "solid"]
    assert len(client.search_runs([experiment.experiment_id])) == 3


@pytest.mark.parametrize("name", ["job_feature%2Fx", "what?now", "run#1"])
def test_a_folder_whose_name_means_something_in_an_address_has_its_own_store(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: Path, name: str
) -> None:
    here = tmp_path / name
    here.mkdir()
    shutil.copy(store, here / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "another")
    (here / "files").mkdir()
    (here / "files" / "a").write_text("a")
    subprocess.run(
        [sys.executable, "-c", FRESH.replace('"a"))', '"a"), out=Path("files"))')],
        cwd=here,
        input="",
        check=True,
        text=True,
    )
    assert [path.name for path in (here / "mlartifacts").rglob("*") if path.is_file()] == ["a"]
    assert sorted(path.name for path in here.iterdir()) == ["files", "mlartifacts", "mlflow.db"]
    assert [path.name for path in tmp_path.iterdir()] == [name]
