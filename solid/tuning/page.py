"""The page of a search: the best so far by trial, and what each setting was worth."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

from plotly.offline import get_plotlyjs

from solid.evaluation.page import page
from solid.evaluation.plots import Figure, as_dict, blank, line_styles, rounded
from solid.metrics.catalogue import metric
from solid.tuning.trials import Trials


def render(found: Mapping[str, Trials], column: str) -> str:
    """The page as HTML.

    Args:
        found: by head.
        column: valid_ and the metric that decided.
    """
    decides = metric(column.removeprefix("valid_"))
    styles = line_styles(tuple(found))
    figures = {"progress": _progress(found, styles, decides.title)}
    settings = dict.fromkeys(key for trials in found.values() for trial in trials.done for key in trial.values)
    places = {key: f"setting-{number}" for number, key in enumerate(settings)}
    figures |= {place: _worth(found, styles, key, decides.title) for key, place in places.items()}
    html: str = page("tuning/report.html.jinja").render(
        heads=list(found), found=found, decides=decides, styles=styles, places=places, figures=figures,
        plotly=get_plotlyjs(),
    )  # fmt: skip
    return html


def _progress(found: Mapping[str, Trials], styles: Mapping[str, Mapping[str, str]], title: str) -> Figure:
    """The best of the trials so far, one line a head; of one that needed fewer trials it goes on to the end."""
    figure = blank("", x="trial", y=f"best {title} so far, validation", height=340)
    longest = max(len(trials.done) for trials in found.values())
    figure.update_xaxes(dtick=max(1, longest // 10))
    for head, trials in found.items():
        scores = [float("-inf") if trial.score is None else trial.score for trial in trials.done]
        best = [None if score == float("-inf") else round(score, 5) for score in accumulate(scores, max)]
        best += best[-1:] * (longest - len(best))
        figure.add_scatter(
            x=list(range(1, len(best) + 1)),
            y=best,
            name=head,
            mode="lines+markers",
            line={**styles[head], "shape": "hv"},
        )
    return as_dict(figure)


def _worth(found: Mapping[str, Trials], styles: Mapping[str, Mapping[str, str]], key: str, title: str) -> Figure:
    """One dot a trial: a setting's value, and the metric."""
    figure = blank(key, y=title, height=280)
    values = []
    for head, trials in found.items():
        dots = [
            (trial.values[key], trial.score) for trial in trials.done if key in trial.values and trial.score is not None
        ]
        values += [value for value, _ in dots]
        figure.add_scatter(
            x=[value for value, _ in dots], y=rounded([score for _, score in dots]), name=head, mode="markers",
            marker={"color": styles[head]["color"], "size": 8},
        )  # fmt: skip
    numbers = [value for value in values if isinstance(value, float)]
    if numbers and min(numbers) > 0 and max(numbers) >= 10 * min(numbers):
        figure.update_xaxes(type="log")
    return as_dict(figure)
