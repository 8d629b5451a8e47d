"""A counted model is trained, evaluated, registered and served like any other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from walks import ITEMS, USERS, write_walk

from solid.cli import main
from solid.counting.model import CountedModel
from solid.data.dataset import Dataset
from solid.errors import DataError
from solid.evaluation.scoring import View, rank_among_all
from solid.kinds import HEADS
from solid.metrics.base import FULL
from solid.metrics.ndcg import ndcg
from solid.metrics.ties import TieGroups
from solid.models.storage import load_model, load_model_of
from solid.storage.local import read_json, write_json

QUICK = ("counting.items=[3,1]", "counting.decay=[0.5]", "counting.share=[0.1]", "counting.window=[1,3]")
SETS = [word for setting in QUICK for word in ("--set", setting)]
COUNTED = [name for name, kind in HEADS.items() if kind.by == "counting"]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Users who walk the items in order."""
    return write_walk(tmp_path_factory.mktemp("prepared"))


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Neighbours on the walk are alike."""
    folder = tmp_path_factory.mktemp("features")
    angle = 2 * np.pi * np.arange(ITEMS) / ITEMS
    np.save(folder / "text.npy", np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32))
    write_json(folder / "features.json", {"digest": "d.dir"})
    return folder


def solid(*arguments: str) -> Any:
    return CliRunner().invoke(main, arguments)


def train(prepared: Path, out: Path, head: str, *more: str) -> Path:
    done = solid("train", "--head", head, "--prepared", str(prepared), "--out", str(out), *SETS, *more)
    assert done.exit_code == 0, done.output
    return out


@pytest.mark.parametrize("head", COUNTED)
def test_every_counted_head_trains_to_the_same_bytes_and_loads(prepared: Path, tmp_path: Path, head: str) -> None:
    first, second = (train(prepared, tmp_path / name, head) for name in ("first", "second"))
    for file in ("model.safetensors", "config.json", "training.json", "history.csv"):
        assert (first / file).read_bytes() == (second / file).read_bytes()
    model = load_model_of(Dataset.load(prepared), first)
    histories = torch.tensor([[1, 2, 3], [9, 0, 0], [0, 0, 0]])
    user = model.encode(histories)
    scores = model.score_all(user)
    assert scores.shape == (3, ITEMS) and scores.dtype == torch.float32
    assert scores.isfinite().all()
    candidates = torch.tensor([[4, 1, 24], [10, 2, 3], [7, 8, 9]])
    assert torch.equal(model.score(user, candidates), scores.gather(1, candidates - 1))
    assert scores.exp().sum(1)[:2].tolist() == pytest.approx([1, 1], abs=1e-4)  # shares


def test_transitions_learn_the_walk_and_the_figure_is_that_of_evaluation(prepared: Path, tmp_path: Path) -> None:
    folder = train(prepared, tmp_path / "model", "transitions")
    dataset = Dataset.load(prepared)
    model = load_model_of(dataset, folder)
    history = pd.read_csv(folder / "history.csv")
    training = read_json(folder / "training.json")
    assert training["valid_full_ndcg_10"] == history["valid_full_ndcg_10"].max() == 1
    ranks = rank_among_all(model, View.of(model, dataset, "test"), 16)[FULL]
    assert ndcg(TieGroups.of_ranks(ranks), 10).tolist() == [1] * USERS  # what comes next, for everybody


def test_an_item_never_counted_gets_what_alike_items_have(prepared: Path, features: Path, tmp_path: Path) -> None:
    shortened = tmp_path / "prepared"
    shortened.mkdir()
    for path in prepared.iterdir():
        (shortened / path.name).write_bytes(path.read_bytes())
    events = pd.read_parquet(prepared / "interactions.parquet")
    events.loc[events["item"] == 12, "item"] = 11  # item 12 is never touched
    events.to_parquet(shortened / "interactions.parquet")
    forced = (
        "--set",
        "counting.alike=2",
        "--set",
        "counting.a=[1]",
        "--set",
        "counting.b=[0]",
        "--set",
        "counting.c=[0]",
    )
    folder = train(shortened, tmp_path / "model", "transitions", "--features", str(features), *forced)
    model = load_model(folder)
    assert isinstance(model, CountedModel) and model.config.modality == "text"
    row = model.table.matrix[[11]].toarray()[0]
    alike = model.table.matrix[[10, 12]].toarray()
    assert row.any() and set(np.flatnonzero(row)) <= set(np.flatnonzero(alike.any(axis=0)))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--head", "transitions", "--ids", "both"), "choose --ids item"),
        (("--head", "ease", "--set", "counting.ridge=[]"), "counting.ridge"),
        (("--head", "ease", "--set", "counting.ridge=[0]"), "counting.ridge"),
        (("--head", "ease", "--set", "counting.rigde=[1]"), "counting.rigde"),
    ],
)
def test_bad_input_gets_one_error_and_leaves_nothing(
    prepared: Path, features: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    given = [word.format(features=features, prepared=prepared) for word in arguments]
    done = solid("train", "--prepared", str(prepared), "--out", str(tmp_path / "model"), *given)
    assert done.exit_code != 0 and said in done.output
    assert not (tmp_path / "model").exists()


def test_vectors_of_other_items_are_refused(prepared: Path, features: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "text.npy", np.ones((3, 2), np.float32))
    (tmp_path / "features.json").write_text('{"digest": "d.dir"}')
    done = solid(
        "train", "--head", "transitions", "--prepared", str(prepared), "--features", str(tmp_path),
        "--out", str(tmp_path / "model"),
    )  # fmt: skip
    assert done.exit_code != 0 and "24 items" in done.output


def test_it_is_evaluated_beside_others(prepared: Path, tmp_path: Path) -> None:
    models = [f"{head}={train(prepared, tmp_path / head, head)}" for head in ("popular", "transitions")]
    named = [word for model in models for word in ("--model", model)]
    out = tmp_path / "evaluation"
    done = solid("evaluate", "--prepared", str(prepared), "--out", str(out), *named)
    assert done.exit_code == 0, done.output
    metrics = read_json(out / "metrics.json")
    assert metrics["transitions"]["full_ndcg_10"] == 1 > metrics["popular"]["full_ndcg_10"]
    assert (out / "report.html").stat().st_size > 10_000


def test_it_is_registered_and_served(
    prepared: Path, tmp_path: Path, mlflow_store: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = train(prepared, tmp_path / "model", "transitions")
    monkeypatch.setenv("SOLID_TRACKING", "on")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_store(tmp_path))
    done = solid(
        "register", "--prepared", str(prepared), "--model", f"counted={model}", "--out", str(tmp_path / "registration"),
        "--set", "registry.name=counted", *SETS,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    asked = solid("recommend", "--model", "models:/counted@champion", "-k", "1", "i4", "i5")
    assert asked.exit_code == 0, asked.output
    assert asked.output.splitlines()[-1].split()[:2] == ["1", "i6"]


def test_a_broken_model_is_named(prepared: Path, tmp_path: Path) -> None:
    folder = train(prepared, tmp_path / "model", "popular")
    (folder / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(DataError, match="not a model this version can read"):
        load_model(folder)
