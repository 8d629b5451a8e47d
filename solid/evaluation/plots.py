"""The report's figures.

Colours of text, grid and background are left to the page, which follows the reader's theme; so is the legend.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from solid.evaluation.groups import Grouping
from solid.evaluation.inspection import CodebookUse, SemanticSpace
from solid.evaluation.result import Result
from solid.metrics.catalogue import main_of, metric

_BASELINE = "#8a8f98"
_COLOURS = ["#4269d0", "#e0900c", "#d6455d", "#2aa198", "#3c9d4e", "#a463f2", "#e377b4", "#9c6b4e", "#5fa8e0"]
_DASHES = ["solid", "dash", "dot"]  # one for each round through the colours
_GOLDEN = (5**0.5 - 1) / 2  # multiples of it spread evenly over the hues, however many there are

Figure = dict[str, Any]


def learning_curves(results: Sequence[Result], column: str, title: str) -> Figure:
    """One line a model that has epochs; a dot marks the one whose weights were kept."""
    figure = blank(title, x="epoch", height=320)
    style = styles(results)
    for result in learners(results):
        curve = result.trained.curve
        kept = curve["valid"].idxmax()
        curve = curve.dropna(subset=[column])  # epoch 0, what a model starts as, has no loss
        figure.add_scatter(
            x=curve["epoch"].tolist(),
            y=rounded(curve[column]),
            name=escape(result.name),
            mode="lines+markers",
            line=style[result.name],
            marker={"size": np.where(curve.index == kept, 9, 0).tolist(), "opacity": 1},
            hovertemplate="epoch %{x}: %{y:.4f}",
        )
    return as_dict(figure.update_layout(hovermode="x"))


def learners(results: Sequence[Result]) -> list[Result]:
    """The models that were trained in epochs."""
    return [result for result in results if result.trained.loss]


def gains(results: Sequence[Result], title: str) -> Figure:
    """The difference of each model to the baseline in the main figure, with its 95 % interval."""
    compared = [result for result in results if result.gains]
    figure = blank("", x=title, height=70 + 34 * len(compared))
    style = styles(results)
    for result in compared:
        gain = result.gains[main_of(result.gains)]
        figure.add_scatter(
            x=rounded([gain.difference]),
            y=[escape(result.name)],
            mode="markers",
            marker={"size": 10, "color": style[result.name]["color"]},
            error_x={
                "type": "data",
                "array": rounded([gain.high - gain.difference]),
                "arrayminus": rounded([gain.difference - gain.low]),
                "thickness": 2,
                "width": 0,
            },
            hovertemplate=f"%{{x:+.4f}}  [{gain.low:+.4f}, {gain.high:+.4f}]",
        )
    figure.update_layout(margin={"t": 6})
    figure.update_xaxes(zeroline=True, tickformat="+.3~f")
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return as_dict(figure)


def by_group(means: pd.DataFrame, grouping: Grouping, name: str, results: Sequence[Result]) -> Figure:
    """A metric of every model in each group of users."""
    figure = blank(f"by {grouping.name}", y=metric(name).title, height=340)
    style, sizes = styles(results), grouping.sizes
    for result in results:
        own = means[(means["model"] == result.name) & (means["by"] == grouping.name)]
        figure.add_scatter(
            x=[f"{group}<br><i>{sizes[group]:,} users</i>" for group in own["group"]],
            y=rounded(own[name]),
            name=escape(result.name),
            mode="lines+markers",
            line=style[result.name],
            marker={"size": 7},
            hovertemplate="%{y:.4f}",
        )
    figure.update_layout(hovermode="x")
    figure.update_yaxes(rangemode="tozero")
    return as_dict(figure)


def reliabilities(results: Sequence[Result]) -> Figure:
    """Observed over predicted shares of positives; on the diagonal, what a model says is what happens."""
    figure = blank("", x="predicted", y="observed", height=360)
    style = styles(results)
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": _BASELINE, "dash": "dot", "width": 1}, hoverinfo="skip"
    )
    for result in results:
        if (table := result.reliability) is not None:
            figure.add_scatter(
                x=rounded(table["predicted"]),
                y=rounded(table["observed"]),
                customdata=table["candidates"].tolist(),
                name=escape(result.name),
                mode="lines+markers",
                line=style[result.name],
                marker={"size": 7},
                hovertemplate="predicted %{x:.3f}, observed %{y:.3f}, %{customdata:,} candidates",
            )
    return as_dict(figure)


def class_sizes(spaces: Sequence[SemanticSpace], results: Sequence[Result]) -> Figure:
    """Items a class, from the largest class to the smallest."""
    figure = blank("", x="class, largest first", y="items", height=320)
    style = styles(results)
    for space in spaces:
        figure.add_scatter(
            x=list(range(1, len(space.sizes) + 1)),
            y=space.sizes.tolist(),
            name=escape(space.name),
            line={**style[space.reader], "shape": "hv"},
            hovertemplate="class %{x}: %{y} items",
        )
    return as_dict(figure)


def codebook_use(uses: Mapping[str, CodebookUse], results: Sequence[Result]) -> Figure:
    """How often each code is the nearest, from the most used to the least; unused codes lie below the axis."""
    figure = blank("", x="code, most used first", y="share of positions", height=320)
    style = styles(results)
    for name, use in uses.items():
        alive = use.counts[use.counts > 0]
        figure.add_scatter(
            x=list(range(1, len(alive) + 1)),
            y=rounded(alive / use.counts.sum(), 7),
            name=escape(name),
            line={**style[name], "shape": "hv"},
            hovertemplate="code %{x}: %{y:.3%}",
        )
    figure.update_yaxes(type="log", tickformat=".2~%", dtick=1)
    return as_dict(figure)


def semantic_map(plane: NDArray[np.float32], classes: NDArray[np.int64]) -> Figure:
    """Items on the plane, coloured by class; the page adds the text that appears on hover.

    Hue follows the direction in which a class lies and lightness sets it apart from its neighbours, so an item of
    another colour than its surroundings is far from the rest of its class.
    """
    figure = blank("", height=640)
    figure.add_scatter(
        x=rounded(plane[:, 0], 2),
        y=rounded(plane[:, 1], 2),
        customdata=classes.tolist(),
        mode="markers",
        marker={
            "size": 7,
            "opacity": 0.9,
            "color": _class_colours(plane, classes),
        },
        unselected={"marker": {"opacity": 0.06}},
        hovertemplate="%{text}<br><i>class %{customdata}</i><extra></extra>",
    )
    figure.update_layout(dragmode="pan", margin={"t": 6, "b": 6, "l": 6, "r": 6})
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, scaleanchor="x")
    return as_dict(figure)


def escape(text: str) -> str:
    """Text as plotly must get it, which reads some HTML tags and entities wherever it shows text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def styles(results: Sequence[Result]) -> dict[str, dict[str, str]]:
    """Colour and dash of every model, by name and the same in all figures; the baseline is grey."""
    baseline = {result.name: {"color": _BASELINE, "dash": "solid"} for result in results if not result.gains}
    return baseline | line_styles(result.name for result in results if result.gains)


