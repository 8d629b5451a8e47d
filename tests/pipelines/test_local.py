"""Pipelines run on this machine as processes: the same files as by hand, and no failure that passes for success."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from by_hand import ROOT, SMALL, Chain, check_same_files, files
from click.testing import CliRunner
from gates import pipelines
from kfp.local import docker_task_handler

from pipelines import cli
from pipelines.local import run
from solid.errors import SolidError
from solid.kinds import SECTIONS
from solid.storage.s3 import Prefix

WRITE = 'mkdir -p "$(dirname "$1")"; printf done >"$1"'


def go(tmp_path: Path, name: str, **arguments: Any) -> list[str]:
    """Run one of the small pipelines as processes and return the outputs it left."""
    made = run(pipelines("none")[name], arguments, tmp_path / "runs", containers=False)
    return sorted(path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file())


def test_a_task_that_ends_well_leaves_its_output(tmp_path: Path) -> None:
    assert go(tmp_path, "one", text=WRITE) == ["command/out"]


def test_a_task_that_fails_fails_the_run_at_once_and_its_log_is_shown(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    with pytest.raises(SolidError, match="Inner task failed: 'command'"):
        go(tmp_path, "one", text="echo that went wrong; exit 3")
    assert time.monotonic() - began < 30  # the pipeline's retries would wait for ten minutes
    assert "sh | that went wrong\n" in capfd.readouterr().err


def test_a_task_that_fails_inside_a_loop_fails_the_run(tmp_path: Path) -> None:
    with pytest.raises(SolidError, match="Inner task failed"):
        go(tmp_path, "loop", texts=[WRITE, "exit 1", WRITE])


@pytest.mark.parametrize("name", ["one", "loop"])
def test_an_output_that_is_missing_fails_the_run(tmp_path: Path, name: str) -> None:
    with pytest.raises(SolidError, match=r"did not write this output|Inner task failed"):
        go(tmp_path, name, **({"text": "exit 0"} if name == "one" else {"texts": ["exit 0"]}))


def test_a_gate_opens_when_it_should_and_only_then(tmp_path: Path) -> None:
    assert go(tmp_path, "gate", better=True, text=WRITE) == ["command/out"]
    assert go(tmp_path, "gate", better=False, text=WRITE) == []


def test_a_gate_in_a_nested_pipeline_reads_the_named_output_of_a_task(tmp_path: Path) -> None:
    outputs = go(tmp_path, "judged", score=0.5, text=WRITE)
    assert outputs == ["command/out", "judge/better", "judge/reason"]


def test_a_gate_that_could_never_open_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(
        SolidError, match=r"gate condition-1: kfp.local cannot read the output of a task in a condition"
    ):
        go(tmp_path, "closed", score=0.5, text=WRITE)
    assert not (tmp_path / "runs").exists()


def test_kfp_is_left_as_it_was(tmp_path: Path) -> None:
    before = docker_task_handler.run_docker_container
    go(tmp_path, "one", text=WRITE)
    assert docker_task_handler.run_docker_container is before


@pytest.mark.s3
def test_an_output_that_is_missing_in_the_store_fails_the_run(tmp_path: Path, s3: Any) -> None:
    def go_in_store(name: str, text: str) -> None:
        run(pipelines("none")[name], {"text": text}, tmp_path / "runs", containers=False, store="s3://solid/missing/")

    with pytest.raises(SolidError, match=r"s3://solid/missing/thing-.*/make/made: the task ended well but did not wr"):
        go_in_store("thing", f"echo made > {tmp_path}/made")
    write = 'import sys; from solid.storage.s3 import Prefix; Prefix(sys.argv[1]).write(str(), b"x")'
    put = f"{sys.executable} -c '{write}'"
    go_in_store("thing", f'{put} "$1"')
    [made] = s3.list_objects_v2(Bucket="solid", Prefix="missing/")["Contents"]
    assert re.fullmatch(r"missing/thing-[0-9-]+/make/made", made["Key"])


@pytest.mark.s3
def test_a_store_that_cannot_be_used_is_said_before_anything_runs(tmp_path: Path, s3: Any) -> None:
    for store, message in [("/runs", "/runs/one-.*: not an address of S3"), ("s3://none/x", "NoSuchBucket")]:
        with pytest.raises(SolidError, match=message):
            run(pipelines("none")["one"], {"text": WRITE}, tmp_path / "runs", containers=False, store=store)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--set", "data.source=nowhere"],
            "data.source nowhere: no such folder or file; for sample data: solid sample",
        ),
        (["--set", "training.epoks=1"], "settings do not fit:"),
        (["--parameter", "epochs=1"], "pipeline training has no such parameter; it has apg,"),
    ],
)
def test_what_cannot_work_is_said_before_anything_runs(tmp_path: Path, arguments: list[str], message: str) -> None:
    source = ["--set", f"data.source={tmp_path}"] if "data.source" not in arguments[1] else []
    out = tmp_path / "runs"
    command = ["run", "training", "--runner", "processes", "--out", str(out), *source, *arguments]
    done = CliRunner().invoke(cli.main, command)
    assert done.exit_code != 0
    assert message in done.output
    assert not out.exists()


@pytest.mark.slow
def test_the_training_pipeline_gives_the_same_files_as_the_steps_by_hand_and_records_what_it_trained_with(
    tmp_path: Path, chain: Chain, programs: Path
) -> None:
    command = [programs / "solid-pipeline", "run", "training", "--runner", "processes"]
    command += ["--out", str(tmp_path / "runs")]
    command += [part for text in [*SMALL, f"data.source={chain.data}"] for part in ("--set", text)]
    store = {"SOLID_TRACKING": "on", "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}"}
    import mlflow

    mlflow.MlflowClient(store["MLFLOW_TRACKING_URI"]).search_experiments()  # two trainings at once would both make it
    done = subprocess.run(command, cwd=ROOT, env=os.environ | store, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [made] = (tmp_path / "runs").iterdir()
    check_same_files(made, chain)
    table = (chain.work / "sasrec" / "evaluation" / "table.md").read_text(encoding="utf-8")
    assert done.stdout.startswith(table)
    [kept] = tmp_path.rglob("artifacts/params.yaml")
    recorded = yaml.safe_load(kept.read_text(encoding="utf-8"))
    trained_with = chain.settings.model_dump(mode="json", include=set(SECTIONS))
    assert {section: recorded[section] for section in SECTIONS} == trained_with
    assert "train-solid-image | epoch   1: " in done.stderr
    told = json.loads((made / "evaluate" / "executor_output.json").read_text())["artifacts"]
    assert set(told) == {"results", "metrics", "report", "summary"}
    assert "SOLID image uauc" in told["metrics"]["artifacts"][0]["metadata"]


@pytest.mark.slow
@pytest.mark.s3
def test_with_a_store_all_artifacts_of_the_training_pipeline_lie_there_and_are_the_same(
    tmp_path: Path, chain: Chain, programs: Path, s3: Any
) -> None:
    command = [programs / "solid-pipeline", "run", "training", "--runner", "processes"]
    command += ["--out", str(tmp_path / "runs"), "--root", "s3://solid/runs", "--parameter", "registering=false"]
    command += [part for text in [*SMALL, f"data.source={chain.data}"] for part in ("--set", text)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [made] = (tmp_path / "runs").iterdir()
    assert {path.name for path in made.rglob("*") if path.is_file()} == {"executor_output.json"}
    address = f"s3://solid/runs/{made.name}"
    check_same_files(made, chain, address)
    evaluation, views = chain.work / "sasrec" / "evaluation", Prefix(f"{address}/evaluate")
    assert done.stdout == (
        f"{(evaluation / 'table.md').read_text(encoding='utf-8')}\n"
        f"report            {views.address}/report\nall outputs       {address}\n"
    )
    for view, file in {"report": "report.html", "summary": "table.md", "metrics": "metrics.json"}.items():
        assert views.read(view) == (evaluation / file).read_bytes()
    told = json.loads((made / "evaluate" / "executor_output.json").read_text())["artifacts"]
    assert "SOLID image uauc" in told["metrics"]["artifacts"][0]["metadata"]
    assert told["results"]["artifacts"][0]["metadata"] == {"baseline": "static"}


@pytest.mark.slow
def test_backbones_are_compared_and_registered_one_after_another(
    tmp_path: Path, chain: Chain, programs: Path, mlflow_store: Callable[[Path], str]
) -> None:
    lists = ["semantics.modalities=[image]", "evaluation.baselines=[static]"]
    command = [
        programs / "solid-pipeline",
        "run",
        "backbones",
        "--runner",
        "processes",
        "--out",
        str(tmp_path / "runs"),
    ]
    command += [part for backbone in ("sasrec", "gru4rec") for part in ("--backbone", backbone)]
    command += [part for text in [*SMALL, *lists, f"data.source={chain.data}"] for part in ("--set", text)]
    store = {"SOLID_TRACKING": "on", "MLFLOW_TRACKING_URI": mlflow_store(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=os.environ | store, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [made] = (tmp_path / "runs").iterdir()
    sasrec, gru4rec = (made / f"train-solid-image-{name}" / "solid_image_model" for name in ("sasrec", "gru4rec"))
    assert files(sasrec) == files(chain.work / "sasrec" / "solid" / "image")
    assert json.loads((gru4rec / "config.json").read_text())["model"]["backbone"] == "gru4rec"
    first, second = (
        json.loads((made / f"register-{name}" / "registration" / "registration.json").read_text())
        for name in ("sasrec", "gru4rec")
    )
    assert (first["version"], first["champion"]) == ("1", {"before": None, "after": "1"})
    assert (second["version"], second["champion"]["before"]) == ("2", "1")
    tables = done.stdout.partition("registered model")[0]
    assert re.findall(r"^(\w+):$", tables, re.MULTILINE) == ["sasrec", "gru4rec"]
    assert tables.count("| SOLID image ") == 2
