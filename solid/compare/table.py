"""The table of results for people (Markdown) and for programs (CSV)."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import Any

import pandas as pd

from solid.compare.grid import Table
from solid.compare.results import Gain, Line
from solid.metrics.catalogue import OF_A_COMPARISON, TESTED, titles

TITLES = titles(OF_A_COMPARISON)
SIGNIFICANT = 0.05


def markdown(table: Table, lines: Sequence[Line]) -> str:
    """The table as Markdown, the best of each backbone in bold, with a note on what its numbers are."""
    several = len(table.grid.data) > 1
    measured = {metric for line in lines for metric in line.metrics}
    shown = [metric for metric in TITLES if metric in measured]
    tested = [metric for metric in shown if metric in TESTED]
    head = [*(["data"] if several else []), "backbone", "model", *(TITLES[metric] for metric in shown)]
    for metric in tested:
        head += [f"{TITLES[metric]} against {table.baseline.name}", "p"]
    rows = [head]
    for line in lines:
        cells = [*([line.data] if several else []), line.backbone, name_of(line).replace("|", "\\|")]
        for metric in shown:
            text = mean_of(line, metric)
            cells.append(_with_deviation(line, metric, f"**{text}**" if is_best(lines, line, metric) else text))
        for metric in tested:
            cells += gain_of(line, metric)
        rows.append(cells)
    left = len(head) - len(shown) - 2 * len(tested)
    return _aligned(rows, left) + "\n" + note(table, lines) + "\n"


def name_of(line: Line) -> str:
    """The row's name, and how many seeds are there if some are missing."""
    missing = "" if line.complete else f" (incomplete: {len(line.scores)} of {line.wanted} seeds)"
    return line.row.name + missing


def mean_of(line: Line, metric: str) -> str:
    """The mean with four decimals."""
    return f"{line.mean(metric):.4f}" if line.scores else "-"


def is_best(lines: Sequence[Line], line: Line, metric: str) -> bool:
    """Whether no line of the same data and backbone has a higher mean; means that print alike are equal."""
    rivals = [o for o in lines if (o.data, o.backbone) == (line.data, line.backbone) and o.scores]
    return bool(line.scores) and mean_of(line, metric) == max(mean_of(rival, metric) for rival in rivals)


def gain_of(line: Line, metric: str) -> list[str]:
    """The difference to the baseline with its interval, and the corrected p-value, marked where it is significant."""
    if metric not in line.gains:
        return ["-", "-"]
    gain = line.gains[metric]
    d = gain.difference
    return [f"{d.mean:+.4f} [{d.low:+.4f}, {d.high:+.4f}]", f"{_p(gain)}{' *' if is_significant(gain) else ''}"]


def is_significant(gain: Gain) -> bool:
    """At 5 % over all comparisons of the table."""
    return gain.corrected < SIGNIFICANT


def note(table: Table, lines: Sequence[Line]) -> str:
    """What the numbers are, in a sentence or two."""
    seeds, compared = len(table.grid.seeds), sum(bool(line.gains) for line in lines)
    spread = f"Mean ± standard deviation over {seeds} seeds" if seeds > 1 else "One seed"
    text = f"{spread}; best of each backbone in bold."
    if compared:
        clusters = "users and seeds" if seeds > 1 else "users"
        text += (
            f" Differences to {table.baseline.name} are paired by user and seed, with 95 % intervals from errors "
            f"clustered over {clusters}; p is corrected by Holm for the {compared} comparisons of a column, * marks "
            f"p < {SIGNIFICANT}."
        )
    if any(row.settings.get("training", {}).get("selection") == "test" for row in table.rows):
        text += " Epochs were picked on the test users (training.selection: test), as in published rows."
    return text


def csv(lines: Sequence[Line]) -> str:
    """Every number of the table with six decimals: one line a row and backbone."""
    rows = []
    for line in lines:
        row: dict[str, Any] = _about(line) | {"seeds": len(line.scores), "seeds_wanted": line.wanted}
        for metric in line.metrics:
            row |= {metric: line.mean(metric), f"{metric}_sd": line.deviation(metric)}
        for metric, gain in line.gains.items():
            d = gain.difference
            row |= {f"{metric}_difference": d.mean, f"{metric}_error": d.error, f"{metric}_low": d.low}
            row |= {f"{metric}_high": d.high, f"{metric}_p": d.p, f"{metric}_p_holm": gain.corrected}
            row |= {f"{metric}_freedom": d.freedom, f"{metric}_users": d.users}
        rows.append(row)
    return _csv(rows)


def seeds_csv(lines: Sequence[Line]) -> str:
    """One line a model and seed."""
    return _csv(
        [_about(line) | {"seed": seed} | score.summary for line in lines for seed, score in line.scores.items()]
    )


def _about(line: Line) -> dict[str, Any]:
    about = {"data": line.data, "backbone": line.backbone, "model": line.row.name, "head": line.row.head}
    return about | {"ids": line.row.ids, "modality": line.row.modality or ""}


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    texts = [{name: _cell(value) for name, value in row.items()} for row in rows]
    return pd.DataFrame(texts).to_csv(index=False, lineterminator="\n")


def _cell(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return "" if isnan(value) else f"{value:.6f}"


def _with_deviation(line: Line, metric: str, text: str) -> str:
    return f"{text} ± {line.deviation(metric):.4f}" if len(line.scores) > 1 else text


def _p(gain: Gain) -> str:
    return "< 0.0001" if gain.corrected < 0.0001 else f"{gain.corrected:.4f}"


def _aligned(rows: Sequence[Sequence[str]], left: int) -> str:
    """Markdown whose columns line up; the first ``left`` are aligned left, the others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = ["-" * width if n < left else "-" * (width - 1) + ":" for n, width in enumerate(widths)]
    lines = [rows[0], rule, *rows[1:]]
    padded = [
        [cell.ljust(w) if n < left else cell.rjust(w) for n, (cell, w) in enumerate(zip(line, widths, strict=True))]
        for line in lines
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in padded)
