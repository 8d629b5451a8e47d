"""Several models as one: the sum of what they say, with shares that validation picks."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from walks import write_walk

from solid.cli import main
from solid.counting.model import CountedConfig, CountedModel
from solid.counting.reading import Table
from solid.data.dataset import Dataset
from solid.data.sequences import Sequences
from solid.errors import DataError
from solid.metrics.catalogue import metric
from solid.mixture import model, search
from solid.mixture.model import Mixture
from solid.mixture.search import Shares, pick_shares
from solid.models.layers import shortened
from solid.models.storage import load_model, named, save_model
from solid.settings.heads import MixtureSettings
from solid.storage.local import write_json

N = 4
NDCG = metric("full_ndcg_10")


def counted(next_of: dict[int, dict[int, float]], *, items: int = 1, share: float = 0.2) -> CountedModel:
    """After item a comes b so often; popularity is even."""
    matrix = np.zeros((N, N), np.float32)
    for a, followers in next_of.items():
        for b, times in followers.items():
            matrix[a - 1, b - 1] = times
    picked: dict[str, Any] = {"items": items, "decay": 1.0, "share": share}
    config = CountedConfig(head="transitions", n_items=N, digest="d", picked=picked)
    return CountedModel(config, Table(sp.csr_array(matrix), np.full(N, 1 / N)))


def test_scores_are_logarithms_of_the_mixed_shares() -> None:
    """After item 1 the first model says .8 * (1/4, 3/4) + .05 for items 2 and 3, the other all of item 4."""
    mixture = Mixture.of({"a": (0.75, counted({1: {2: 1, 3: 3}})), "b": (0.25, counted({1: {4: 2}}))})
    user = mixture.encode(torch.tensor([[1]]))
    first, second = [0.05, 0.25, 0.65, 0.05], [0.05, 0.05, 0.05, 0.85]
    mixed = [0.75 * one + 0.25 * other for one, other in zip(first, second, strict=True)]
    assert mixture.score_all(user).exp()[0].tolist() == pytest.approx(mixed, abs=1e-6)
    assert mixture.score(user, torch.tensor([[4, 2]])).exp()[0].tolist() == pytest.approx(
        [mixed[3], mixed[1]], abs=1e-6
    )
    assert mixture.config.about == {"shares": "0.75 a, 0.25 b"}


class Logits:
    """Says the same scores for everybody, which are no logarithms of shares."""

    device = torch.device("cpu")

    def __init__(self, scores: list[float]) -> None:
        self.config = CountedConfig(head="transitions", n_items=N, digest="d", picked={"items": 1, "share": 0})
        self.scores = torch.tensor(scores)

    def encode(self, items_BL: torch.Tensor) -> int:
        return len(items_BL)

    def score(self, user: int, candidates_BC: torch.Tensor) -> torch.Tensor:
        return self.scores[candidates_BC - 1]

    def score_all(self, user: int) -> torch.Tensor:
        return self.scores.repeat(user, 1)

    def state_dict(self) -> dict[str, torch.Tensor]:
        return {}

    @classmethod
    def restore(cls, config: object, state: object, *, fold: bool = True) -> Logits:
        raise NotImplementedError


@pytest.mark.parametrize("at_once", [1 << 24, N])
def test_scores_of_candidates_are_shares_among_all_items(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """Logits log 2, log 2, log 4 and log 8 are shares of an eighth, an eighth, a quarter and a half."""
    monkeypatch.setattr(model, "LOGITS_AT_ONCE", at_once)
    logits = Logits([math.log(2), math.log(2), math.log(4), math.log(8)])
    mixture = Mixture.of({"logits": (0.5, logits), "counted": (0.5, counted({1: {2: 1}}))})
    user = mixture.encode(torch.tensor([[1], [3]]))
    expected = [0.5 * 0.125 + 0.5 * 0.85, 0.5 * 0.5 + 0.5 * 0.05]
    assert mixture.score(user, torch.tensor([[2, 4], [2, 4]])).exp()[0].tolist() == pytest.approx(expected, abs=1e-6)
    assert mixture.score_all(user).exp()[0, [1, 3]].tolist() == pytest.approx(expected, abs=1e-6)


def test_each_part_reads_as_much_of_a_history_as_it_does_alone() -> None:
    short, long = counted({1: {2: 1}, 3: {4: 1}}), counted({1: {2: 1}, 3: {4: 1}}, items=2)
    mixture = Mixture.of({"short": (0.5, short), "long": (0.5, long)})
    assert mixture.config.length == 2
    told = mixture.score_all(mixture.encode(torch.tensor([[1, 3], [1, 0]]))).exp()
    assert told[0].tolist() == pytest.approx([0.05, 0.05 + 0.5 * 0.4, 0.05, 0.05 + 0.5 * 0.8 + 0.5 * 0.4], abs=1e-6)
    assert told[1].tolist() == pytest.approx([0.05, 0.85, 0.05, 0.05], abs=1e-6)


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(1, 9), max_size=6), min_size=1, max_size=5), st.integers(1, 7))
def test_a_shortened_history_has_the_last_items(histories: list[list[int]], length: int) -> None:
    width = 6
    padded = torch.tensor([history + [0] * (width - len(history)) for history in histories])
    kept = [[item for item in row if item] for row in shortened(padded, length).tolist()]
    assert kept == [history[-length:] for history in histories]
    assert shortened(padded, length).shape[1] == min(width, length)


def test_a_model_named_after_auto_is_named_after_what_it_came_to(tmp_path: Path) -> None:
    for folder, modality in (("one", "text"), ("other", "id"), ("none", None)):
        write_json(tmp_path / folder / "config.json", {"modality": modality})
    one, other, none = (tmp_path / folder for folder in ("one", "other", "none"))
    assert named({"SOLID auto": one, "SOLID id": other, "auto": none}) == {
        "SOLID text": one,
        "SOLID id": other,
        "auto": none,
    }
    with pytest.raises(DataError, match=r"both are SOLID id; leave one out of semantics\.modalities"):
        named({"SOLID id": one, "SOLID auto": other})


def test_a_stored_mixture_is_the_same_model(tmp_path: Path) -> None:
    mixture = Mixture.of({"a": (0.75, counted({1: {2: 1}})), "b": (0.25, counted({1: {4: 2}}, items=3))})
    save_model(tmp_path, mixture)
    again = load_model(tmp_path)
    assert isinstance(again, Mixture) and again.config == mixture.config
    histories = torch.tensor([[1, 0, 0], [2, 1, 3], [0, 0, 0]])
    assert torch.equal(again.score_all(again.encode(histories)), mixture.score_all(mixture.encode(histories)))


@pytest.fixture
def halves() -> Dataset:
    """Two users go from 1 to 2, two from 3 to 4; what is held out for validation is the second item of each."""
    items = [1, 2, 3, 1, 2, 3, 3, 4, 1, 3, 4, 1]
    sequences = Sequences(np.array(items, np.int32), np.array([0, 3, 6, 9, 12]), N)
    users = pd.DataFrame({"user_id": list("wxyz")})
    candidates = {split: np.ones((4, 1), np.int32) for split in ("valid", "test")}
    return Dataset(users, pd.DataFrame({"item_id": list("abcd")}), sequences, candidates, {"digest": "d"})


def test_shares_are_picked_where_each_model_knows_half_of_the_users(halves: Dataset) -> None:
    """Alone a model ranks its own half first and ties three items for the other; together both halves come first."""
    models = {"one": counted({1: {2: 1}, 3: {1: 1}}), "other": counted({3: {4: 1}})}
    tried: list[tuple[Shares, float]] = []
    shares = pick_shares(
        models, halves, NDCG, MixtureSettings(shares=(0.4, 0.6)), lambda shares, value: tried.append((shares, value))
    )
    assert shares == {"other": 0.6, "one": 0.4}  # with less, `one` outvotes `other` after item 3
    assert tried[:2][0][0] == {"one": 1.0} and max(value for _, value in tried) == 1


def test_users_count_the_same_however_many_are_judged_at_once(halves: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    models = {"one": counted({1: {2: 1}, 3: {1: 1}}), "other": counted({3: {4: 1}})}

    def pick(at_once: int) -> list[tuple[Shares, float]]:
        monkeypatch.setattr(search, "_USERS_AT_ONCE", at_once)
        tried: list[tuple[Shares, float]] = []
        pick_shares(models, halves, NDCG, MixtureSettings(), lambda shares, value: tried.append((shares, value)))
        return tried

    assert pick(3) == pick(1) == pick(4)


def test_a_model_that_brings_nothing_gets_no_share(halves: Dataset) -> None:
    models = {"good": counted({1: {2: 1}, 3: {4: 1}}), "same": counted({1: {2: 1}, 3: {4: 1}})}
    assert pick_shares(models, halves, NDCG, MixtureSettings(), lambda *_: None) == {"good": 1.0}


def test_no_more_models_than_are_allowed(halves: Dataset) -> None:
    models = {"one": counted({1: {2: 1}}), "other": counted({3: {4: 1}})}
    assert len(pick_shares(models, halves, NDCG, MixtureSettings(models=1), lambda *_: None)) == 1
    assert len(pick_shares(models, halves, NDCG, MixtureSettings(models=2), lambda *_: None)) == 2


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Users who walk the items in order."""
    return write_walk(tmp_path_factory.mktemp("prepared"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--head", "mixture"), "name each with --part NAME=FOLDER"),
        (("--head", "static", "--part", "a={prepared}"), "leave it out for other heads"),
        (("--head", "mixture", "--part", "a={prepared}/none"), "--part a={prepared}/none: no folder"),
        (("--head", "mixture", "--part", "a={prepared}", "--part", "a={prepared}"), "a second model of the name 'a'"),
        (("--head", "mixture", "--part", "a={prepared}"), "{prepared}/training.json"),
        (("--head", "mixture", "--set", "mixture.shares=[1]"), "mixture.shares"),
    ],
)
def test_bad_input_is_said_before_any_work(walk: Path, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    given_ = [argument.format(prepared=walk) for argument in arguments]
    done = CliRunner().invoke(main, ["train", "--prepared", str(walk), "--out", str(tmp_path / "out"), *given_])
    assert done.exit_code != 0 and said.format(prepared=walk) in done.output
    assert not list(tmp_path.iterdir())
