"""The retraining pipeline as it runs on this machine, in processes, with MLflow in a sqlite file: who becomes champion.

Users walk around a circle of items, which is easy to learn with the settings of params.yaml, and not with a learning
rate of almost nothing.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from pipelines.cli import main
from solid.storage.local import read_json

pytestmark = pytest.mark.slow

ITEMS, USERS, EVENTS = 40, 200, 8
SETTINGS: dict[str, dict[str, Any]] = {
    "prepare": {"k_core": 0, "negatives": 20},
    "semantics": {"modalities": ["id"], "classes": 4},
    "model": {"dim": 8, "attention_heads": 2, "length": 4},
    "training": {"epochs": 6, "learning_rate": 0.03, "batch_size": 400},
    "evaluation": {"bootstrap": 200, "baselines": ["static"]},
    "registry": {"name": "walks"},
}
WEAK = 'changes={"training": {"epochs": 1, "learning_rate": 0.000001}}'


def write_walks(folder: Path, new_items: int = 0, users: int = USERS) -> Path:
    """Interactions of users who walk around a circle of items; the last ``new_items`` have names of their own."""
    folder.mkdir()
    names = [f"i{item}" if item < ITEMS - new_items else f"new{item}" for item in range(ITEMS)]
    draw = random.Random(0)
    lines = ["user_id,item_id,timestamp"]
    for user in range(users):
        first = draw.randrange(ITEMS)
        lines += [f"u{user},{names[(first + step) % ITEMS]},{step}" for step in range(EVENTS)]
    (folder / "walks.csv").write_text("\n".join(lines) + "\n")
    return folder


@dataclass
class Retrained:
    """A run of the pipeline: its exit status, what it printed, and the folder of its outputs."""

    code: int
    said: str
    outputs: Path

    def output(self, task: str, name: str) -> Path:
        [folder] = self.outputs.rglob(f"{task}/{name}")
        return folder

    @property
    def registration(self) -> dict[str, Any]:
        value: dict[str, Any] = read_json(self.output("register", "registration") / "registration.json")
        return value

    @property
    def champion(self) -> tuple[str | None, str | None]:
        return self.registration["champion"]["before"], self.registration["champion"]["after"]


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, quick_python: None, mlflow_store: Callable[[Path], str]
) -> Iterator[Path]:
    """A folder with settings, data and an MLflow store of its own."""
    folder = tmp_path_factory.mktemp("retraining")
    (folder / "params.yaml").write_text(yaml.safe_dump(SETTINGS))
    write_walks(folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("MLFLOW_", "SOLID_"))]:
            patch.delenv(name)
        patch.setenv("MLFLOW_TRACKING_URI", mlflow_store(folder))
        patch.setenv("SOLID_GIT_SHA", "c0ffee")
        patch.chdir(folder)
        yield folder


def retrain(place: Path, *parameters: str, source: str = "data") -> Retrained:
    runs = place / "runs"
    before = set(runs.iterdir()) if runs.exists() else set()
    command = ["run", "retraining", "--runner", "processes", "--out", str(runs), "--set", f"data.source={source}"]
    result = CliRunner().invoke(main, command + [part for pair in parameters for part in ("--parameter", pair)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    [outputs] = set(runs.iterdir()) - before
    return Retrained(result.exit_code, result.output, outputs)


@pytest.fixture(scope="module")
def runs(place: Path) -> dict[str, Retrained]:
    """One run after the other, as weeks go by."""
    write_walks(place / "other", new_items=20)
    done = {"first": retrain(place, WEAK)}
    done["equal"] = retrain(place)
    with pytest.MonkeyPatch.context() as better:
        better.setenv("SOLID_KFP_RUN_ID", "run-3")
        done["better"] = retrain(place, "settings_of=params")
    done["worse"] = retrain(place, WEAK)
    done["broken"] = retrain(place, "settings_of=params", 'changes={"training": {"epochs": 9}}', source="other")
    for name, run in done.items():
        assert run.code == 0, (name, run.said)
    return done


def test_without_a_champion_the_challenger_is_champion(runs: dict[str, Retrained]) -> None:
    run = runs["first"]
    assert run.champion == (None, "1")
    assert run.registration["reason"] == "there was no champion"
    assert read_json(run.output("check", "checked") / "checks.json")["passed"]
    assert "champion          version 1: there was no champion" in run.said


def test_a_challenger_like_the_champion_leaves_it_in_place(runs: dict[str, Retrained]) -> None:
    """It was trained with the champion's settings, not with those of params.yaml, and came out the same."""
    run = runs["equal"]
    assert run.champion == ("1", "1")
    assert run.registration["reason"] == "it equals the champion, version 1, byte for byte"
    made_with = yaml.safe_load((run.output("champion", "reference") / "params.yaml").read_text())
    assert (made_with["training"]["epochs"], made_with["training"]["learning_rate"]) == (1, 1e-6)
    assert read_json(run.output("champion", "reference") / "champion.json")["found"] == (
        "version 1 of walks is champion: the settings are its own"
    )


