"""The report of a comparison: one HTML file that needs nothing else, the same bytes for the same results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from plotly.offline import get_plotlyjs

from solid.compare import plots
from solid.compare import table as tables
from solid.compare.grid import Table
from solid.compare.results import Line, main_figure
from solid.evaluation.page import page
from solid.evaluation.plots import Figure, line_styles
from solid.kinds import BACKBONES, HEADS
from solid.metrics.catalogue import TESTED, metric

_BASELINE = {"color": "#8a8f98", "dash": "solid"}


def render(table: Table, lines: Sequence[Line], grid: str) -> str:
    """Return the report as HTML; it shows only what the grid has.

    Args:
        table: whose title, baseline and seeds are told.
        lines: of the table.
        grid: text of the grid's file, for readers who want to run it again.
    """
    others = [row.name for row in table.rows if row is not table.baseline]
    styles = {table.baseline.name: _BASELINE} | line_styles(others) | line_styles(tuple(BACKBONES))
    measured = {name for line in lines for name in line.metrics}
    sections = {
        "gains": plots.gains(lines, styles, table.baseline.name),
        "maps": plots.modality_maps(lines),
        "curves": plots.curves(lines, styles),
        "learning": plots.trainings(lines, styles, ("valid_", "test_"), "metric that picks the epoch"),
        "codes": plots.trainings(lines, styles, ("codes_used",), "perplexity of the codes used"),
    }
    html: str = page("compare/report.html.jinja").render(
        table=table,
        note=tables.note(table, lines),
        main=metric(main_figure(lines)),
        places={place: list(group) for place, group in groupby(lines, plots.place_of)},
        lines=lines,
        learners=[row.name for row in table.rows if HEADS[row.head].by_gradients],
        metrics={name: title for name, title in tables.TITLES.items() if name in measured},
        about={name: metric(name).about for name in tables.TITLES},
        compared={name: tables.TITLES[name] for name in TESTED if name in measured},
        with_codes=[line for line in lines if "perplexity" in line.metrics],
        tables=tables,
        styles=styles,
        backbones=table.grid.backbones,
        places_of={name: _identified(name, figures) for name, figures in sections.items()},
        figures={key: figure for name, figures in sections.items() for key, figure in _keyed(name, figures)},
        grid=grid,
        plotly=get_plotlyjs(),
    )
    return html


def _identified(section: str, figures: Mapping[str, Figure]) -> list[str]:
    return [key for key, _ in _keyed(section, figures)]


def _keyed(section: str, figures: Mapping[str, Figure]) -> list[tuple[str, Figure]]:
    """Figures with the ids of their places on the page."""
    return [(f"{section}-{n}", figure) for n, figure in enumerate(figures.values())]
