"""The paired bootstrap: known answers, no win for equals, the same numbers for the same seed."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from solid.errors import DataError
from solid.evaluation import comparison
from solid.evaluation.comparison import Comparison, paired_bootstrap


def test_equal_models_do_not_win() -> None:
    values = np.random.default_rng(0).random(50)
    result = paired_bootstrap(values, values.copy(), resamples=200, seed=0)
    assert result == Comparison(difference=0, low=0, high=0, win_share=0.5, n=50, resamples=200, seed=0)


def test_a_constant_gain_wins_always() -> None:
    values = np.arange(8.0)
    result = paired_bootstrap(values + 0.25, values, resamples=100, seed=3)
    assert result == Comparison(difference=0.25, low=0.25, high=0.25, win_share=1, n=8, resamples=100, seed=3)
    assert paired_bootstrap(values, values + 0.25, resamples=100, seed=3).win_share == 0


def test_two_users_have_four_equally_likely_draws() -> None:
    # Differences +3 and -1: draws mean 3, 1, 1 or -1, so a wins three times in four.
    result = paired_bootstrap(np.array([3.0, 0.0]), np.array([0.0, 1.0]), resamples=40_000, seed=0)
    assert (result.difference, result.low, result.high) == (1, -1, 3)
    assert result.win_share == pytest.approx(0.75, abs=0.01)
    # Differences +1 and -1: half of the draws tie, and a tie is half a win.
    result = paired_bootstrap(np.array([1.0, 0.0]), np.array([0.0, 1.0]), resamples=40_000, seed=0)
    assert result.win_share == pytest.approx(0.5, abs=0.01)


def test_interval_is_that_of_the_mean() -> None:
    rng = np.random.default_rng(1)
    users = rng.normal(size=2000)  # what makes users differ is common to both models and must cancel out
    gain = rng.normal(0.02, 0.5, size=2000)
    result = paired_bootstrap(users + gain, users, resamples=5000, seed=0)
    error = gain.std() / np.sqrt(2000)
    assert result.difference == pytest.approx(gain.mean())
    assert result.low == pytest.approx(gain.mean() - 1.96 * error, abs=0.1 * error)
    assert result.high == pytest.approx(gain.mean() + 1.96 * error, abs=0.1 * error)


def test_users_without_a_value_are_dropped_in_pairs() -> None:
    a, b = np.array([1.0, np.nan, 5.0, 2.0]), np.array([0.0, 0.0, np.nan, 1.0])
    result = paired_bootstrap(a, b, resamples=100, seed=0)
    assert (result.n, result.difference, result.win_share) == (2, 1, 1)
    with pytest.raises(DataError, match="no user has a value"):
        paired_bootstrap(a[1:3], b[1:3], resamples=100, seed=0)
    with pytest.raises(DataError, match="same users"):
        paired_bootstrap(a, b[:2], resamples=100, seed=0)


def test_only_the_seed_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = np.random.default_rng(2).random((2, 37))
    first = paired_bootstrap(a, b, resamples=500, seed=5)
    assert first != paired_bootstrap(a, b, resamples=500, seed=6)
    monkeypatch.setattr(comparison, "_DRAWS_AT_ONCE", 100)  # two resamples at once
    assert paired_bootstrap(a, b, resamples=500, seed=5) == first


def test_json() -> None:
    result = paired_bootstrap(np.array([1.0, 2.0]), np.array([0.0, 3.0]), resamples=100, seed=0)
    assert Comparison(**json.loads(json.dumps(asdict(result), allow_nan=False))) == result
