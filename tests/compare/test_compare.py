"""The command itself, on a small grid: stopped and resumed, with a failing job, and two at once."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from solid.compare.statistics import holm, paired_difference
from solid.compare.table import SIGNIFICANT
from solid.data.sample import write_sample

pytestmark = pytest.mark.slow

GRID = """
title: A small grid
data: {name: sample, source: sample}
settings:
  prepare: {negatives: 9}
  model: {dim: 4, attention_heads: 2, length: 3}
  training: {epochs: 3, negatives: 1, batch_size: 4096}
  semantics: {classes: 8}
seeds: [0, 1]
backbones: [sasrec]
modalities: [id]
models:
  static: {head: static}
  DUET: {head: duet}
  SOLID: {head: solid}
"""
FILES = ["table.md", "table.csv", "seeds.csv", "report.html"]
TRAININGS = 6  # two seeds of static, DUET, SOLID
JOBS = 1 + 1 + 1 + 2 * (3 + 1 + 1 + 3)  # vectors of texts and pictures are part of what an item is


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compare")
    write_sample(folder / "sample", 0)
    (folder / "grid.yaml").write_text(GRID)
    return folder


# Imported by every process of a run that is to be stopped: a training that saves a second epoch waits there for as long
# as the file is there and more jobs are done than the number in it. So the signal never comes too late.
HOLD = """
import glob, os, sys, time
def hear(event, details):
    if event == "os.rename" and str(details[1]).endswith("state.safetensors") and os.path.exists(details[1]):
        work = os.path.dirname(os.path.dirname(os.path.dirname(details[1])))
        hold = work + ".hold"
        def held():
            done = [path for path in glob.glob(work + "/*/*/") if not path.endswith(".partial/")]
            return os.path.exists(hold) and len(done) > int(open(hold).read())
        while held():
            open(hold + "-held", "w").close()
            time.sleep(0.01)