def line_styles(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """A colour and dash for every name, all different for the first 27."""
    chosen = itertools.cycle(itertools.product(_DASHES, _COLOURS))
    return {name: {"color": colour, "dash": dash} for name, (dash, colour) in zip(names, chosen, strict=False)}


def _class_colours(plane: NDArray[np.float32], classes: NDArray[np.int64]) -> list[str]:
    """The colour of every item [N], the same for all items of a class."""
    size = np.maximum(np.bincount(classes), 1)
    x, y = (np.bincount(classes, column) / size for column in plane.T)
    reach = np.hypot(x, y)
    spread = np.arange(len(size)) * _GOLDEN % 1
    hue = np.degrees(np.arctan2(y, x)) + 36 * (spread - 0.5)
    saturation = 35 + 45 * reach / reach.max()
    lightness = 44 + 24 * (7 * spread % 1)
    shades = [f"hsl({h:.0f},{s:.0f}%,{v:.0f}%)" for h, s, v in zip(hue % 360, saturation, lightness, strict=True)]
    return [shades[c] for c in classes]


def blank(title: str, x: str = "", y: str = "", height: int = 400) -> go.Figure:
    """A figure with nothing in it, whose colours and legend are left to the page."""
    figure = go.Figure()
    figure.update_layout(
        template="none",
        height=height,
        title={"text": title, "x": 0, "xref": "paper", "font": {"size": 14}},
        margin={"t": 36 if title else 16, "r": 10, "b": 10, "l": 10},
        showlegend=False,
        hoverlabel={"align": "left"},
    )
    figure.update_xaxes(title=x or None, automargin=True, zeroline=False)
    figure.update_yaxes(title=y or None, automargin=True, zeroline=False)
    return figure


def rounded(values: Any, digits: int = 5) -> list[float]:
    """As a list, with no more digits than a figure shows."""
    numbers: list[float] = np.round(np.asarray(values, np.float64), digits).tolist()
    return numbers


def as_dict(figure: go.Figure) -> Figure:
    """As JSON takes it."""
    return dict(figure.to_plotly_json())
