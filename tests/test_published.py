"""What the pages show stands in the results, and the results are what their seeds say."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from solid.metrics.catalogue import COMPARED, HEADLINE, metric

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
TABLES = sorted(RESULTS.glob("*/table.md"))
PAGES = ["docs/results.md", "docs/ablations.md"]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def rows(page: Path) -> list[list[str]]:
    """Rows of results tables: those that begin with a backbone."""
    lines = page.read_text().splitlines()
    return [cells(line) for line in lines if re.match(r"\| (sasrec|gru4rec|bert4rec|din) ", line)]


def metrics(page: Path) -> list[str]:
    """Names of the metrics whose means stand in the columns after backbone and model."""
    title = {metric(name).title: name for name in HEADLINE + COMPARED} | {metric("hr_10").title: "hr_10"}
    [header] = [cells(line) for line in page.read_text().splitlines() if line.startswith("| backbone ")]
    return [title[text] for text in header[2:] if text in title]


def test_every_grid_is_published() -> None:
    assert [path.parent.name for path in TABLES] == sorted(path.stem for path in RESULTS.glob("*.yaml"))


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.parent.name)
def test_a_table_is_what_its_seeds_say(path: Path) -> None:
    seeds = pd.read_csv(path.with_name("seeds.csv"))
    grid = yaml.safe_load(path.parent.with_suffix(".yaml").read_text())
    assert sorted(seeds["seed"].unique()) == grid["seeds"]
    shown, names = rows(path), metrics(path)
    assert {"uauc", "ndcg_10"} <= set(names)
    assert len(shown) == len(seeds) / len(grid["seeds"])
    for backbone, model, *values in shown:
        own = seeds[(seeds["backbone"] == backbone) & (seeds["model"] == model)]
        assert sorted(own["seed"]) == grid["seeds"]
        for name, value in zip(names, values, strict=False):
            mean, deviation = (float(number) for number in value.replace("*", "").split(" ± "))
            assert mean == pytest.approx(own[name].mean(), abs=5.1e-5)
            assert deviation == pytest.approx(own[name].std(ddof=1), abs=5.1e-5)


@pytest.mark.parametrize("page", PAGES)
def test_every_row_of_a_page_stands_in_a_table(page: str) -> None:
    published = [row for path in TABLES for row in rows(path)]
    shown = rows(ROOT / page)
    assert shown
    assert [row for row in shown if row not in published] == []


# The README's table: for each row the models that it names, and for each data set the grids that they are taken from.
NAMED = {"static": ["static"], "static, an item with its class": ["static + classes"], "DUET": ["DUET"]}
NAMED["SOLID"] = ["SOLID", "SOLID, text_image"]
GRIDS = {
    "scientific": ["scientific", "bert4rec", "classes_text_image", "text_image"],
    "instruments": ["instruments", "classes_instruments"],
    "grocery": ["grocery"],
    "movielens": ["movielens"],
}


def best(grids: list[str], models: list[str], metric: str) -> str:
    """The highest mean over seeds of any backbone, as the table writes it."""
    if "text_image" in grids and "SOLID" in models:
        models = ["SOLID, text_image"]  # the default classes, where they were measured
    seeds = pd.concat([pd.read_csv(RESULTS / grid / "seeds.csv").assign(grid=grid) for grid in grids])
    means = seeds[seeds["model"].isin(models)].groupby(["grid", "backbone"])[metric].mean()
    return f"{means.max():.4f}"[1:] if len(means) else ""


@pytest.mark.parametrize("name", NAMED)
def test_the_readme_shows_the_best_of_the_backbones(name: str) -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    [row] = [cells(line)[1:] for line in lines if line.startswith(f"| {name} |")]
    assert [cell.replace("*", "") for cell in row] == [
        best(grids, NAMED[name], metric) for metric in ("full_ndcg_10", "uauc") for grids in GRIDS.values()
    ]
