"""The table of CONTRIBUTING.md holds.

A toy of each kind is added to a copy of the project in exactly the way that the table says, a file and a line (a step:
what it is, and where it stands), and runs through training, evaluation, report, comparison and a compiled pipeline.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from safetensors.torch import load_file

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
TOYS = Path(__file__).with_name("toys")
# The line that makes the toy of each kind known, and the beginning of the one that it is put before.
LINES = {
    "backbone": ('BackboneKind("toy", "solid.models.backbones.toy:ToyBackbone"),', 'BackboneKind("gru4rec"'),
    "head": (
        'HeadKind("toy", "a scale for each dimension", "solid.models.heads.toy:ToyHead", ("scales",)),',
        'HeadKind("static"',
    ),
    "head that generates weights": (
        'HeadKind("spun", "every entry", "solid.models.heads.spun:SpunHead", generates=True),',
        'HeadKind("static"',
    ),
    "section of settings for a head": ("scales: ScaleSettings = ScaleSettings()", "finetune:"),
    "way to count": (
        '_counted("tally", "how many touched it, squared", "solid.counting.toy:Tally"),',
        '_counted("popular"',
    ),
    "loss": ('LossKind("toy", "a square", "solid.training.losses.toy:ToyLoss"),', 'LossKind("softmax"'),
    "metric": ('"toy:TOY",', '"hr:HR"'),
    "reader": ('"toy:Toy",', '"douban:Douban"'),
    "encoder of texts or pictures": (
        'EncoderKind("toy", "text", "solid.features.toy:Toy"),',
        'EncoderKind("clip", "text"',
    ),
    "setting": ('toy: int = Field(7, ge=0, description="what a toy is set to")', "patience: int"),
}
# The file of a toy, and its name, where they are not those of its kind.
OTHERS = {"head that generates weights": ("spun", "spun")}
# The class of the section, and what it is put before.
SECTION = (
    "class HeadSections",
    'class ScaleSettings(Section):\n    """A toy\'s."""\n\n    scale: float = Field(1, description="at first")\n\n\n',
)
# A step, as its row says in words: file, what stands there, what is put before that.
STEP = (
    (
        "solid/steps.py",
        "FEATURES = ",
        'TOY = _step("toy", "solid.data.toy:count", "Count.", (_PREPARED,), "toy.json.", '
        'options=(Option("times", "How often.", default="1"),))\n',
    ),
    (
        "solid/chain.py",
        '_train("baseline"',
        'Stage("toy", steps.TOY, "how many users there are", "toy", "toy", (From("prepared", "prepare"),), '
        'options={"times": "2"}),\n        ',
    ),
)
SETTINGS = {
    "prepare": {"k_core": 0, "negatives": 9},
    "features": {"text": "toy"},
    "semantics": {"modalities": ["text"], "classes": 4},
    "model": {"backbone": "toy", "dim": 8, "attention_heads": 2, "length": 5},
    "training": {"epochs": 1, "loss": "toy", "toy": 11},
    "scales": {"scale": 2},
    "fusion": {"generator": "spun"},
    "evaluation": {"baselines": ["toy", "tally", "static"], "bootstrap": 100},
}
GRID = {
    "title": "Toys",
    "data": {"name": "toys", "source": "data"},
    "settings": {
        "prepare": SETTINGS["prepare"],
        "features": SETTINGS["features"],
        "semantics": {"classes": 4},
        "model": {"dim": 8, "attention_heads": 2, "length": 5},
        "training": SETTINGS["training"],
        "scales": SETTINGS["scales"],
        "fusion": SETTINGS["fusion"],
    },
    "seeds": [0, 1],
    "backbones": ["toy"],
    "modalities": ["text"],
    "models": {"toy": {"head": "toy"}, "tally": {"head": "tally"}, "SOLID": {"head": "solid"}},
}


@dataclass(frozen=True)
class Row:
    """A row of the table: the file to add, and where its line goes."""

    file: str | None
    table: str
    registry: str


