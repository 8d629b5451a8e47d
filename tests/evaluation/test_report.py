"""The report: one file that asks for nothing, in which data stays data."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from math import log2
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from solid.evaluation import projection
from solid.evaluation.evaluate import evaluate
from solid.settings.schema import EvaluationSettings
from solid.storage.local import read_json, write_json

MEBIBYTE = 1 << 20


@pytest.fixture
def html(prepared: Path, models: dict[str, Path], features: Path, tmp_path: Path) -> str:
    evaluate(prepared, models, features, None, tmp_path / "out", EvaluationSettings(bootstrap=100))
    return (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


class Page(HTMLParser):
    """Collects tags and the text outside of scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and self.open[-1] not in ("script", "style"):
            self.text.append(data.strip())


def constant(html: str, name: str) -> Any:
    (value,) = re.findall(rf"^const {name} = (.*);$", html, re.MULTILINE)
    return json.loads(value)


def test_it_asks_for_nothing(html: str) -> None:
    page = Page(html)
    assert not page.open
    assert not {"link", "img", "iframe", "base", "object", "embed"} & {tag for tag, _ in page.tags}
    assert not [attrs for _, attrs in page.tags if {"src", "href", "srcset"} & set(attrs)]
    assert not re.search(r"@import|url\(", html[: html.index("<script>")])
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert len(html.encode()) < 6 * MEBIBYTE


def test_data_stays_data(html: str) -> None:
    page = Page(html)
    assert "alert(1)</script>" not in html
    assert "<b>Bit" not in html and "<i>cy" not in html and "SOLID <text>" not in html
    assert "SOLID <text>" in page.text  # and yet people read what it was
    assert {"<b>Bit & Brace</b>", "</script><script>alert(1)</script>", "<i>cy</i>", "I5"} <= set(page.text)
    # Plotly reads HTML tags in what it shows, so it gets entities.
    assert constant(html, "titles")[1] == "&lt;b&gt;Bit &amp; Brace&lt;/b&gt;"
    assert constant(html, "titles")[4] == "I5"
    names = {trace["name"] for trace in constant(html, "figures")["valid"]["data"]}
    assert names == {"static", "SOLID &lt;text&gt;"}


def test_figures_are_valid_and_each_has_its_place(html: str) -> None:
    figures = constant(html, "figures")
    names = ["codebook", "gains", "groups-0", "groups-1", "loss", "map-0", "reliability", "sizes", "valid"]
    assert sorted(figures) == names
    for figure in figures.values():
        go.Figure(figure)
    ids = {attrs.get("id") for _, attrs in Page(html).tags}
    assert {"map", *names} - {"map-0"} <= ids
    assert figures["sizes"]["data"][0]["y"] == [3, 2, 2, 1]
    assert figures["codebook"]["data"][0]["y"] == pytest.approx([4 / 7, 2 / 7, 1 / 7], abs=1e-6)
    assert figures["valid"]["data"][0]["marker"]["size"] == [0, 9]
    assert figures["valid"]["layout"]["title"]["text"] == "UAUC on validation"
    assert figures["gains"]["data"][0]["x"] == pytest.approx([0.6039 - 0.4290], abs=1e-4)
    assert figures["groups-0"]["data"][1]["x"] == ["tail<br><i>1 users</i>", "cold<br><i>2 users</i>"]
    assert figures["groups-0"]["data"][1]["y"] == pytest.approx([1 / log2(7), (1 / 2 + 1 / log2(5)) / 2], abs=1e-5)
    cloud = figures["map-0"]["data"][0]
    assert cloud["customdata"] == [1, 1, 1, 2, 2, 3, 3, 4]
    colours = dict(zip(cloud["customdata"], cloud["marker"]["color"], strict=True))
    assert [colours[c] for c in cloud["customdata"]] == cloud["marker"]["color"]  # one colour a class
    assert len(set(colours.values())) == 4


def test_a_model_keeps_its_colour_in_all_figures(html: str) -> None:
    figures = constant(html, "figures")
    colours = {figures[name]["data"][0]["line"]["color"] for name in ("valid", "loss", "groups-0", "groups-1")}
    colours |= {figures["reliability"]["data"][1]["line"]["color"]}  # after the diagonal
    colours |= {figures[name]["data"][0]["line"]["color"] for name in ("sizes", "codebook")}
    assert colours == {figures["gains"]["data"][0]["marker"]["color"]}
    assert f"border-top-color: {colours.pop()}" in html


def test_no_map_without_vectors(prepared: Path, models: dict[str, Path], tmp_path: Path) -> None:
    evaluate(prepared, models, None, None, tmp_path / "out", EvaluationSettings(bootstrap=100))
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "map-0" not in constant(html, "figures")
    assert "The semantic space" not in Page(html).text
    assert "Semantic classes" in Page(html).text


@pytest.mark.parametrize(
    ("time", "words"),
    [
        ({"order": "file", "why": "data.order is file", "tied_events": 0, "tied_held_out": 0}, "No times were used:"),
        (
            {"order": "time", "why": "", "tied_events": 0.25, "tied_held_out": 0.5},
            "25.0% of events happened at the same",
        ),
    ],
)
def test_the_report_says_what_times_are_worth(
    prepared: Path, models: dict[str, Path], tmp_path: Path, time: dict[str, object], words: str
) -> None:
    stats = read_json(prepared / "stats.json")
    write_json(prepared / "stats.json", stats | {"time": time, "repeats": {"events": 1234, "consecutive": 5}})
    evaluate(prepared, models, None, None, tmp_path / "out", EvaluationSettings(bootstrap=100))
    report = (tmp_path / "out" / "report.html").read_text()
    assert words in report and "1,234 events repeat an item" in report


def test_many_items_are_sampled() -> None:
    assert projection.map_rows(2000, seed=0).tolist() == list(range(2000))
    rows = projection.map_rows(5000, seed=0)
    assert len(np.unique(rows)) == 2000 and rows.max() > 4000
    np.testing.assert_array_equal(rows, projection.map_rows(5000, seed=0))
