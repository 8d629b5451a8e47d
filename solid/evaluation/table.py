"""The table of results: cells for every view of it, and its Markdown form, which also reads well in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from solid.evaluation.groups import Grouping
from solid.evaluation.result import Result
from solid.metrics.catalogue import HEADLINE, main_of, metric, titles


@dataclass(frozen=True)
class Row:
    """A model's line: metrics with four decimals, which of them are the best, and its gain in the main figure."""

    name: str
    values: dict[str, str]
    best: frozenset[str]
    gain: str
    """Mean difference to the baseline and its 95 % interval, or "baseline"."""


def columns(results: Sequence[Result]) -> dict[str, str]:
    """Metric -> its title; those where all items were ranked only if they were."""
    return titles(name for name in HEADLINE if name in results[0].summary)


def gain_title(results: Sequence[Result]) -> str:
    """Of the column of gains."""
    return f"{metric(main_of(results[0].summary)).title} against baseline"


def rows(results: Sequence[Result], shown: Iterable[str]) -> list[Row]:
    """One row a model, in the given order; values that print alike as the best are all best."""
    summaries = {r.name: r.summary for r in results}
    printed = {model: {name: _printed(summary[name]) for name in shown} for model, summary in summaries.items()}
    best = {name: _best(name, [values[name] for values in printed.values()]) for name in shown}
    return [
        Row(
            name=r.name,
            values=printed[r.name],
            best=frozenset(name for name, value in printed[r.name].items() if value == best[name]),
            gain=_gain(r),
        )
        for r in results
    ]


def markdown(results: Sequence[Result], groups: Sequence[Grouping]) -> str:
    """The table as Markdown with the best of each column in bold, padded so that columns line up, and what it is of."""
    shown = columns(results)
    table = [["model", *shown.values(), gain_title(results)]]
    for row in rows(results, shown):
        values = [f"**{text}**" if name in row.best else f"  {text}  " for name, text in row.values.items()]
        table.append([row.name.replace("|", "\\|"), *values, row.gain])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    table.insert(1, rule)
    lines = [
        [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        for row in table
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + f"\n{_note(shown, groups[0])}\n"


def _note(shown: Iterable[str], popularity: Grouping) -> str:
    users, cold = len(popularity.of_user), popularity.sizes["cold"]
    about = "full: among all items but for those that the user touched before; unmasked: among all items. "
    never = f"{cold:,} of them were never trained" if cold else "all of them were seen in training"
    full = about if any(name.startswith("full_") for name in shown) else ""
    return f"{full}{users:,} test users, an item each; {never}."


def _printed(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 10 else f"{value:,.1f}"


def _best(name: str, printed: Sequence[str]) -> str | None:
    """The best of printed values; None where neither high nor low is better."""
    higher = metric(name).higher_is_better
    if higher is None:
        return None
    return (max if higher else min)(printed, key=lambda text: float(text.replace(",", "")))


def _gain(result: Result) -> str:
    if not result.gains:
        return "baseline"
    gain = result.gains[main_of(result.gains)]
    return f"{gain.difference:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]"
