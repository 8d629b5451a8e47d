"""Which room may import which: the contracts of pyproject.toml hold, and each is broken by an import against it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from solid.chain import TRAINING
from solid.kinds import TRUNK

ROOT = Path(__file__).resolve().parent.parent


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("house")
    for package in ("solid", "components", "pipelines"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_the_rooms_are_kept() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("solid/data/ingest.py", "import solid.models.layers", "a room imports only from rooms below it"),
        ("solid/newcomer.py", "", "a room imports only from rooms below it, and a new room is given its place"),
        ("solid/errors.py", "import components.interface", "the library knows nothing of Kubeflow's pipelines"),
        ("solid/data/readers/base.py", "import solid.data.readers.amazon", "no circles"),
        ("components/interface.py", "import solid.semantics.vectors", "pipelines and components wire steps"),
        ("solid/kubeflow.py", "import kfp", "the image needs no kfp"),
        ("solid/data/dataset.py", "import torch", "data, classes, settings and stores do without torch"),
        ("solid/training/loop.py", "import mlflow", "MLflow is spoken to from tracking and registry alone"),
        ("pipelines/local.py", "import boto3", "S3 is spoken to from storage alone"),
    ],
)
def test_an_import_against_the_rules_is_found(house: Path, file: str, line: str, broken: str) -> None:
    place = house / file
    before = place.read_text(encoding="utf-8") if place.exists() else None
    place.write_text(f"{before or ''}\n{line}\n", encoding="utf-8")
    try:
        done = lint(house)
    finally:
        if before is None:
            place.unlink()
        else:
            place.write_text(before, encoding="utf-8")
    assert done.returncode == 1
    said = done.stdout.partition("Broken contracts")[2]
    assert broken in said.replace("\n", " ")


def test_the_page_of_the_architecture_shows_the_rooms_as_they_are_checked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    [rooms] = [one for one in project["tool"]["importlinter"]["contracts"] if one["id"] == "rooms"]
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.partition("| rooms, from the top |")[2].partition("\n\n")[0]
    shown = [re.findall(r"`(\w+)`", row.split("|")[1]) for row in table.splitlines()[2:]]
    assert [sorted(floor) for floor in shown] == [sorted(layer.split(" | ")) for layer in rooms["layers"]]


def test_the_picture_of_the_architecture_has_every_stage_and_what_it_reads() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    picture = re.sub(r"\[.*?\]|\(.*?\)", "", page.partition("flowchart LR\n")[2].partition("```")[0])
    arrows = set()
    for line in picture.splitlines():
        groups = [group.strip().split(" & ") for group in line.split("-->")]
        arrows |= {(a, b) for before, after in pairwise(groups) for a in before for b in after}
    boxes = {"baseline": ("baseline", TRUNK)}  # the one baseline that others start as has a box of its own
    chain = {
        (before, after)
        for stage in TRAINING.stages
        for source in stage.inputs
        for before in ([source.entry] if source.entry else boxes.get(source.stage, [source.stage]))
        for after in boxes.get(stage.name, [stage.name])
    }
    shown = {arrow for arrow in arrows if not {"source", "mlflow", "answer", "retraining"} & set(arrow)}
    assert shown == chain - {
        ("prepare", "embed"),
        ("prepare", "assign"),
        ("prepare", "mixture"),
        ("prepare", "register"),
    }
