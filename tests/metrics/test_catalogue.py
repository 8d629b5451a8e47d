"""Metrics by name: every one that is measured can be named, and what cannot is answered with what can."""

from __future__ import annotations

import pytest

from solid.metrics.catalogue import RANKINGS, metric, metrics_of


@pytest.mark.parametrize("ranking", RANKINGS)
def test_every_metric_is_found_by_its_name(ranking: object) -> None:
    for found in metrics_of(ranking, [3, 10]):  # type: ignore[arg-type]
        assert metric(found.name) == found


@pytest.mark.parametrize(
    ("name", "title", "column", "better"),
    [
        ("uauc", "UAUC", "auc", True),
        ("full_uauc", "full UAUC", "full_auc", True),
        ("ndcg_10", "NDCG@10", "ndcg_10", True),
        ("unmasked_mrr_7", "unmasked MRR@7", "unmasked_mrr_7", True),
        ("full_hr_50", "full HR@50", "full_hr_50", True),
        ("logloss", "log loss", None, False),
        ("coverage_20", "coverage@20", None, True),
        ("gini_10", "Gini@10", None, False),
        ("popularity_10", "popularity@10", None, None),
    ],
)
def test_what_a_name_says(name: str, title: str, column: str | None, better: bool | None) -> None:
    found = metric(name)
    assert (found.title, found.column, found.higher_is_better) == (title, column, better)
    assert "{" not in found.about and (found.cutoff is None or str(found.cutoff) in found.about)


@pytest.mark.parametrize("name", ["ndcg", "ndcg_0", "uauc_10", "full_logloss", "full_coverage_10", "NDCG@10", "", "_5"])
def test_an_unknown_name_is_answered_with_those_that_are_known(name: str) -> None:
    with pytest.raises(ValueError, match=r"is no metric; there are auc, uauc, .*full_ndcg_K, .*coverage_K"):
        metric(name)
