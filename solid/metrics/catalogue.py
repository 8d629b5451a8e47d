"""All metrics by name. To add one: a file beside this one, and a line in ``FAMILIES``."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from pkgutil import resolve_name

from solid.metrics.base import CANDIDATES, FULL, LISTS, UNMASKED, Family, Metric, Ranking

FAMILIES: tuple[Family, ...] = tuple(
    resolve_name(f"solid.metrics.{place}")
    for place in (
        "auc:AUC",
        "auc:UAUC",
        "logloss:LOGLOSS",
        "ndcg:NDCG",
        "hr:HR",
        "mrr:MRR",
        "recall:RECALL",
        "coverage:COVERAGE",
        "novelty:NOVELTY",
        "gini:GINI",
        "popularity:POPULARITY",
    )
)
RANKINGS = (CANDIDATES, FULL, UNMASKED, LISTS)
CUTOFFS = (5, 10, 20)
MAIN = "full_ndcg_10"
"""The main figure: what orders a table, and what picks epochs and champions unless settings say otherwise."""
COMPARED = (MAIN, "unmasked_ndcg_10", "uauc", "ndcg_10")
"""What models are compared on, user by user; in its place if it was not measured stands the first that was."""

HEADLINE = ("full_ndcg_10", "full_hr_10", "unmasked_ndcg_10", "unmasked_hr_10", "ndcg_10", "uauc", "coverage_10")
"""What a table for people shows of them all."""
OF_A_COMPARISON = ("full_ndcg_10", "full_hr_10", "unmasked_ndcg_10", "ndcg_10", "hr_10", "uauc")
"""What a table of backbones and models shows."""
TESTED = ("full_ndcg_10", "uauc")
"""Where such a table shows differences to the baseline; its CSV has all."""
OF_RECOMMENDED = ("coverage_10", "gini_10", "novelty_10", "popularity_10")
"""What a report shows of what is recommended, right or wrong."""


def metrics_of(ranking: Ranking, cutoffs: Iterable[int] = CUTOFFS) -> list[Metric]:
    """All metrics of a ranking, in the order of files: those of the whole list, then those of each cut-off."""
    defined = [family for family in FAMILIES if ranking in family.rankings]
    whole = [Metric(family, ranking) for family in defined if not family.cut]
    return whole + [Metric(family, ranking, k) for k in cutoffs for family in defined if family.cut]


def metric(name: str) -> Metric:
    """The metric of a name such as uauc, ndcg_10 or full_hr_50.

    Raises:
        ValueError: there is none; the message lists what there is.
    """
    found = re.fullmatch(r"(.+?)(?:_([1-9]\d*))?", name)
    stem, cutoff = (found[1], found[2]) if found else (name, None)
    for family in FAMILIES:
        for ranking in family.rankings:
            if stem == ranking.prefix + family.name and family.cut == (cutoff is not None):
                return Metric(family, ranking, int(cutoff) if cutoff else None)
    known = [f"{r.prefix}{f.name}" + ("_K" if f.cut else "") for r in RANKINGS for f in FAMILIES if r in f.rankings]
    raise ValueError(f"{name!r} is no metric; there are {', '.join(known)}, with a number of first items for K")


def per_user(name: str) -> Metric:
    """The metric of a name, if every user has a value of it: what can pick an epoch, or compare two models.

    Raises:
        ValueError: there is none, or it is of all users together.
    """
    found = metric(name)
    if found.column is None:
        raise ValueError(f"{name!r} has no value for each user; choose one that has, such as {MAIN}")
    return found


def with_compared(cutoffs: Iterable[int]) -> list[int]:
    """Cut-offs to measure, ascending: those given, and those that models are compared on."""
    return sorted({*cutoffs, *(found.cutoff for name in COMPARED if (found := metric(name)).cutoff)})


def main_of(measured: Container[str]) -> str:
    """The main figure, or what stands in for it where all items were not ranked."""
    return next(name for name in COMPARED if name in measured)


def is_metric(name: str) -> bool:
    """Whether there is a metric of this name."""
    try:
        metric(name)
    except ValueError:
        return False
    return True


def titles(names: Iterable[str]) -> dict[str, str]:
    """Name -> title, in the order given."""
    return {name: metric(name).title for name in names}