def rows() -> dict[str, Row]:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    row = r"^\| an? ([a-z ]+) \| (?:`([^`]+)`[^|]*|-) \| `([^`]+)` in `([^`]+)`[^|]* \|"
    found = re.findall(row, text, re.MULTILINE)
    return {kind: Row(file or None, table, registry) for kind, file, table, registry in found}


ROWS = rows()


def add(project: Path, kind: str) -> None:
    """Do what the row says: copy the toy to its file, put its line first into its table."""
    row = ROWS[kind]
    registry = project / row.registry
    if row.file == row.registry:
        before, section = SECTION
        registry.write_text(registry.read_text(encoding="utf-8").replace(before, section + before), encoding="utf-8")
    elif row.file:
        toy, name = OTHERS.get(kind, (kind.partition(" ")[0], "toy"))
        place = project / row.file.replace("NAME", name)
        assert not place.exists()
        shutil.copy(TOYS / f"{toy}.py", place)
    line, neighbour = LINES[kind]
    text = registry.read_text(encoding="utf-8")
    head, table, tail = text.partition(row.table)
    changed = re.sub(rf"^( *)({re.escape(neighbour)})", rf"\1{line}\n\1\2", tail, count=1, flags=re.MULTILINE)
    assert changed != tail, f"{row.registry}: no {neighbour} in {row.table}"
    registry.write_text(head + table + changed, encoding="utf-8")


def add_step(project: Path) -> None:
    """Copy the toy, say what it is, and where it stands in the chain."""
    shutil.copy(TOYS / "step.py", project / "solid" / "data" / "toy.py")
    for file, there, line in STEP:
        path = project / file
        text = path.read_text(encoding="utf-8")
        assert text.count(there) == 1, f"{file}: {there}"
        path.write_text(text.replace(there, line + there), encoding="utf-8")


@dataclass(frozen=True)
class Extended:
    """A copy of the project with every toy in it, what was run in it, and what that wrote."""

    project: Path
    environment: dict[str, str]

    def call(self, *command: str, fails: bool = False) -> str:
        done = subprocess.run(
            command, cwd=self.project, env=self.environment, check=False, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert (done.returncode != 0) == fails, done.stdout
        return done.stdout

    def one(self, pattern: str) -> Path:
        [path] = self.project.glob(pattern)
        return path


@pytest.fixture(scope="module")
def extended(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Extended:
    """Everything added, then the training pipeline compiled and run with processes, and a grid compared."""
    project = tmp_path_factory.mktemp("extended")
    for room in ("solid", "components", "pipelines", "scripts"):
        shutil.copytree(ROOT / room, project / room, ignore=shutil.ignore_patterns("__pycache__"))
    for kind in LINES:
        add(project, kind)
    add_step(project)
    (project / "data").mkdir()
    events = [f"u{u} i{(u + step * step) % 20} {step} {'abcdefgh'[u % 8]}x" for u in range(60) for step in range(6)]
    (project / "data" / "events.toy").write_text("".join(f"{event}\n" for event in events))
    (project / "params.yaml").write_text(yaml.safe_dump(SETTINGS))
    (project / "grid.yaml").write_text(yaml.safe_dump(GRID, sort_keys=False))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "SOLID_"))}
    environment |= {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(project),
        "SOLID_TRACKING": "off",
    }
    made = Extended(project, environment)
    made.call("solid-pipeline", "compile", "training", "--image", "solid:dev", "--allow-tag", "--out", "pipeline.yaml")
    made.call("solid-pipeline", "run", "training", "--runner", "processes", "--parameter", "registering=false")
    made.call("solid", "compare", "grid.yaml", "--work", "grids", "--out", "tables")
    return made


def test_the_table_has_a_row_for_each_kind() -> None:
    assert list(ROWS) == list(LINES)


def test_a_reader(extended: Extended) -> None:
    stats = json.loads(extended.one("runs/pipelines/*/prepare/prepared/stats.json").read_text())
    assert (stats["format"], stats["users"], stats["items"], stats["interactions"]) == ("toy", 60, 20, 360)


