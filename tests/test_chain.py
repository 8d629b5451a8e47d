"""The whole chain as a user runs it, with DVC and MLflow, in a copy of the repository with small settings."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from shrunk import SEARCHES

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
SMALL: dict[str, dict[str, Any]] = {
    "semantics": {"modalities": ["id_text", "image"]},
    "model": {"dim": 8, "attention_heads": 2, "length": 5},
    "training": {"epochs": 2, "batch_size": 8192},
    "evaluation": {"bootstrap": 100, "baselines": ["transitions", "static"]},
    **SEARCHES,
}
MODELS = [
    "SOLID id_text",
    "SOLID image",
    "duet",
    "mixture",
    "static",
    "transitions",
]  # two epochs say little of who leads
WORK = Path("work/sasrec")


class Copy:
    """A copy of the repository, committed to a git repository of its own, and an MLflow store beside it."""

    def __init__(self, folder: Path, programs: Path, store: str) -> None:
        self.root = folder / "copy"
        self.python = programs / "python"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        self.environment |= {
            "SOLID_TRACKING": "on",
            "MLFLOW_TRACKING_URI": store,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.root),  # its own code, not the installed one
            **{f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }

    def call(self, *command: str | Path) -> str:
        """Run a command and return all it printed; it must succeed."""
        done = subprocess.run(
            command, cwd=self.root, env=self.environment, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout

    def run(self, *arguments: str) -> str:
        return self.call(self.python, "scripts/run.py", *arguments)

    def commit(self) -> None:
        self.call("git", "add", "--all")
        self.call("git", "commit", "--quiet", "--allow-empty", "--message", "state")

    def set(self, settings: dict[str, dict[str, Any]]) -> None:
        path = self.root / "params.yaml"
        params = yaml.safe_load(path.read_text(encoding="utf-8"))
        for section, keys in settings.items():
            params[section] |= keys
        path.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def stages_run(output: str) -> list[str]:
    return re.findall(r"^Running stage '(.+)':$", output, re.MULTILINE)


def rows(table: str) -> list[str]:
    """The models of a table of results, in its order."""
    names = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("|")]
    return [name for name in names if name != "model" and not set(name) <= set("-:")]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory, programs: Path, mlflow_store: Callable[[Path], str]) -> Copy:
    copy = Copy(tmp_path_factory.mktemp("chain"), programs, mlflow_store(tmp_path_factory.mktemp("mlflow")))
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (copy.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy.root / name)
    copy.set(SMALL)
    copy.call("git", "init", "--quiet")
    copy.commit()
    return copy


@pytest.fixture(scope="module")
def first_run(copy: Copy) -> str:
    """What the first run printed; its dvc.lock is committed."""
    output = copy.run()
    assert copy.call("git", "status", "--porcelain") in ("", " M dvc.lock\n", "?? dvc.lock\n")  # and not data.dvc
    copy.commit()
    return output


def test_a_run_makes_sample_data_models_table_report_and_registered_model(copy: Copy, first_run: str) -> None:
    each = ["id_text", "image"]
    assert sorted(stages_run(first_run)) == sorted(
        ["ingest", "prepare", "features", "item", "embed", "mixture", "evaluate", "register"]
        + [f"baseline@{baseline}" for baseline in ("transitions", "static")]
        + [f"{stage}@{modality}" for stage in ("assign", "semantic", "solid") for modality in each]
    )
    table = (copy.root / WORK / "evaluation" / "table.md").read_text(encoding="utf-8")
    assert sorted(rows(table)) == MODELS
    assert first_run.count(table) == 2  # by the step, and at the end
    assert first_run.endswith(
        f"report            {WORK}/evaluation/report.html\n"
        "registered model  version 1, models:/solid@challenger and models:/solid@champion\n"
        "champion          version 1: there was no champion\n"
    )
    assert (copy.root / WORK / "evaluation" / "report.html").stat().st_size > 100_000
    registration = json.loads((copy.root / WORK / "registration" / "registration.json").read_text(encoding="utf-8"))
    assert registration["name"] == "solid"
    evaluation = copy.root / WORK / "evaluation"
    metrics = json.loads((evaluation / "metrics.json").read_text(encoding="utf-8"))
    assert rows(table) == list(metrics) == sorted(metrics, key=lambda name: -metrics[name]["full_ndcg_10"])
    candidates = json.loads((evaluation / "models.json").read_text(encoding="utf-8"))
    assert registration["model"] == max(candidates, key=lambda name: candidates[name]["validation"]["value"])
    assert not list(copy.root.rglob("*.partial"))


def test_the_sample_data_is_what_data_dvc_says(copy: Copy, first_run: str) -> None:
    assert copy.call("dvc", "status", "data.dvc") == "Data and pipelines are up to date.\n"
    manifest = json.loads((copy.root / "work" / "raw" / "manifest.json").read_text(encoding="utf-8"))
    recorded = yaml.safe_load((copy.root / "data.dvc").read_text(encoding="utf-8"))["outs"][0]
    assert manifest["digest"] == recorded["md5"]


def test_a_second_run_does_nothing_and_says_so(copy: Copy, first_run: str) -> None:
    output = copy.run()
    assert output.startswith("Nothing to do: data, settings and code are as they were.\n")
    assert stages_run(output) == []
    assert sorted(rows(output)) == MODELS
    assert copy.call("git", "status", "--porcelain") == ""


def test_dvc_shows_metrics_and_plots(copy: Copy, first_run: str) -> None:
    shown = json.loads(copy.call("dvc", "metrics", "show", "--json"))
    [values] = shown[""]["data"].values()
    assert 0 < values["data"]["SOLID image"]["uauc"] < 1
    page = copy.root / "dvc_plots" / "index.html"
    assert copy.call("dvc", "plots", "show") == f"{page.as_uri()}\n"
    text = page.read_text(encoding="utf-8")
    for name in ("static.csv", "SOLID_image.csv", "class sizes", '"valid"'):
        assert name in text


def test_the_champion_recommends_in_a_fresh_process(copy: Copy, first_run: str) -> None:
    items = pd.read_parquet(copy.root / "work" / "prepared" / "items.parquet")["item_id"]
    output = copy.call("solid", "recommend", "-k", "5", items[3], "never-seen", items[8])
    table = output[output.index("rank") :].splitlines()
    assert [line.split()[0] for line in table[1:6]] == ["1", "2", "3", "4", "5"]
    recommended = [line.split()[1] for line in table[1:6]]
    assert set(recommended) <= set(items) - {items[3], items[8]}
    assert table[6:] == ["ignored, unknown to the model: never-seen"]


def test_another_lambda_runs_the_fusion_and_what_follows_alone(copy: Copy, first_run: str) -> None:
    copy.set({"fusion": {"alignment": 0.5}})
    changes = json.loads(copy.call("dvc", "params", "diff", "--json"))
    assert changes == {"params.yaml": {"fusion.alignment": {"old": 0.1, "new": 0.5, "diff": 0.4}}}
    would_run = stages_run(copy.call("dvc", "repro", "--dry", "--force-downstream"))
    assert would_run == ["solid@id_text", "solid@image", "mixture", "evaluate", "register"]
    copy.call("git", "checkout", "params.yaml")


def test_after_make_clean_models_come_from_the_cache_but_not_their_registration(copy: Copy, first_run: str) -> None:
    copy.call("make", "clean")
    assert not (copy.root / "work").exists()
    assert stages_run(copy.run()) == ["register"]
    assert copy.call("git", "status", "--porcelain", "params.yaml", "data.dvc") == ""
    copy.commit()


def test_own_data_runs_in_a_workspace_of_its_own(copy: Copy, first_run: str, tmp_path: Path) -> None:
    source = tmp_path / "My films.v2"
    source.mkdir()
    events = [f"{user}\t{(user * 3 + step * step) % 40}\t5\t{step}" for user in range(60) for step in range(8)]
    (source / "u.data").write_text("\n".join(dict.fromkeys(events)) + "\n")
    copy.commit()
    overrides = ["semantics.modalities=[id]", "prepare.negatives=9", "prepare.k_core=0"]
    output = copy.run("--source", str(source), *[part for text in overrides for part in ("--set", text)])
    assert len(stages_run(output)) == 13
    assert sorted(rows(output[output.rindex("| model") :])) == ["SOLID id", "duet", "mixture", "static", "transitions"]
    assert copy.call("git", "status", "--porcelain") == ""
    assert re.search(r"models:/solid-my-films-v2-[0-9a-f]{6}@challenger", output)
    [workspace] = (copy.root / "runs").iterdir()
    stats = json.loads((workspace / "work" / "prepared" / "stats.json").read_text(encoding="utf-8"))
    assert stats["format"] == "movielens"
    assert "Nothing to do" in copy.run(
        "--source", str(source), *[part for text in overrides for part in ("--set", text)]
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--source", "nowhere"],
            "Error: SOURCE nowhere: no such folder or file; give one, or an https:// or s3:// address",
        ),
        (["--format", "unisrec"], "Error: FORMAT=unisrec goes with SOURCE=<folder or address>"),
        (["--source", ".", "--format", "x"], "Error: no reader is called 'x'; data.format may be auto or one of"),
        (["--set", "training.epoks=1"], "Error: settings do not fit:"),
    ],
)
def test_what_cannot_work_is_said_before_anything_runs(copy: Copy, arguments: list[str], message: str) -> None:
    before = sorted(copy.root.rglob("*"))
    command = [copy.python, "scripts/run.py", *arguments]
    done = subprocess.run(command, cwd=copy.root, env=copy.environment, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[0] == message
    assert [path for path in sorted(copy.root.rglob("*")) if "__pycache__" not in path.parts] == [
        path for path in before if "__pycache__" not in path.parts
    ]
