"""The report of a comparison shows what its grid has, and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
import yaml

from solid.compare import table as tables
from solid.compare.grid import read_table
from solid.compare.jobs import Plan
from solid.compare.report import render
from solid.compare.results import lines_of
from solid.storage.local import write_json

GRID: dict[str, Any] = {
    "title": "A <grid>",
    "data": {"name": "shop", "source": "shop"},
    "seeds": [0, 1],
    "backbones": ["sasrec", "din"],
    "modalities": ["text", "id"],
    "models": {
        "static": {"head": "static"},
        "SOLID": {"head": "solid"},
        "t": {"head": "solid", "settings": {"fusion": {"ids": "item"}}, "vary": {"fusion.t": [1, 0.01]}},
    },
}


def written(tmp_path: Path, models: dict[str, Any], lost: int = 0) -> tuple[str, str]:
    """Table and report of made-up scores: every model but static gains .1 for user a and .3 for user b."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "events.csv").write_text("u\n")
    path = tmp_path / "grid.yaml"
    path.write_text(yaml.safe_dump(GRID | {"models": models}, sort_keys=False))
    table = read_table(path)
    cells = Plan(tmp_path).cells(table)
    for cell, job in list(cells.items())[lost:]:
        folder = tmp_path / "work" / job.folder
        folder.mkdir(parents=True)
        gain = 0.0 if cell.row == "static" else 1.0
        auc = np.array([0.5, 0.6]) + gain * np.array([0.1, 0.3]) + 0.01 * cell.seed
        values = pd.DataFrame({"user_id": ["a", "b"], "auc": auc, "ndcg_10": auc / 2})
        values.to_parquet(folder / "per_user.parquet")
        codes = {"codes": 4, "perplexity": 2.5, "dead": 0.25} if gain else {}
        summary = {"uauc": auc.mean(), "ndcg_10": auc.mean() / 2, "hr_10": 0.5, "epochs": 2}
        write_json(folder / "summary.json", summary | codes)
        used = ",codes_used\n1.0,0.5,2\n2.0,0.6,3\n" if gain else "\n1.0,0.5\n2.0,0.6\n"
        (folder / "history.csv").write_text(f"epoch,valid_uauc{used}")
    lines = lines_of(table, cells, tmp_path / "work")
    return tables.markdown(table, lines), render(table, lines, path.read_text())


def figures(html: str) -> dict[str, Any]:
    (value,) = re.findall(r"^const figures = (.*);$", html, re.MULTILINE)
    return json.loads(value)


def test_figures_of_all_kinds(tmp_path: Path) -> None:
    _, html = written(tmp_path, GRID["models"])
    shown = figures(html)
    kinds = [name.partition("-")[0] for name in shown]
    # By backbone: gains, learning, codes. Of SOLID one map. Of t, two modalities by two metrics.
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "gains": 2,
        "maps": 1,
        "curves": 2,
        "learning": 2,
        "codes": 2,
    }
    for name, figure in shown.items():
        go.Figure(figure)
        assert f'id="{name}"' in html
    heat = shown["maps-0"]["data"][0]
    assert (heat["x"], heat["y"]) == (["sasrec", "din"], ["text", "id"])
    assert heat["z"] == [[pytest.approx(0.2)] * 2] * 2
    curve = shown["curves-0"]["data"][0]
    assert (curve["x"], curve["y"]) == ([0.01, 1], [pytest.approx(0.755)] * 2)
    assert shown["curves-0"]["layout"]["xaxis"]["type"] == "log"
    assert shown["codes-0"]["data"][0]["y"] == [2, 3]
    assert "<grid>" not in html and "A &lt;grid&gt;" in html


def test_a_grid_with_little_shows_little(tmp_path: Path) -> None:
    _, html = written(tmp_path, {"static": {"head": "static"}})
    assert {name.partition("-")[0] for name in figures(html)} == {"learning"}
    for heading in ("Gain for each backbone", "Which modality", "Sensitivity", "The codebook in use"):
        assert heading not in html


def test_the_table_by_hand_and_rows_that_lack_seeds_say_so(tmp_path: Path) -> None:
    models = {"static": {"head": "static"}, "DUET": {"head": "duet"}}
    text, html = written(tmp_path, models, lost=1)  # static of SASRec, seed 0
    rows = [
        [cell.strip() for cell in line.strip("| ").split("|")] for line in text.splitlines() if line.startswith("|")
    ]
    assert rows[0] == [
        "backbone", "model", "NDCG@10", "HR@10", "UAUC", "UAUC against static", "p",
    ]  # fmt: skip
    assert rows[2][:5] == ["sasrec", "static (incomplete: 1 of 2 seeds)", "0.2800", "**0.5000**", "0.5600"]
    # One seed in common: d = .1, .3, so mean .2, error .1, one degree of freedom: Cauchy's p = 1 - 2 / pi * arctan(2).
    assert rows[3][:2] + rows[3][4:5] == ["sasrec", "DUET", "**0.7550** ± 0.0071"]
    assert rows[3][5] == "+0.2000 [-1.0706, +1.4706]"
    # Two seeds with the same differences: sums of users -.2, .2, of seeds 0; V = 2 * .08 / 16 + 0 - 4/3 * .04 / 16.
    error = (0.01 - 4 / 3 * 0.04 / 16) ** 0.5
    p = 1 - 2 / np.pi * np.arctan(0.2 / error)
    # The smaller p is doubled, and the other one, .295, may not stay below it.
    assert (rows[3][6], rows[5][6]) == (f"{2 * p:.4f}", f"{2 * p:.4f}")
    assert "for the 2 comparisons of a column" in text
    assert "static (incomplete: 1 of 2 seeds)" in html
