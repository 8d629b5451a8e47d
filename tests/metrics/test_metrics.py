"""Metrics: exact values by hand, the released code's values, a naive reference, and what ties may not do."""

from __future__ import annotations

from itertools import permutations
from math import comb, log2
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import user_metrics

from solid.errors import DataError
from solid.metrics.base import CANDIDATES, FULL, UNMASKED, Ranking
from solid.metrics.catalogue import CUTOFFS, metrics_of
from solid.metrics.measured import candidate_metrics, rank_metrics
from solid.metrics.ties import Ranks

KEYS = ["auc", "uauc", "logloss", "ndcg_5", "hr_5", "ndcg_10", "hr_10", "ndcg_20", "hr_20"]


def test_agrees_with_the_released_code(golden: Path) -> None:
    data = np.load(golden / "metrics.npz", allow_pickle=False)
    probability = np.clip(data["score"], 1e-15, 1 - 1e-15)
    summary = user_metrics(data["user"], np.log(probability) - np.log1p(-probability), data["label"]).summarise()
    expected = {key: float(data[f"out/{key.replace('_', '')}"]) for key in KEYS}
    assert {key: summary[key] for key in KEYS} == pytest.approx(expected, abs=1e-12, rel=0)


def test_by_hand() -> None:
    #                  user 7: + at rank 2 and 4 of 4        user 3: + tied with one -, below one -, above one -
    user = np.array([7, 7, 7, 7, 3, 3, 3, 3])
    score = np.array([3.0, 4.0, 2.0, 1.0, 0.0, 0.0, 1.0, -1.0])
    label = np.array([1, 0, 0, 1, 1, 0, 0, 0])
    result = user_metrics(user, score, label)
    assert result.users.tolist() == [3, 7]
    assert result.per_user["auc"].tolist() == [1.5 / 3, 1 / 4]
    rank2, rank3, rank4 = 1 / log2(3), 1 / log2(4), 1 / log2(5)
    expected = [(rank2 + rank3) / 2, (rank2 + rank4) / (1 + rank2)]
    assert result.per_user["ndcg_5"] == pytest.approx(expected, abs=1e-15)
    assert result.per_user["hr_5"].tolist() == [1, 1]
    assert result.per_user["mrr_5"].tolist() == pytest.approx([(1 / 2 + 1 / 3) / 2, 1 / 2])
    assert result.per_user["recall_5"].tolist() == [1, 1]
    firsts = user_metrics(user, score, label, cutoffs=[2]).per_user
    assert list(firsts) == ["auc", "ndcg_2", "hr_2", "mrr_2", "recall_2"]
    assert firsts["ndcg_2"].tolist() == pytest.approx([rank2 / 2, rank2 / (1 + rank2)])
    assert firsts["hr_2"].tolist() == [1 / 2, 1]
    assert firsts["mrr_2"].tolist() == [1 / 4, 1 / 2]
    assert firsts["recall_2"].tolist() == [1 / 2, 1 / 2]
    # Pooled: wins of 3.0, 1.0 and 0.0 over the negatives 4, 2, 0, 1, -1.
    assert result.of_all["auc"] == (4 + 2.5 + 1.5) / 15
    loss = [np.log1p(np.exp(-s if y else s)) for s, y in zip(score, label, strict=True)]
    assert result.of_all["logloss"] == pytest.approx(np.mean(loss), abs=1e-15)


@pytest.mark.parametrize("positives", [1, 3])
def test_constant_scores_are_worth_chance(positives: int) -> None:
    label = np.array([1] * positives + [0] * (100 - positives))
    values = user_metrics(np.zeros(100, int), np.full(100, 0.5), label).summarise()
    assert values["auc"] == values["uauc"] == 0.5
    for k in CUTOFFS:
        discounts = [1 / log2(rank + 1) for rank in range(1, k + 1)]
        chance = sum(discounts) * positives / 100 / sum(discounts[:positives])
        assert values[f"ndcg_{k}"] == pytest.approx(chance, abs=1e-15)
        assert values[f"hr_{k}"] == pytest.approx(1 - comb(100 - positives, k) / comb(100, k), abs=1e-14)