def test_an_encoder(extended: Extended) -> None:
    found = json.loads(extended.one("runs/pipelines/*/features/vectors/features.json").read_text())
    assert found["text"] == {"encoder": "toy", "dim": 9, "missing": 0}


def test_a_setting(extended: Extended) -> None:
    pipeline = yaml.safe_load_all((extended.project / "pipeline.yaml").read_text())
    training = next(pipeline)["root"]["inputDefinitions"]["parameters"]["training"]
    assert training["defaultValue"]["toy"] == 11
    assert "training.toy: Input should be a valid integer" in extended.call(
        "solid", "ingest", "--out", "x", "--set", "training.toy=a", fails=True
    )


def trained(extended: Extended) -> dict[Path, dict[str, Any]]:
    """The configuration of every model of the pipeline, by its folder."""
    found = extended.project.glob("runs/pipelines/**/*_model/config.json")
    return {path.parent: json.loads(path.read_text()) for path in found}


def test_a_backbone_and_a_head(extended: Extended) -> None:
    configs = trained(extended).values()
    assert {config["model"]["backbone"] for config in configs if "model" in config} == {"toy"}
    assert sorted(config["head"] for config in configs) == ["mixture", "solid", "spun", "static", "tally", "toy"]
    assert re.findall(r"^\| toy +\| (\w+)", (extended.project / "tables" / "table.md").read_text(), re.MULTILINE) == [
        "toy", "tally", "SOLID",
    ]  # fmt: skip


def test_a_section_of_a_head(extended: Extended) -> None:
    configs = trained(extended)
    assert {config["head"]: config["scales"] for config in configs.values() if "model" in config} == {
        "toy": {"scale": 2}, "spun": None, "solid": None, "static": None,
    }  # fmt: skip
    for folder, config in configs.items():
        made_with = json.loads((folder / "training.json").read_text())["settings"]
        assert ("scales" in made_with) == (config["head"] in ("toy", "mixture"))  # a mixture tells of its parts
    assert "scales.scale: Input should be a valid number" in extended.call(
        "solid", "ingest", "--out", "x", "--set", "scales.scale=a", fails=True
    )


def test_a_way_to_count(extended: Extended) -> None:
    [counted] = [folder for folder, config in trained(extended).items() if config["head"] == "tally"]
    assert json.loads((counted / "config.json").read_text())["picked"]["power"] == 2
    popular = load_file(counted / "model.safetensors")["popularity"]
    assert float(popular.sum()) == pytest.approx(1)


def test_a_loss(extended: Extended) -> None:
    histories = [pd.read_csv(path / "history.csv") for path, config in trained(extended).items() if "model" in config]
    assert len(histories) == 4  # of static, the toy, what spins, and SOLID
    assert all(list(history)[:2] == ["epoch", "toy"] for history in histories)


def test_a_step(extended: Extended) -> None:
    assert json.loads(extended.one("runs/pipelines/*/toy/toy/toy.json").read_text()) == {"users": 120}
    extended.call("python", "scripts/dvc_yaml.py")
    stages = yaml.safe_load((extended.project / "dvc.yaml").read_text())["stages"]
    assert stages["toy"]["cmd"] == "solid toy --times 2 --prepared work/prepared --out work/toy"


def test_a_metric(extended: Extended) -> None:
    metrics = json.loads(extended.one("runs/pipelines/*/evaluate/results/metrics.json").read_text())
    assert set(metrics) == {"toy", "tally", "static", "spun", "SOLID text", "mixture"}
    assert list(metrics) == sorted(metrics, key=lambda name: -metrics[name]["full_ndcg_10"])  # the best one first
    assert all(0 < values["unmasked_toy"] <= 1 for values in metrics.values())
    assert all(0 < values["toy"] <= 1 and 0 < values["full_toy"] <= 1 for values in metrics.values())
    assert {"toy", "full_toy"} <= set(pd.read_csv(extended.project / "tables" / "table.csv").columns)