sys.addaudithook(hear)
"""


Run = Callable[..., tuple[int, str, str]]


def start(
    place: Path, program: list[Path | str], work: str, out: str, *more: str, grid: str = "grid.yaml"
) -> subprocess.Popen[str]:
    command = [*program, "compare", grid, "--work", work, "--out", out, "--jobs", "2"]
    environment = {**os.environ, "SOLID_REAL_DATA": str(place)}
    if (place / f"{work}.hold").exists():
        (place / "hold").mkdir(exist_ok=True)
        (place / "hold" / "sitecustomize.py").write_text(HOLD)
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(place / "hold"), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [*command, *more], cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture(scope="module")
def run(place: Path, programs: Path) -> Run:
    """Run the command to its end: its exit status and what it printed."""

    def run(work: str, out: str, *more: str, grid: str = "grid.yaml") -> tuple[int, str, str]:
        process = start(place, [programs / "solid"], work, out, *more, grid=grid)
        stdout, stderr = process.communicate(timeout=600)
        return process.returncode, stdout, stderr

    return run


@pytest.fixture(scope="module")
def whole(run: Run) -> tuple[int, str, str]:
    """What an undisturbed run into ``work`` and ``out`` gave."""
    return run("work", "out")


def texts(folder: Path) -> dict[str, str]:
    return {name: (folder / name).read_text(encoding="utf-8") for name in FILES}


def epochs_trained(work: Path) -> dict[str, list[str]]:
    """By training, the epochs that its log has."""
    logs = (work / "logs").glob("train-*.log")
    return {log.stem: [ln[:10] for ln in log.read_text().splitlines() if ln.startswith("epoch")] for log in logs}


def test_a_run_writes_its_tables(place: Path, whole: tuple[int, str, str]) -> None:
    code, stdout, stderr = whole
    assert code == 0, stderr
    assert stderr.splitlines()[0] == f"{JOBS} of {JOBS} jobs to run, 2 at once"
    assert f"[{JOBS}/{JOBS}] score" in stderr
    assert stdout == f"A small grid\n\n{texts(place / 'out')['table.md']}\n"
    assert sorted(path.name for path in (place / "out").iterdir()) == sorted(FILES)
    trained = epochs_trained(place / "work")
    assert len(trained) == TRAININGS
    for name, epochs in trained.items():  # what starts as the static model is judged before its first epoch, too
        assert len(epochs) == (3 if "-static-" in name else 4), name


def test_rows_are_mixed(place: Path, whole: tuple[int, str, str], run: Run) -> None:
    """What is trained already is taken as it is."""
    models = {"static": {"head": "static"}, "popular": {"head": "popular"}}
    mixed = {**yaml.safe_load(GRID), "seeds": [0], "models": models}
    mixed["models"]["both"] = {"head": "mixture", "parts": ["popular", "static"]}
    (place / "mixed.yaml").write_text(yaml.safe_dump(mixed, sort_keys=False))
    code, _, stderr = run("work", "mixed", grid="mixed.yaml")
    assert code == 0, stderr
    assert "4 of 9 jobs to run" in stderr  # counting, mixing, and the scores of both
    rows = pd.read_csv(place / "mixed" / "table.csv").set_index("model")
    best = rows.loc[["static", "popular"], "full_ndcg_10"].max()
    assert rows.loc["both", "full_ndcg_10"] >= 0.9 * best


def test_the_table_is_that_of_the_scores(place: Path, whole: tuple[int, str, str]) -> None:
    """Every number of table.csv, worked out anew from the files of the scored models."""
    table = pd.read_csv(place / "out" / "table.csv").set_index("model")
    seeds = pd.read_csv(place / "out" / "seeds.csv")
    assert table.index.tolist() == ["static", "DUET", "SOLID"]
    assert len(seeds) == 6
    heads = {"static": "static", "DUET": "duet", "SOLID": "solid"}
    p = {}
    for model, head in heads.items():
        own = seeds[seeds["model"] == model]
        assert table.loc[model, "uauc"] == pytest.approx(own["uauc"].mean(), abs=1e-6)
        assert table.loc[model, "ndcg_10_sd"] == pytest.approx(own["ndcg_10"].std(), abs=2e-6)
        if model != "static":
            values = {
                name: pd.concat(
                    [pd.read_parquet(f / "per_user.parquet")["auc"] for f in scored(place / "work", name)], axis=1
                ).to_numpy()
                for name in (head, "static")
            }
            difference = paired_difference(values[head], values["static"])
            assert table.loc[model, "uauc_difference"] == pytest.approx(difference.mean, abs=1e-6)
            assert table.loc[model, "uauc_error"] == pytest.approx(difference.error, abs=1e-6)
            p[model] = difference.p
    for model, corrected in zip(p, holm(list(p.values())), strict=True):
        assert table.loc[model, "uauc_p_holm"] == pytest.approx(corrected, abs=1e-6)
        line = next(ln for ln in texts(place / "out")["table.md"].splitlines() if f"| {model} " in ln)
        assert line.count("*") % 2 == (corrected < SIGNIFICANT) ^ (table.loc[model, "ndcg_10_p_holm"] < SIGNIFICANT)


def scored(work: Path, head: str) -> list[Path]:
    """Scores of a head, by seed."""
    return sorted((work / "score").glob(f"sample-sasrec-{head}-*"), key=lambda path: path.name.split("seed-")[1])


def test_stopped_and_resumed_it_ends_with_the_same_bytes_and_trains_nothing_twice(
    place: Path, run: Run, whole: tuple[int, str, str]
) -> None:
    """Stopped three times, each time a little later, in the middle of trainings."""
    work = place / "stopped"
    exits = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGKILL: -9}
    for number, code in exits.items():
        finished = done(work)
        hold, held = place / "stopped.hold", place / "stopped.hold-held"
        hold.write_text(str(len(finished)))
        process = start(place, [sys.executable, "-m", "solid.cli"], "stopped", "resumed")
        until(held.exists)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=300)
        hold.unlink()
        held.unlink()
        assert process.returncode == code, stderr
        assert ("stopping; the same command goes on from here" in stderr) == (number != signal.SIGKILL)
        assert not (place / "resumed").exists()
    finished = done(work)
    code, _, stderr = run("stopped", "resumed")
    assert code == 0, stderr
    assert stderr.startswith(f"{JOBS - len(finished)} of {JOBS} jobs to run")
    assert texts(place / "resumed") == texts(place / "out")
    trained = epochs_trained(work)
    assert len(trained) == TRAININGS
    for epochs in trained.values():
        assert epochs == sorted(set(epochs))  # no epoch twice: a training goes on where it was
    assert not list(work.glob("*/*.partial"))


def done(work: Path) -> set[Path]:
    """Outputs that are there, whole."""
    return {path for path in work.glob("*/*") if path.is_dir() and path.suffix != ".partial"}


def test_a_second_call_runs_nothing(place: Path, run: Run, whole: tuple[int, str, str]) -> None:
    code, stdout, stderr = run("work", "again")
    assert (code, stdout) == (0, whole[1])
    assert "jobs to run" not in stderr
    assert texts(place / "again") == texts(place / "out")


def test_a_failing_job_stops_only_what_depends_on_it(place: Path, run: Run, whole: tuple[int, str, str]) -> None:
    """More classes than items, which only SOLID reads."""
    code, _, stderr = run("work", "failed", "--set", "semantics.classes=100000")
    assert code == 1
    assert "semantics.classes is 100000" in stderr
    assert "train sample sasrec solid both id seed 1: skipped, for sample sasrec id seed 1 failed" in stderr
    table = texts(place / "failed")["table.md"]
    assert "SOLID (incomplete: 0 of 2 seeds)" in table
    assert table.splitlines()[3].split("|")[3] == texts(place / "out")["table.md"].splitlines()[3].split("|")[3]


def test_a_work_folder_in_use_is_refused_and_a_dead_process_holds_nothing(
    place: Path, run: Run, whole: tuple[int, str, str]
) -> None:
    with (place / "work" / ".lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, _, stderr = run("work", "locked")
        assert code == 2
        assert stderr.startswith("Error: work: in use by process ")
    assert not (place / "locked").exists()
    assert run("work", "locked")[0] == 0


def until(true: Callable[[], object], seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