def test_candidates_hold_the_positive_in_column_0() -> None:
    scores = np.zeros((3, 100), np.float32)
    scores[0, 0] = 1  # first of all
    scores[1, 1:8] = 1  # seven are better, the rest tied with it
    scores[2, 1:] = 1  # last of all
    result = candidate_metrics(scores)
    assert result.users.tolist() == [0, 1, 2]
    assert result.per_user["auc"] == pytest.approx([1, 92 / 2 / 99, 0], abs=1e-15)
    assert result.per_user["hr_5"].tolist() == [1, 0, 0]
    assert result.per_user["hr_10"] == pytest.approx([1, 3 / 93, 0], abs=1e-15)
    assert list(result.summarise()) == [metric.name for metric in metrics_of(CANDIDATES)]


@pytest.mark.parametrize("ranking", [FULL, UNMASKED])
def test_ranks_among_all_items_by_hand(ranking: Ranking) -> None:
    #                      first     5th to 7th  30th of 40  tied with all  nothing else
    ranks = Ranks(*np.array([[0, 4, 29, 0, 0], [0, 2, 0, 999, 0], [9, 10, 39, 999, 0]]))
    measured = rank_metrics(ranks, ranking, cutoffs=[5, 20])
    values = {name.removeprefix(ranking.prefix): column for name, column in measured.per_user.items()}
    assert list(values) == ["auc", *(f"{name}_{k}" for k in (5, 20) for name in ("ndcg", "hr", "mrr", "recall"))]
    assert all(name.startswith(ranking.prefix) for name in measured.summarise())
    assert values["auc"] == pytest.approx([1, (4 + 1) / 10, 10 / 39, 1 / 2, np.nan], abs=1e-15, nan_ok=True)
    gain = [1 / log2(1 + rank) for rank in range(1, 21)]
    assert values["ndcg_5"] == pytest.approx([1, gain[4] / 3, 0, sum(gain[:5]) / 1000, 1], abs=1e-15)
    assert values["hr_5"] == pytest.approx([1, 1 / 3, 0, 5 / 1000, 1], abs=1e-15)
    assert values["ndcg_20"] == pytest.approx([1, sum(gain[4:7]) / 3, 0, sum(gain) / 1000, 1], abs=1e-15)
    for name in ("hr_20", "recall_20"):
        assert values[name] == pytest.approx([1, 1, 0, 20 / 1000, 1], abs=1e-15)
    reciprocal = [1 / rank for rank in range(1, 21)]
    assert values["mrr_5"] == pytest.approx([1, 1 / 5 / 3, 0, sum(reciprocal[:5]) / 1000, 1], abs=1e-15)
    assert values["mrr_20"] == pytest.approx([1, sum(reciprocal[4:7]) / 3, 0, sum(reciprocal) / 1000, 1], abs=1e-15)


def test_users_without_both_labels_do_not_count() -> None:
    user, score = np.array([0, 0, 1, 1, 2, 2]), np.array([2.0, 1.0, 2.0, 1.0, 2.0, 1.0])
    result = user_metrics(user, score, np.array([0, 1, 1, 1, 0, 0]))
    np.testing.assert_array_equal(result.per_user["auc"], [0, np.nan, np.nan])
    np.testing.assert_array_equal(result.per_user["ndcg_5"], [1 / log2(3), 1, np.nan])
    np.testing.assert_array_equal(result.per_user["hr_5"], [1, 1, np.nan])
    summary = result.summarise()
    assert (summary["uauc"], summary["hr_5"]) == (0, 1)


def test_broken_input_is_named() -> None:
    scores = np.array([[1.0, 0.0], [np.nan, 0.0]])
    with pytest.raises(DataError, match=r"1 of 4 scores are not finite \(first: row 2, user 1, nan\).*learning_rate"):
        candidate_metrics(scores)


def test_large_logits_do_not_overflow() -> None:
    result = user_metrics(np.zeros(2, int), np.array([-1e4, 1e4], np.float32), np.array([1, 0]))
    assert result.of_all["logloss"] == 1e4


rows = st.lists(st.tuples(st.integers(0, 3), st.integers(-2, 2), st.integers(0, 1)), min_size=2, max_size=40).filter(
    lambda drawn: any({y for v, _, y in drawn if v == u} == {0, 1} for u in range(4))
)


