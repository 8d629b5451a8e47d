"""Graphs for ONNX Runtime: PyTorch's scores from every backbone and head, whatever the history."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from solid.errors import SettingsError
from solid.models.layers import shortened
from solid.models.recommender import Recommender

pytest.importorskip("onnxruntime", reason="no ONNX Runtime; pip install 'solid-rec[device]'")

from solid.device.graphs import graphs_of, without_generation
from solid.device.precision import in_precision, table_apart
from solid.device.runtime import GraphScorer

Make = Callable[..., Recommender]
BACKBONES = ["sasrec", "gru4rec", "bert4rec", "din"]
HEADS: list[tuple[str, str, dict[str, Any]]] = [
    ("static", "both", {}),
    ("duet", "item", {}),
    ("apg", "semantic", {}),
    ("solid", "both", {}),
    ("solid", "item", {"generator": "apg", "codebook": "vae"}),
]


def opened(model: Recommender, folder: Path, precision: str = "float32", stale: int = 0) -> GraphScorer:
    """A model as its graphs."""
    graphs = graphs_of(model)
    apart, table = table_apart(in_precision(graphs.device, precision))  # type: ignore[arg-type]
    (folder / "device.onnx").write_bytes(apart)
    (folder / "items.bin").write_bytes(table)
    if graphs.cloud is None:
        return GraphScorer(model, folder / "device.onnx", None)
    (folder / "cloud.onnx").write_bytes(graphs.cloud.SerializeToString())
    return GraphScorer(model, folder / "device.onnx", folder / "cloud.onnx", stale)


def moved(model: Recommender) -> Recommender:
    """A model that generates something: fresh ones of the residual form add zero."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
        for name, table in model.named_parameters():
            if "embedding.weight" in name or name == "items.id.weight":
                table[0] = 0
    return model.eval()


@torch.inference_mode()
def scores(model: Any, items_BL: Tensor) -> Tensor:
    return model.score_all(model.encode(items_BL))


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize(("head", "ids", "more"), HEADS, ids=lambda value: str(value) if value else "")
def test_onnx_runtime_gives_the_scores_of_pytorch(
    make_model: Make, tmp_path: Path, backbone: str, head: str, ids: str, more: dict[str, Any]
) -> None:
    form = "released" if more or head == "static" else "residual"
    model = moved(make_model(head, ids, backbone=backbone, form=form, **more))
    graph = opened(model, tmp_path)
    length = model.config.length
    items_BL = torch.randint(1, 51, (2 * length, length + 3)) * (
        torch.arange(length + 3) < torch.arange(2 * length)[:, None]
    )
    expected_BN = scores(model, shortened(items_BL, length))
    assert expected_BN.std(0).min() > 1e-3  # histories matter
    np.testing.assert_allclose(scores(graph, items_BL), expected_BN, atol=1e-5, rtol=1e-5)
    one = graph.encode(items_BL[4:5, :4])  # another number of users, events and candidates
    some = np.array([7, 3, 7])
    np.testing.assert_allclose(graph.score_same(one, some)[0], expected_BN[4, some - 1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("precision", "close"), [("float16", 0.01), ("int8", 0.15)])
@pytest.mark.parametrize("head", ["duet", "apg"])
def test_fewer_bits_score_nearly_the_same_and_take_that_many_bytes(
    make_model: Make, tmp_path: Path, histories: Tensor, head: str, precision: str, close: float
) -> None:
    model = moved(make_model(head, form="residual"))
    graph = opened(model, tmp_path, precision)
    difference = (scores(graph, histories) - scores(model, histories)).abs().max()
    assert 1e-5 < difference < close * scores(model, histories).abs().max()
    width = {"duet": 8, "apg": 4}[head]  # of two layers' matrices; their biases are of 8
    matrices, columns, biases = 2 * width * width, 2 * width, 2 * 8
    expected = {"float16": 2 * (matrices + biases), "int8": matrices + 4 * columns + 2 * biases}[precision]
    assert graph.encode(histories).bytes == expected
    vectors = (tmp_path / "items.bin").read_bytes()
    assert len(vectors) == (50 + 1) * 8 * {"float16": 2, "int8": 1}[precision]
    assert not any(vectors[: len(vectors) // 51])  # padding


def test_weights_may_be_of_the_history_as_it_was(make_model: Make, tmp_path: Path, histories: Tensor) -> None:
    model = moved(make_model("duet", form="residual"))
    now, stale = opened(model, tmp_path), opened(model, tmp_path, stale=2)
    before = histories * (torch.arange(10) < (histories.ne(0).sum(1) - 2).clamp(min=0)[:, None])
    for name, weights in stale.encode(histories).weights.items():
        np.testing.assert_array_equal(weights, now.encode(before).weights[name])
        assert not np.array_equal(weights, now.encode(histories).weights[name])
    assert not torch.allclose(scores(now, histories), scores(stale, histories))


def test_the_same_model_gives_the_same_bytes_and_stays_as_it_is(make_model: Make, histories: Tensor) -> None:
    model = moved(make_model("solid", "both", form="residual", generator="apg"))
    before = scores(model, histories)
    first, second = ([*table_apart(graphs.device), graphs.cloud.SerializeToString()] for graphs in
                     (graphs_of(model), graphs_of(model)))  # fmt: skip
    assert first == second
    assert torch.equal(scores(model, histories), before)


def test_without_generation_a_graph_takes_no_weights(make_model: Make) -> None:
    plain = without_generation(make_model("duet", form="residual"))
    assert [value.name for value in plain.graph.input] == ["history", "candidates"]
    static = graphs_of(make_model("static", form="residual")).device
    assert [node.op_type for node in plain.graph.node] == [node.op_type for node in static.graph.node]


def test_a_head_that_is_no_graph_is_refused(make_model: Make) -> None:
    with pytest.raises(SettingsError, match=r"^head finetune: .*gradient steps.*; export a head .*: static, duet, apg"):
        graphs_of(make_model("finetune"))
    counted = SimpleNamespace(config=SimpleNamespace(head="ease"))
    with pytest.raises(SettingsError, match=r"^head ease: what it counts .*; export a head that is a graph: static"):
        graphs_of(counted)  # type: ignore[arg-type]
    mixture = SimpleNamespace(config=SimpleNamespace(head="mixture"))
    with pytest.raises(SettingsError, match=r"^head mixture: it is several models; export .* such as a part of it"):
        graphs_of(mixture)  # type: ignore[arg-type]