def test_a_better_challenger_takes_the_place(runs: dict[str, Retrained]) -> None:
    run = runs["better"]
    assert run.champion == ("1", "3")
    comparison = run.registration["comparison"]
    assert comparison["n"] == USERS
    assert comparison["difference"] > 0
    assert comparison["win_share"] >= 0.95
    old, new = run.registration["champion_test"]["full_ndcg_10"], run.registration["test"]["full_ndcg_10"]
    assert comparison["difference"] == pytest.approx(new - old, abs=1e-6)
    assert old == runs["first"].registration["test"]["full_ndcg_10"]  # the same users, measured again


def test_a_worse_challenger_leaves_the_champion_in_place(runs: dict[str, Retrained]) -> None:
    run = runs["worse"]
    assert run.champion == ("3", "3")
    assert run.registration["version"] == "4"
    assert run.registration["comparison"]["difference"] < 0
    assert run.registration["reason"].startswith("full_ndcg_10 -0.")
    assert "ahead in 0.0% of the resamples, 95.0% are needed" in run.registration["reason"]


def test_data_that_does_not_pass_its_checks_leaves_the_champion_in_place(runs: dict[str, Retrained]) -> None:
    run = runs["broken"]
    assert run.champion == ("3", "3")
    assert run.registration["comparison"]["difference"] > 0  # it would have won
    assert run.registration["reason"].startswith(
        "the data checks did not pass, new items: 50.0% (checks.max_new_items: 30.0%); of the models: full_ndcg_10 +"
    )
    assert read_json(run.output("check", "checked") / "checks.json")["reference"]["version"] == "3"
    report = run.output("register", "report").read_text()
    assert "### walks: Version 3 stays champion" in report
    assert "| new items | 50.0% | checks.max_new_items: 30.0% | **failed** |" in report


def test_the_alias_is_where_the_reports_say(runs: dict[str, Retrained], place: Path) -> None:
    import mlflow

    client = mlflow.MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    aliases = client.get_registered_model("walks").aliases
    assert {alias: str(version) for alias, version in aliases.items()} == {"champion": "3", "challenger": "5"}


def test_a_version_leads_back_to_the_run_of_the_pipeline(runs: dict[str, Retrained]) -> None:
    import mlflow

    client = mlflow.MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    version = client.get_model_version("walks", "3")
    expected = {"git_sha": "c0ffee", "image": "solid:dev", "kfp_run_id": "run-3"}
    assert expected.items() <= version.tags.items()
    raw = read_json(runs["better"].output("ingest", "raw") / "manifest.json")
    tags = client.get_run(version.run_id).data.tags
    assert (expected | {"dvc_hash": raw["digest"]}).items() <= tags.items()
    found = client.search_runs([client.get_run(version.run_id).info.experiment_id], "tags.kfp_run_id = 'run-3'")
    # static, item model, SOLID, mixture, registration: a run each, and none above them
    assert len(found) == 5
    assert not [run for run in found if "mlflow.parentRunId" in run.data.tags]


def test_data_that_cannot_be_read_fails_the_run_and_touches_nothing(runs: dict[str, Retrained], place: Path) -> None:
    (place / "torn").mkdir()
    (place / "torn" / "walks.csv").write_text("user_id,item_id,timestamp\nu1,i1\nu2,,x\n")
    run = retrain(place, source="torn")
    assert run.code == 1
    assert not list(run.outputs.rglob("registration"))


def test_the_report_is_found_by_the_run_of_the_pipeline(runs: dict[str, Retrained], tmp_path: Path) -> None:
    submitted = {"run_id": "run-3", "link": "https://kubeflow.example/run-3", "state": "SUCCEEDED", "steps": []}
    (tmp_path / "run.json").write_text(json.dumps(submitted))
    root = Path(__file__).resolve().parent.parent.parent
    command = [sys.executable, root / "scripts" / "report_results.py", "--run", tmp_path / "run.json"]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    written = runs["better"].output("register", "report").read_text()
    assert done.stdout.startswith(written)
    assert "### walks: Version 3 is the new champion" in written
    assert "[Run run-3](https://kubeflow.example/run-3) on Kubeflow." in done.stdout
