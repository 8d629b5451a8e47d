"""The figures of a comparison; colours of text and grid, and legends, are left to the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from solid.compare.results import Gain, Line, main_figure
from solid.compare.table import is_significant
from solid.evaluation.plots import Figure, as_dict, blank, escape, rounded
from solid.kinds import HEADS
from solid.metrics.catalogue import TESTED, metric, titles

Styles = Mapping[str, Mapping[str, str]]

_WORSE, _EVEN, _BETTER = "#c8385a", "rgba(138, 143, 152, 0.12)", "#2f8f46"


def place_of(line: Line) -> str:
    """Data set and backbone of a line, in words."""
    return f"{line.data}, {line.backbone}"


def gains(lines: Sequence[Line], styles: Styles, baseline: str) -> dict[str, Figure]:
    """For each data set and backbone, the difference of every row to the baseline with its 95 % interval.

    A filled dot is a difference that is significant in the whole table. All figures share their scale.
    """
    main = main_figure(lines)
    compared = [line for line in lines if main in line.gains]
    if not compared:
        return {}
    ends = [end for line in compared for d in [line.gains[main].difference] for end in (d.low, d.high, 0.0)]
    margin = 0.05 * (max(ends) - min(ends))
    figures = {}
    for place, group in groupby(compared, place_of):
        rows = list(group)
        figure = blank(place, x=f"{metric(main).title} against {escape(baseline)}", height=90 + 26 * len(rows))
        for line in rows:
            gain = line.gains[main]
            d, colour = gain.difference, styles[line.row.name]["color"]
            symbol = "circle" if is_significant(gain) else "circle-open"
            figure.add_scatter(
                x=rounded([d.mean]),
                y=[escape(line.row.name)],
                mode="markers",
                marker={"size": 10, "color": colour, "symbol": symbol, "line": {"width": 2, "color": colour}},
                error_x={"type": "data", "array": rounded([d.high - d.mean]), "thickness": 2, "width": 0},
                hovertemplate=f"%{{x:+.4f}}  [{d.low:+.4f}, {d.high:+.4f}], p {gain.corrected:.4f}<extra></extra>",
            )
        figure.update_xaxes(zeroline=True, tickformat="+.3~f", range=rounded([min(ends) - margin, max(ends) + margin]))
        figure.update_yaxes(autorange="reversed", showgrid=False)
        figures[place] = as_dict(figure)
    return figures


def modality_maps(lines: Sequence[Line]) -> dict[str, Figure]:
    """For each data set and model that reads classes of several modalities: gains, modality by backbone."""
    figures, main = {}, main_figure(lines)
    shown = [line for line in lines if line.row.modality and not line.row.varied and main in line.gains]
    for data, model in dict.fromkeys((line.data, line.row.model) for line in shown):
        cells = {
            (line.row.modality, line.backbone): line.gains[main]
            for line in shown
            if (line.data, line.row.model) == (data, model)
        }
        modalities = list(dict.fromkeys(modality for modality, _ in cells))
        backbones = list(dict.fromkeys(backbone for _, backbone in cells))
        if len(modalities) < 2:
            continue
        grid = [[cells.get((modality, backbone)) for backbone in backbones] for modality in modalities]
        figure = blank(f"{data}, {escape(model)}", height=110 + 38 * len(modalities))
        figure.add_heatmap(
            x=backbones,
            y=modalities,
            z=[[round(gain.difference.mean, 5) if gain else None for gain in row] for row in grid],
            zmid=0,
            text=[[_told(gain) for gain in row] for row in grid],
            texttemplate="%{text}",
            colorscale=[[0, _WORSE], [0.5, _EVEN], [1, _BETTER]],
            showscale=False,
            xgap=3,
            ygap=3,
            hovertemplate="%{y}, %{x}: %{z:+.4f}<extra></extra>",
        )
        figure.update_xaxes(showgrid=False)
        figure.update_yaxes(showgrid=False, autorange="reversed")
        figures[f"{data}, {model}"] = as_dict(figure)
    return figures


def curves(lines: Sequence[Line], styles: Styles) -> dict[str, Figure]:
    """For each varied setting and metric: mean over seeds and standard deviation, a line a backbone.

    The baseline, where nothing varies, is a dotted line.
    """
    figures = {}
    varied = [line for line in lines if line.row.varied and line.scores]
    groups = dict.fromkeys((line.data, line.row.model, line.row.modality, line.row.varied) for line in varied)
    for data, model, modality, setting in groups:
        rows = [
            line
            for line in varied
            if (line.data, line.row.model, line.row.modality, line.row.varied) == (data, model, modality, setting)
        ]
        several = sum(other[:2] == (data, model) for other in groups) > 1
        title = f"{data}, {model}" + (f", {modality}" if several else "")
        for name, metric_title in titles(n for n in TESTED if n in rows[0].metrics).items():
            figure = blank(f"{escape(title)}: {metric_title}", x=str(setting), height=320)
            for backbone in dict.fromkeys(line.backbone for line in rows):
                points = sorted(
                    (line for line in rows if line.backbone == backbone), key=lambda line: _sortable(line.row.value)
                )
                colour = styles[backbone]["color"]
                deviations = [line.deviation(name) for line in points]
                figure.add_scatter(
                    x=[line.row.value for line in points],
                    y=rounded([line.mean(name) for line in points]),
                    name=backbone,
                    mode="lines+markers",
                    line=dict(styles[backbone]),
                    marker={"size": 7},
                    error_y={"type": "data", "array": rounded(np.nan_to_num(deviations)), "thickness": 1.5, "width": 0},
                    hovertemplate="%{x}: %{y:.4f}",
                )
                for level in [
                    o for o in lines if (o.data, o.backbone) == (data, backbone) and not o.gains and o.scores
                ]:
                    figure.add_scatter(
                        x=[line.row.value for line in points],
                        y=rounded([level.mean(name)] * len(points)),
                        name=f"{backbone}, {escape(level.row.name)}",
                        mode="lines",
                        line={"color": colour, "dash": "dot", "width": 1},
                        hovertemplate="%{y:.4f}",
                    )
            figure.update_xaxes(**_axis([line.row.value for line in rows]))
            figures[f"{title}, {setting}, {name}"] = as_dict(figure)
    return figures


def trainings(lines: Sequence[Line], styles: Styles, columns: tuple[str, ...], title: str) -> dict[str, Figure]:
    """For each data set and backbone, a thin line a seed of every row that is trained in epochs.

    Args:
        lines: of the table.
        styles: by row.
        columns: how their names in the history begin; the first of a training is shown.
        title: of the axis.
    """
    figures = {}
    for place, group in groupby(lines, place_of):
        figure = blank(place, x="epoch", y=title, height=320)
        for line in (line for line in group if HEADS[line.row.head].by_gradients):  # others try settings, no epochs
            for seed, score in line.scores.items():
                column = next((name for name in map(str, score.history) if name.startswith(columns)), None)
                if column is None:
                    continue
                history = score.history.dropna(subset=[column])  # epoch 0, what a model starts as, has no loss
                figure.add_scatter(
                    x=history["epoch"].astype(int).tolist(),
                    y=rounded(history[column], 4),
                    name=escape(line.row.name),
                    mode="lines",
                    opacity=0.75,
                    line={**styles[line.row.name], "width": 1.4},
                    hovertemplate=f"epoch %{{x}}, seed {seed}: %{{y:.4~f}}",
                )
        if figure.data:
            figures[place] = as_dict(figure)
    return figures


def _told(gain: Gain | None) -> str:
    return "" if gain is None else f"{gain.difference.mean:+.4f}{' *' if is_significant(gain) else ''}"


def _axis(values: Sequence[Any]) -> dict[str, Any]:
    """Logarithmic for positive numbers that span more than a factor of ten; names stand side by side."""
    if not all(isinstance(value, int | float) for value in values):
        return {"type": "category"}
    if min(values) > 0 and max(values) / min(values) > 10:
        return {"type": "log", "dtick": 1}
    return {"type": "linear"}


def _sortable(value: Any) -> tuple[bool, Any]:
    """Numbers in order before names."""
    is_number = isinstance(value, int | float)
    return not is_number, value if is_number else str(value)
