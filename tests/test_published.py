"""What the pages show stands in the results, and the results are what their seeds say."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
TABLES = sorted(RESULTS.glob("*/table.md"))
PAGES = ["README.md", "docs/results.md"]
METRICS = ["uauc", "ndcg_10", "hr_10", "full_ndcg_10"]  # columns after backbone and model


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def rows(page: Path) -> list[list[str]]:
    """Rows of results tables: those that begin with a backbone."""
    lines = page.read_text().splitlines()
    return [cells(line) for line in lines if re.match(r"\| (sasrec|gru4rec|bert4rec|din) ", line)]


def test_every_grid_is_published() -> None:
    assert [path.parent.name for path in TABLES] == sorted(path.stem for path in RESULTS.glob("*.yaml"))


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.parent.name)
def test_a_table_is_what_its_seeds_say(path: Path) -> None:
    seeds = pd.read_csv(path.with_name("seeds.csv"))
    grid = yaml.safe_load(path.parent.with_suffix(".yaml").read_text())
    assert sorted(seeds["seed"].unique()) == grid["seeds"]
    shown = rows(path)
    assert len(shown) == len(seeds) / len(grid["seeds"])
    for backbone, model, *values in shown:
        own = seeds[(seeds["backbone"] == backbone) & (seeds["model"] == model)]
        assert sorted(own["seed"]) == grid["seeds"]
        for metric, value in zip(METRICS, values, strict=False):
            mean, deviation = (float(number) for number in value.replace("*", "").split(" ± "))
            assert mean == pytest.approx(own[metric].mean(), abs=5.1e-5)
            assert deviation == pytest.approx(own[metric].std(ddof=1), abs=5.1e-5)


@pytest.mark.parametrize("page", PAGES)
def test_every_row_of_a_page_stands_in_a_table(page: str) -> None:
    published = [row for path in TABLES for row in rows(path)]
    shown = rows(ROOT / page)
    assert shown
    assert [row for row in shown if row not in published] == []
