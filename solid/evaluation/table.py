"""The table of results: cells for every view of it, and its Markdown form, which also reads well in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from solid.evaluation.result import Result
from solid.metrics.catalogue import MAIN, metric, titles

_SHOWN = ("auc", "uauc", "ndcg_10", "hr_10", "full_ndcg_10", "full_hr_10", "logloss")


@dataclass(frozen=True)
class Row:
    """A model's line: its metrics with four decimals, which of them are the best, and its gain in UAUC."""

    name: str
    values: dict[str, str]
    best: frozenset[str]
    gain: str
    """Mean difference to the baseline and its 95 % interval, or "baseline"."""


def columns(results: Sequence[Result]) -> dict[str, str]:
    """Metric -> its title; ``full`` ones, where the held-out item was ranked among all items, only if measured."""
    return titles(name for name in _SHOWN if name in results[0].summary)


def rows(results: Sequence[Result]) -> list[Row]:
    """One row a model, in the given order; values that print alike as the best are all best."""
    shown = columns(results)
    summaries = {r.name: r.summary for r in results}
    printed = {model: {name: f"{summary[name]:.4f}" for name in shown} for model, summary in summaries.items()}
    best = {
        name: (max if metric(name).higher_is_better else min)((values[name] for values in printed.values()), key=float)
        for name in shown
    }
    return [
        Row(
            name=r.name,
            values=printed[r.name],
            best=frozenset(name for name, value in printed[r.name].items() if value == best[name]),
            gain=_gain(r),
        )
        for r in results
    ]


def markdown(results: Sequence[Result]) -> str:
    """The table as Markdown with the best of each column in bold, padded so that columns line up."""
    table = [["model", *columns(results).values(), f"{metric(MAIN).title} against baseline"]]
    for row in rows(results):
        values = [f"**{text}**" if metric in row.best else f"  {text}  " for metric, text in row.values.items()]
        table.append([row.name.replace("|", "\\|"), *values, row.gain])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    table.insert(1, rule)
    lines = [
        [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        for row in table
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _gain(result: Result) -> str:
    if not result.gains:
        return "baseline"
    gain = result.gains[MAIN]
    return f"{gain.difference:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]"