def _columns(drawn: list[tuple[int, int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    user, score, label = np.array(drawn).T
    return user, score.astype(float), label


@given(rows)
def test_agrees_with_loops(drawn: list[tuple[int, int, int]]) -> None:
    user, score, label = _columns(drawn)
    result = user_metrics(user, score, label)
    assert result.of_all["auc"] == pytest.approx(_auc(score, label), abs=1e-12)
    for at, one in enumerate(result.users):
        s, y = score[user == one], label[user == one]
        assert result.per_user["auc"][at] == pytest.approx(_auc(s, y), abs=1e-12, nan_ok=True)
        for k in CUTOFFS:
            ndcg, hr = _expected_top(s, y, k)
            assert result.per_user[f"ndcg_{k}"][at] == pytest.approx(ndcg, abs=1e-12, nan_ok=True)
            assert result.per_user[f"hr_{k}"][at] == pytest.approx(hr, abs=1e-12, nan_ok=True)


def _auc(score: np.ndarray, label: np.ndarray) -> float:
    pairs = [(p > n) + (p == n) / 2 for p in score[label == 1] for n in score[label == 0]]
    return float(np.mean(pairs)) if pairs else np.nan


def _expected_top(score: np.ndarray, label: np.ndarray, k: int) -> tuple[float, float]:
    """Rank by rank: the chance of a positive at a rank, and the chance that none came so far."""
    if not label.any():
        return np.nan, np.nan
    gain, miss = 0.0, 1.0
    for value in set(score):
        tied, above = score == value, int((score > value).sum())
        size, positives = int(tied.sum()), int(label[tied].sum())
        inside = max(0, min(k - above, size))
        gain += sum(positives / size / log2(above + 2 + rank) for rank in range(inside))
        miss *= comb(size - positives, inside) / comb(size, inside)
    return gain / sum(1 / log2(2 + rank) for rank in range(min(k, int(label.sum())))), 1 - miss


@given(st.lists(st.tuples(st.just(0), st.integers(0, 1), st.integers(0, 1)), min_size=7, max_size=7))
def test_ties_are_the_mean_over_all_orders(drawn: list[tuple[int, int, int]]) -> None:
    user, score, label = _columns(drawn)
    if label.min() == label.max():
        return
    result = user_metrics(user, score, label)
    nudges = np.array(list(permutations(range(7)))) / 100  # tell the scores apart in every possible way
    top = label[np.argsort(-(score + nudges), axis=1)[:, :5]]
    discounts = 1 / np.log2(np.arange(2, 7))
    ndcg = top @ discounts / discounts[: label.sum()].sum()
    hr = top.any(axis=1)
    mrr = np.where(hr, 1 / (1 + top.argmax(axis=1)), 0)
    assert result.per_user["mrr_5"][0] == pytest.approx(np.mean(mrr), abs=1e-12)
    assert result.per_user["recall_5"][0] == pytest.approx(np.mean(top.sum(axis=1) / label.sum()), abs=1e-12)
    assert result.per_user["ndcg_5"][0] == pytest.approx(np.mean(ndcg), abs=1e-12)
    assert result.per_user["hr_5"][0] == pytest.approx(np.mean(hr), abs=1e-12)


@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_rows_never_matters(drawn: list[tuple[int, int, int]], random: object) -> None:
    before = user_metrics(*_columns(drawn)).summarise()
    random.shuffle(drawn)  # type: ignore[attr-defined]
    assert user_metrics(*_columns(drawn)).summarise() == before


@given(rows)
def test_only_the_order_of_scores_matters(drawn: list[tuple[int, int, int]]) -> None:
    user, score, label = _columns(drawn)
    before = user_metrics(user, score, label).summarise()
    after = user_metrics(user, np.exp(3 * score) - 7, label).summarise()
    assert before.pop("logloss") != after.pop("logloss")
    assert before == after


def test_random_scores_of_many_users_are_worth_chance() -> None:
    scores = np.random.default_rng(0).normal(size=(17_112, 100)).astype(np.float32)
    values = candidate_metrics(scores).summarise()
    assert values["uauc"] == pytest.approx(0.5, abs=0.01)
    assert values["hr_10"] == pytest.approx(0.1, abs=0.01)
