"""Work is not lost where MLflow is: a real server, killed and started again while a training ends; killed trainings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from killed import KILLED
from mlflow_server import MlflowServer
from ring import SMALL, ring

from solid.cli import main
from solid.errors import UNRECORDED
from solid.storage.local import STATE, folder_digest, partial_of
from solid.training.state import TrainingState


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "prepared"
    ring(folder)
    return folder


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    server = MlflowServer(tmp_path_factory.mktemp("mlflow"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(shared_server: MlflowServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MlflowServer:
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "SOLID_TRACKING": "on",
        "SOLID_CACHE": str(tmp_path / "cache"),
        "MLFLOW_TRACKING_URI": shared_server.address,
        "MLFLOW_EXPERIMENT_NAME": tmp_path.name,
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    }.items():
        monkeypatch.setenv(name, value)
    return shared_server


def arguments(prepared: Path, out: Path, *more: str) -> list[str]:
    settings = [part for setting in [*SMALL, *more] for part in ("--set", setting)]
    return ["train", "--prepared", str(prepared), "--head", "static", "--out", str(out), *settings]


def run(prepared: Path, out: Path, *more: str) -> Result:
    return CliRunner().invoke(main, arguments(prepared, out, *more))


def at_the_end(monkeypatch: pytest.MonkeyPatch, act: Any, epoch: int = 4) -> None:
    """Act once the state of the last epoch is saved, before anything is at its place."""
    save = TrainingState.save

    def saved(state: TrainingState, path: Path) -> None:
        save(state, path)
        if state.epoch == epoch:
            act()

    monkeypatch.setattr(TrainingState, "save", saved)


def runs(server: MlflowServer, tmp_path: Path) -> list[Any]:
    import mlflow

    client = mlflow.MlflowClient(server.address)
    experiment = client.get_experiment_by_name(tmp_path.name)
    return list(client.search_runs([experiment.experiment_id], order_by=["attributes.start_time"]))


def files(server: MlflowServer, run: Any) -> set[str]:
    import mlflow

    return {
        Path(file.path).name for file in mlflow.MlflowClient(server.address).list_artifacts(run.info.run_id, "model")
    }


@pytest.mark.slow
def test_a_server_that_is_away_for_a_while_costs_nothing(
    server: MlflowServer, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        server.stop(signal.SIGKILL)
        threading.Timer(2, server.begin).start()

    at_the_end(monkeypatch, away)
    done = run(prepared, tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "Trying again in 1 s" in done.output
    [tracked] = runs(server, tmp_path)
    assert tracked.info.status == "FINISHED"
    assert files(server, tracked) == {path.name for path in (tmp_path / "out").iterdir()}
    import mlflow

    history = mlflow.MlflowClient(server.address).get_metric_history(tracked.info.run_id, "valid_full_ndcg_10")
    assert [value.step for value in history] == [1, 2, 3, 4]
    assert not partial_of(tmp_path / "out").exists()


@pytest.mark.slow
def test_of_a_server_that_stays_away_the_result_is_whole_and_a_later_command_sends_what_is_owed(
    server: MlflowServer, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("solid.tracking.runs._AWAY", 1.0)
    with monkeypatch.context() as patch:
        at_the_end(patch, lambda: server.stop(signal.SIGKILL))
        for name, seed in (("sent", 0), ("made again", 1)):
            done = run(prepared, tmp_path / name, f"training.seed={seed}")
            assert done.exit_code == UNRECORDED
            assert "is whole, but MLflow has not taken the record of run" in done.output
            assert (tmp_path / name / "training.json").is_file()
            assert (partial_of(tmp_path / name) / STATE).is_file()
            server.start()
    first, second = runs(server, tmp_path)
    assert first.info.status == "FINISHED"
    assert files(server, first) == {path.name for path in (tmp_path / "sent").iterdir()}
    assert second.info.status == "RUNNING"
    # The same command again trains nothing anew, comes to the same, and sends what is owed; the state goes then.
    digest = folder_digest(tmp_path / "made again")
    done = run(prepared, tmp_path / "made again", "training.seed=1")
    assert done.exit_code == 0, done.output
    assert "resuming after epoch 4" in done.output
    assert folder_digest(tmp_path / "made again") == digest
    assert [run.info.status for run in runs(server, tmp_path)] == ["FINISHED", "FINISHED"]
    assert not partial_of(tmp_path / "made again").exists()
    assert not list((tmp_path / "cache").rglob("*.json"))


@pytest.mark.slow
def test_files_that_are_others_by_now_are_not_sent(
    server: MlflowServer, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("solid.tracking.runs._AWAY", 0.1)
    with monkeypatch.context() as patch:
        at_the_end(patch, lambda: server.stop(signal.SIGKILL))
        assert run(prepared, tmp_path / "out").exit_code == UNRECORDED
    server.start()
    monkeypatch.setenv("SOLID_TRACKING", "off")
    assert run(prepared, tmp_path / "out", "training.seed=1").exit_code == 0
    monkeypatch.setenv("SOLID_TRACKING", "on")
    done = run(prepared, tmp_path / "other")
    assert "goes without its files, for" in done.output
    first, _ = runs(server, tmp_path)
    assert (first.info.status, files(server, first)) == ("FINISHED", set())


@pytest.mark.slow
def test_a_run_that_was_killed_is_closed_by_whoever_comes_next(
    server: MlflowServer, prepared: Path, programs: Path, tmp_path: Path
) -> None:
    killed = subprocess.run([programs / "python", "-c", KILLED, *arguments(prepared, tmp_path / "killed")], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [run.info.status for run in runs(server, tmp_path)] == ["RUNNING"]
    alive = subprocess.Popen([sys.executable, "-c", ALIVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert alive.stdin
    assert alive.stdout
    assert alive.stdout.readline() == "begun\n"
    assert run(prepared, tmp_path / "next").exit_code == 0
    assert [run.info.status for run in runs(server, tmp_path)] == ["KILLED", "RUNNING", "FINISHED"]
    alive.communicate("end\n")
    assert [run.info.status for run in runs(server, tmp_path)] == ["KILLED", "FINISHED", "FINISHED"]
    # The killed training goes on in the run that was closed.
    assert run(prepared, tmp_path / "killed").exit_code == 0
    assert [run.info.status for run in runs(server, tmp_path)] == ["FINISHED"] * 3


ALIVE = """
from solid.tracking import DatasetInfo, track
with track("alive", {}, DatasetInfo("ring", "d.dir", "ring")):
    print("begun", flush=True)
    input()
"""


def test_a_run_of_another_machine_is_closed_when_it_said_nothing_for_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    from solid.tracking.ended import PROCESS, SEEN, _is_over, this_process

    now = int(time.time())
    assert not _is_over({PROCESS: this_process()})
    assert _is_over({PROCESS: this_process().rpartition(" ")[0] + " 1"})  # another process of the same number
    assert not _is_over({PROCESS: "pod-1/x/1 7 99", SEEN: str(now - 3600)})
    assert _is_over({PROCESS: "pod-1/x/1 7 99", SEEN: str(now - 25 * 3600)})


def test_where_nothing_is_tracked_the_state_goes_once_the_result_is_in_its_place(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOLID_TRACKING", "off")
    assert run(prepared, tmp_path / "out").exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
