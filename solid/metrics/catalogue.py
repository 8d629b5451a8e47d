"""All metrics by name. To add one: a file beside this one, and a line in ``FAMILIES``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pkgutil import resolve_name

from solid.metrics.base import CANDIDATES, FULL, Family, Metric, Ranking

FAMILIES: tuple[Family, ...] = tuple(
    resolve_name(f"solid.metrics.{place}")
    for place in (
        "auc:AUC",
        "auc:UAUC",
        "logloss:LOGLOSS",
        "ndcg:NDCG",
        "hr:HR",
    )
)
RANKINGS = (CANDIDATES, FULL)
CUTOFFS = (5, 10, 20)
MAIN = "uauc"
"""The main figure."""
COMPARED = (MAIN, "ndcg_10", "full_ndcg_10")
"""What models are compared on, user by user."""


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


def titles(names: Iterable[str]) -> dict[str, str]:
    """Name -> title, in the order given."""
    return {name: metric(name).title for name in names}
