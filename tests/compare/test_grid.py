"""Grids: what is refused, the rows that a grid stands for, and the jobs that they share."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from solid.cli import main
from solid.compare.grid import _NOT_SETTINGS, read_table
from solid.compare.jobs import Cell, Job, Plan
from solid.compare.runner import _PRELOADED
from solid.errors import SettingsError
from solid.settings.schema import Settings
from solid.steps import SCORE, STEPS

GRIDS = sorted((Path(__file__).resolve().parents[2] / "benchmarks" / "results").glob("*.yaml"))
GRID: dict[str, Any] = {
    "title": "A grid",
    "data": {"name": "shop", "source": "shop"},
    "settings": {"training": {"epochs": 2}},
    "seeds": [0, 1],
    "backbones": ["sasrec", "din"],
    "modalities": ["text", "id_text"],
    "models": {
        "static": {"head": "static"},
        "DUET": {"head": "duet"},
        "SOLID": {"head": "solid"},
        "lambda": {"head": "solid", "vary": {"fusion.alignment": [1, 0.5]}},
    },
}


def write(tmp_path: Path, **changes: Any) -> Path:
    (tmp_path / "shop").mkdir(exist_ok=True)
    (tmp_path / "shop" / "events.csv").write_text("u,i\n")
    path = tmp_path / "grid.yaml"
    grid = {key: value for key, value in (GRID | changes).items() if value is not None}
    path.write_text(yaml.safe_dump(grid, sort_keys=False))
    return path


def plan(tmp_path: Path, path: Path) -> tuple[dict[str, Job], dict[Cell, Job]]:
    plan = Plan(tmp_path)
    cells = plan.cells(read_table(path))
    return plan.jobs, cells


def steps(jobs: dict[str, Job]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for job in jobs.values():
        counted[job.step] = counted.get(job.step, 0) + 1
    return counted


def test_the_help_shows_a_grid_that_can_be_copied(tmp_path: Path) -> None:
    said = CliRunner().invoke(main, ["compare", "--help"]).output
    (tmp_path / "grid.yaml").write_text(said.partition("read:\n")[2].partition("What is done is kept")[0])
    assert [row.name for row in read_table(tmp_path / "grid.yaml").rows] == [
        "static", "static with classes", "SOLID", "SOLID as published",
        "lambda, alignment 1", "lambda, alignment 0.1", "lambda, alignment 0.01",
        "transitions", "SOLID and transitions",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": None}, "seeds: Field required"),
        ({"seeds": [0, 0]}, "seeds: 0 stands there twice"),
        ({"seed": 3}, "seed: unknown key"),
        ({"backbones": ["sasrek"]}, "backbones.0: Input should be 'sasrec', 'gru4rec', 'bert4rec' or 'din'"),
        ({"baseline": "satic"}, "baseline: 'satic' is none of the models static, DUET, SOLID, lambda"),
        ({"baseline": "SOLID"}, "baseline: SOLID is several rows; take a model of one row"),
        ({"modalities": None}, "models.SOLID: reads classes; say with modalities what they are made from"),
        (
            {"settings": {"training": {"epoks": 1}}},
            "training.epoks: unknown key; known here: loss, targets, trunk, epochs",
        ),
        ({"settings": {"training": {"seed": 1}}}, "settings.training.seed: the grid's seeds say it; leave it out"),
        ({"settings": {"data": {"source": "x"}}}, "settings.data.source: the grid's own data says it"),
        ({"models": {"S": {"head": "solid", "ids": "both"}}}, "solid reads what settings.fusion.ids says"),
        ({"models": {"M": {"head": "mixture"}}}, "parts: other models of the grid, of which a mixture is made"),
        ({"models": {"S": {"head": "static", "parts": ["S"]}}}, "parts: other models of the grid"),
        ({"models": {"M": {"head": "mixture", "parts": ["M"]}}}, "models.M.parts: 'M' is none, is a"),
        ({"models": {"M": {"head": "mixture", "parts": ["x"]}}}, "models.M.parts: 'x' is none, is a"),
        ({"models": {"S": {"head": "static", "vary": {"t": [1]}}}}, "vary: write it as section.key: [values]"),
        ({"models": {"S": {"head": "static", "settings": {"prepare": {"k_core": 0}}}}}, "compared user by user"),
        ({"models": {"S": {"head": "static", "vary": {"training.seed": [1]}}}}, "models.S.vary: the grid's seeds say"),
        ({"models": {}}, "models: Dictionary should have at least 1 item"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = write(tmp_path, **changes)
    with pytest.raises(SettingsError) as error:
        read_table(path)
    assert message in str(error.value)
    assert str(error.value).startswith(f"{path}: ")


def test_a_second_model_of_a_name_is_no_silent_replacement(tmp_path: Path) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text("models:\n  a: {head: static}\n  a: {head: duet}\n")
    with pytest.raises(SettingsError, match="line 3, column 3: the key 'a' stands twice, first in line 2"):
        read_table(path)


def test_a_source_that_is_not_there_says_where_it_was_looked_for(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, data={"name": "x", "source": "nowhere"}))
    with pytest.raises(SettingsError, match=r"data: no .*nowhere; --data-root or SOLID_REAL_DATA says"):
        Plan(tmp_path).cells(table)


def test_rows_for_modalities_and_values(tmp_path: Path) -> None:
    table = read_table(write(tmp_path))
    assert [row.name for row in table.rows] == [
        *["static", "DUET", "SOLID, text", "SOLID, id_text"],
        *["lambda, text, alignment 1", "lambda, id_text, alignment 1"],
        *["lambda, text, alignment 0.5", "lambda, id_text, alignment 0.5"],
    ]
    assert table.baseline.name == "static"
    settings = table.rows[-1].settings_of("din", 1)
    assert (settings.fusion.alignment, settings.model.backbone, settings.training.epochs) == (0.5, "din", 2)
    assert (settings.training.seed, settings.semantics.seed, settings.prepare.seed) == (1, 1, 0)


def test_an_override_reaches_all_models_but_not_what_varies(tmp_path: Path) -> None:
    table = read_table(write(tmp_path), ("training.epochs=7", "fusion.alignment=3"))
    assert {row.settings_of("din", 0).training.epochs for row in table.rows} == {7}
    assert [row.value for row in table.rows if row.varied] == [1, 1, 0.5, 0.5]
    with pytest.raises(SettingsError, match=r"--set training\.seed: the grid's seeds say it"):
        read_table(write(tmp_path), ("training.seed=1",))


def test_what_models_have_in_common_is_one_job(tmp_path: Path) -> None:
    jobs, cells = plan(tmp_path, write(tmp_path))
    # By backbone and seed: static (which the others add to), DUET (which is the item model, too), 6 of SOLID.
    # Classes of text alone need no backbone: one assign a seed for them, one a seed and backbone for id_text.
    assert steps(jobs) == {
        "ingest": 1, "prepare": 1, "features": 1, "train": 4 * 8, "embed": 4, "assign": 2 + 4, "score": 4 * 8,
    }  # fmt: skip
    assert len(cells) == 4 * 8
    order = list(jobs)
    assert all(order.index(need.digest) < order.index(job.digest) for job in jobs.values() for need in job.needs)
    assert len({job.folder for job in jobs.values()}) == len(jobs)
    model = cells[Cell("shop", "din", 1, "SOLID, text")].inputs["model"]
    assert {name: need and need.step for name, need in model.inputs.items()} == {
        "prepared": "prepare", "semantics": "assign", "semantic_model": None, "features": "features", "trunk": "train",
    }  # fmt: skip
    assert dict(model.inputs["trunk"].options) == {"head": "static", "ids": "item"}
    assert model.inputs["semantics"].inputs["embeddings"] is None


def test_grids_share_jobs_and_a_changed_setting_leaves_what_it_does_not_touch(tmp_path: Path) -> None:
    first, _ = plan(tmp_path, write(tmp_path))
    second, _ = plan(tmp_path, write(tmp_path, settings={"training": {"epochs": 2}, "fusion": {"t": 0.5}}))
    new = {digest: job for digest, job in second.items() if digest not in first}
    assert steps(new) == {"train": 4 * 6, "score": 4 * 6}  # SOLID alone reads fusion
    again, _ = plan(tmp_path, write(tmp_path, seeds=[1]))
    assert set(again) < set(first)
    (tmp_path / "shop" / "events.csv").write_text("u,i\n1,1\n")
    path = write(tmp_path)
    (tmp_path / "shop" / "events.csv").write_text("u,i\n1,1\n")
    changed, _ = plan(tmp_path, path)
    assert not set(changed) & set(first)  # other data, other jobs


def test_rows_that_are_one_model_are_refused(tmp_path: Path) -> None:
    models = {"static": {"head": "static"}, "other": {"head": "static", "settings": {"fusion": {"t": 1}}}}
    with pytest.raises(SettingsError, match="'static' and 'other' are the same model"):
        plan(tmp_path, write(tmp_path, models=models))
    curves = {"static": {"head": "static"}, "t": {"head": "solid", "vary": {"fusion.t": [0.01, 1]}}}
    curves["lambda"] = {"head": "solid", "vary": {"fusion.alignment": [0.1, 1]}}  # crosses t at the defaults
    plan(tmp_path, write(tmp_path, models=curves))


@pytest.mark.parametrize("path", GRIDS, ids=[path.stem for path in GRIDS])
def test_frozen_grids_name_every_setting_that_their_models_read(path: Path) -> None:
    """A default that changes tomorrow must not change a table of today."""
    table = read_table(path)
    heads = {row.head for row in table.rows}
    read = {"prepare", "model", "training", "evaluation"}
    read |= {"features", "semantics"} if table.grid.modalities else set()
    read |= {"fusion"} if "solid" in heads else set()
    read |= {"finetune"} & heads
    read |= {"apg"} if "apg" in heads or any(row.settings["fusion"]["generator"] == "apg" for row in table.rows
                                             if row.head == "solid") else set()  # fmt: skip
    elsewhere = {*_NOT_SETTINGS, "training.threads", "training.device"}
    for section in read:
        keys = {key for key in type(getattr(Settings(), section)).model_fields if f"{section}.{key}" not in elsewhere}
        assert keys <= table.grid.settings[section].keys(), section


def test_what_workers_begin_with_is_there() -> None:
    """A module that has moved would be left out without a word, and imported anew by every worker."""
    assert all(find_spec(name) for name in _PRELOADED)
    assert {step.function.partition(":")[0] for step in (STEPS["train"], SCORE)} <= set(_PRELOADED)


def test_a_mixture_is_made_of_the_rows_of_its_modality(tmp_path: Path) -> None:
    models = {"S": {"head": "solid"}, "T": {"head": "popular"}, "M": {"head": "mixture", "parts": ["S", "T"]}}
    path = write(tmp_path, models=models, baseline="T", seeds=[0], backbones=["sasrec"])
    cells = {cell.row: job.inputs["model"] for cell, job in plan(tmp_path, path)[1].items()}
    assert list(cells) == ["S, text", "S, id_text", "T", "M, text", "M, id_text"]
    for modality in ("text", "id_text"):
        mixture = cells[f"M, {modality}"]
        assert mixture is not None and mixture.parts == {"S": cells[f"S, {modality}"], "T": cells["T"]}
        assert cells["T"] in mixture.needs and cells[f"S, {modality}"] in mixture.needs
