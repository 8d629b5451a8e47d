"""The same model however it is asked: Python, pyfunc, HTTP, the Open Inference Protocol, for all users, on a device.

Items are the same, in the same order; scores agree within TOLERANCE, for the same histories come in batches of other
sizes, and sums of floats differ in their last bits then.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import requests
from click.testing import CliRunner
from onnxruntime import InferenceSession
from tiny import catalogue_of, make_model, registered, running
from walks import USERS

import solid.registry.everybody
from solid import Recommender
from solid.cli import main
from solid.data.dataset import Dataset
from solid.kinds import BACKBONES, HEADS
from solid.registry.everybody import write_all
from solid.registry.loading import Address
from solid.serving.app import build
from solid.serving.following import Follower
from solid.serving.limits import Limits
from solid.serving.metrics import Metrics
from solid.serving.users import Users
from solid.storage.local import read_json

pytestmark = pytest.mark.usefixtures("store")

TOLERANCE = 1e-5
KINDS = [(head, "sasrec") for head in HEADS] + [("solid", backbone) for backbone in BACKBONES if backbone != "sasrec"]
K = 5
# For the other kinds tests/models/test_graphs.py holds graphs against PyTorch, for a browser tests/device/test_demo.py.
EXPORTED = [("static", "sasrec"), ("apg", "sasrec"), ("solid", "din")]


Lists = list[tuple[list[str], list[float]]]


def by_python(uri: str, histories: dict[str, list[str]]) -> Lists:
    events = pd.DataFrame(
        [(user, item) for user, history in histories.items() for item in history], columns=["user", "item"]
    )
    found = Recommender.load(uri).recommend(list(histories), K, events=events)
    groups = [found[found["user"] == user] for user in histories]
    return [(group["item"].tolist(), group["score"].tolist()) for group in groups]


def by_pyfunc(uri: str, histories: dict[str, list[str]]) -> Lists:
    answers = mlflow.pyfunc.load_model(uri).predict(list(histories.values()), params={"k": K})
    return [(one["items"], one["scores"]) for one in answers]


def by_http(address: str, body: Callable[[str], dict[str, Any]], histories: dict[str, list[str]]) -> Lists:
    answers = [
        requests.post(f"{address}/recommend", json=body(user) | {"k": K}, timeout=20).json() for user in histories
    ]
    return [([i["item"] for i in one["items"]], [i["score"] for i in one["items"]]) for one in answers]


def by_protocol(address: str, histories: dict[str, list[str]]) -> Lists:
    rows = list(histories.values())
    tensor = {"name": "history", "datatype": "BYTES", "shape": [len(rows), len(rows[0])], "data": rows}
    told = requests.post(
        f"{address}/v2/models/everywhere/infer", json={"inputs": [tensor], "parameters": {"k": K}}, timeout=20
    ).json()
    arrays = {one["name"]: np.reshape(one["data"], one["shape"]).tolist() for one in told["outputs"]}
    return list(zip(arrays["items"], arrays["scores"], strict=True))


def by_command(uri: str, prepared: Path, out: Path, users: list[str]) -> Lists:
    command = ["recommend", "--model", uri, "-k", str(K), "--all", "--prepared", str(prepared), "--out", str(out)]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    table = pq.read_table(out).to_pandas()
    assert f"{USERS * K} recommendations of everywhere version {uri.rpartition('/')[2]} to {USERS} users" in done.output
    groups = [table[table["user_id"] == user] for user in users]
    return [(group["item_id"].tolist(), group["score"].tolist()) for group in groups]


def by_graphs(uri: str, out: Path, histories: dict[str, list[str]]) -> Lists:
    """As a device does it: files alone, the items seen left out."""
    done = CliRunner().invoke(main, ["export", "--model", uri, "--out", str(out)])
    assert done.exit_code == 0, done.output
    ids = [item["id"] for item in read_json(out / "items.json")]
    device = InferenceSession(out / "float32" / "device.onnx")
    lists: Lists = []
    for history in histories.values():
        given = {"history": np.array([[ids.index(item) + 1 for item in history]])}
        names = [one.name for one in device.get_inputs() if one.name not in ("history", "candidates")]
        weights = InferenceSession(out / "cloud.onnx").run(names, given) if names else []
        candidates = np.array([number for number, item in enumerate(ids, 1) if item not in history])
        fed = {**given, **dict(zip(names, weights, strict=True)), "candidates": candidates}
        [[scores]] = device.run(["scores"], fed)
        best = np.argsort(-scores)[:K]
        lists.append(([ids[number - 1] for number in candidates[best]], scores[best].tolist()))
    return lists


@pytest.mark.parametrize(("head", "backbone"), KINDS)
def test_a_registered_model_answers_the_same_however_it_is_asked(
    head: str, backbone: str, prepared: Path, tmp_path: Path
) -> None:
    version = registered("everywhere", make_model(head, backbone=backbone), prepared, tmp_path)
    uri, people = f"models:/everywhere/{version}", Users.of(prepared)
    histories = {user: people.history(user) or [] for user in people.ids[:6]}
    expected = by_python(uri, histories)
    assert all(len(items) == K for items, _ in expected)
    assert head in ("popular", "lately") or len({tuple(items) for items, _ in expected}) > 1
    follower = Follower(Address.of(uri), Metrics())
    with running(build(follower, Metrics(), Limits(), people)) as address:
        found = {
            "pyfunc": by_pyfunc(uri, histories),
            "HTTP": by_http(address, lambda user: {"history": histories[user]}, histories),
            "HTTP, by user": by_http(address, lambda user: {"user": user}, histories),
            "protocol": by_protocol(address, histories),
            "all": by_command(uri, prepared, tmp_path / "all.parquet", list(histories)),
        }
    if (head, backbone) in EXPORTED:
        found["graphs"] = by_graphs(uri, tmp_path / "device", histories)
    for way, answers in found.items():
        for (items, scores), (wanted, theirs) in zip(answers, expected, strict=True):
            assert items == wanted, way
            assert scores == pytest.approx(theirs, abs=TOLERANCE), way


def test_all_users_are_written_in_parts_of_any_size(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data may be newer than the model: other items under other numbers, of which it knows some."""
    dataset, catalogue = Dataset.load(prepared), catalogue_of(make_model("transitions"), prepared)
    strange = dataset.items.assign(item_id=[f"i{number}" for number in range(3, 3 + len(dataset.items))])
    newer = Dataset(dataset.users, strange, dataset.sequences, dataset.candidates, dataset.stats)
    tables = []
    for at_once in (2048, 7):
        monkeypatch.setattr(solid.registry.everybody, "_AT_ONCE", at_once)
        rows = write_all(catalogue, newer, 20, tmp_path / "all.parquet")
        tables.append(pq.read_table(tmp_path / "all.parquet").to_pandas())
        assert len(tables[-1]) == rows
    pd.testing.assert_frame_equal(*tables)
    table = tables[0]
    assert table.columns.tolist() == ["user_id", "rank", "item_id", "title", "score"]
    assert table["user_id"].unique().tolist() == dataset.users["user_id"].tolist()
    for user, mine in table.groupby("user_id", sort=False):
        assert mine["rank"].tolist() == list(range(1, len(mine) + 1))
        assert (np.diff(mine["score"]) <= 0).all()
        own = dataset.sequences.offsets[int(str(user)[1:]) :][:2]
        seen = {f"i{number + 2}" for number in dataset.sequences.items[own[0] : own[1]]}
        assert not seen & set(mine["item_id"])
    assert (table["title"] == "Item " + table["item_id"]).all()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give a HISTORY; or --all with --prepared and --out"),
        (["i1", "--out", "x.parquet"], "give a HISTORY; or --all with --prepared and --out"),
        (["--all"], "--all needs --prepared and --out, and no HISTORY"),
        (["--all", "--prepared", ".", "--out", "x.csv"], "whose name ends in .parquet"),
        (["--all", "--prepared", ".", "--out", "s3://b/x.parquet"], "give a file on this machine"),
    ],
)
def test_recommend_says_what_it_takes(words: list[str], said: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["recommend", *words])
    assert done.exit_code in (1, 2)
    assert said in done.output
