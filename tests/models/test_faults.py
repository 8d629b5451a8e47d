"""Faults of the released models (docs/faults.md lists all): each test fails when the fault is put back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from losses import loss_of
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from solid.data.dataset import Dataset
from solid.data.sequences import Sequences
from solid.errors import DataError
from solid.evaluation.scoring import View, score_candidates
from solid.models.heads.codebook import Codebook
from solid.models.heads.generator import WeightGenerator
from solid.models.layers import FullRank, Rows, real_of
from solid.models.recommender import Recommender
from solid.models.storage import load_model, save_model

Make = Callable[..., Recommender]
KINDS = [("static", "item"), ("static", "semantic"), ("duet", "item"), ("apg", "both"), ("solid", "item")]
LEARNING = ["frozen", "loss", "ema"]


def test_a_learned_codebook_moves_and_a_frozen_one_stays() -> None:
    hidden = torch.randn(4, 10, 8, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(4, 10, dtype=torch.bool)
    for learning, moves in (("ema", True), ("frozen", False)):
        codebook = Codebook(6, 8, learning).train()
        before = codebook.codes.clone()
        codebook(hidden, mask)
        assert torch.equal(codebook.codes, before) is not moves
        codebook.eval()
        before = codebook.codes.clone()
        codebook(hidden, mask)
        assert torch.equal(codebook.codes, before), "evaluation must not move codes"


@pytest.mark.parametrize("learning", ["loss", "ema"])
def test_dead_codes_are_revived(learning: str) -> None:
    torch.manual_seed(0)
    codebook = Codebook(8, 4, learning).train()
    codebook.start_from(torch.cat([torch.randn(4, 4), torch.full((4, 4), 100.0)]))  # four codes nothing comes near
    hidden = torch.randn(64, 10, 4)
    for _ in range(500):
        codebook(hidden, torch.ones(64, 10, dtype=torch.bool))
    assert codebook.nearest(hidden.flatten(0, 1)).bincount(minlength=8).min() > 0


def test_generated_layers_start_at_the_scale_of_an_ordinary_layer() -> None:
    torch.manual_seed(0)
    layers = WeightGenerator(32, FullRank([32, 32, 32]))(
        torch.randn(64, 10, 32).tanh(), Rows.last(torch.ones(64, 10, dtype=torch.long))
    )
    xavier = (2 / (32 + 32)) ** 0.5
    for weight in layers.weights:
        assert 0.9 * xavier < weight.std() < 1.2 * xavier
        assert 0 < weight.std(dim=0).mean() < 0.2 * xavier, "users must differ, but hardly"


@pytest.mark.parametrize(("head", "ids"), KINDS)
def test_an_empty_history_has_finite_scores(make_model: Make, head: str, ids: str) -> None:
    model = make_model(head, ids).eval()
    assert model.score_all(model.encode(torch.zeros(2, 10, dtype=torch.long))).isfinite().all()


@pytest.mark.parametrize("bound", ["clip", "tanh"])
def test_the_item_branch_differs_between_users_and_is_not_saturated(
    make_model: Make, histories: Tensor, bound: str
) -> None:
    model = make_model("solid", "item", bound=bound, t=0.01, codebook="none").eval()
    with torch.no_grad():
        layers = model.head.item(model.history(model.items(histories)), Rows.last(histories))
        correction = model.head.bound(layers.weights[0])
    assert (correction.std(dim=0) > 0).float().mean() > 0.99, "most entries are the same for every user"
    assert (correction.abs() < 0.0099).float().mean() > 0.5, "most entries sit at the bound"
    assert correction.abs().max() <= 0.01


@pytest.mark.parametrize("learning", LEARNING)
def test_gradients_reach_the_item_branch_through_the_codebook(
    make_model: Make, histories: Tensor, candidates: Tensor, learning: str
) -> None:
    model = make_model("solid", "item", bound="tanh", t=0.1, codebook=learning)
    hidden = model.history(model.items(histories)).detach().requires_grad_()
    model.head.item(model.head.codebook.eval()(hidden, real_of(histories)).hidden_BLD, Rows.last(histories)).weights[
        0
    ].sum().backward()
    assert hidden.grad is not None
    assert hidden.grad[real_of(histories)].abs().sum(1).gt(0).all()


def test_padding_does_not_count_in_the_alignment_and_codebook_losses(make_model: Make, histories: Tensor) -> None:
    for learning in LEARNING:
        losses = make_model("solid", "item", codebook=learning).train().encode(histories).losses
        rows = [
            make_model("solid", "item", codebook="frozen").train().encode(h[h.ne(0)].unsqueeze(0)) for h in histories
        ]
        lengths = histories.ne(0).sum(1)
        expected = sum(row.losses["alignment"] * n for row, n in zip(rows, lengths, strict=True)) / lengths.sum()
        torch.testing.assert_close(losses["alignment"], expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("head", "ids"), KINDS)
def test_no_position_table_is_taller_than_a_history(make_model: Make, head: str, ids: str) -> None:
    tables = [tensor for name, tensor in make_model(head, ids).named_parameters() if "position" in name]
    assert tables and all(len(table) == 10 for table in tables)


@pytest.mark.parametrize(("head", "ids"), KINDS)
def test_the_padding_row_of_every_embedding_is_and_stays_zero(
    make_model: Make, histories: Tensor, candidates: Tensor, head: str, ids: str
) -> None:
    model = make_model(head, ids)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    loss_of(model, histories, candidates).backward()
    optimizer.step()
    tables = [tensor for name, tensor in model.named_parameters() if name.endswith(("embedding.weight", "id.weight"))]
    assert tables and not any(table[0].any() for table in tables)


def test_the_nearest_code_is_found_in_chunks_and_is_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    codebook = Codebook(37, 8, "frozen")
    hidden = torch.randn(101, 8)
    expected = torch.cdist(hidden, codebook.codes).argmin(1)
    for cells in (1, 37 * 10, 1 << 22):
        monkeypatch.setattr("solid.models.heads.codebook._CELLS", cells)
        assert torch.equal(codebook.nearest(hidden), expected)


def test_the_look_up_holds_no_table_of_differences() -> None:
    class Largest(TorchDispatchMode):
        numbers = 0

        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = function(*args, **(kwargs or {}))
            for tensor in result if isinstance(result, (list, tuple)) else [result]:
                self.numbers = max(self.numbers, tensor.untyped_storage().size() // 4)
            return result

    codebook, hidden = Codebook(590, 32, "frozen"), torch.randn(1024 * 10, 32)
    with Largest() as seen:
        codebook.nearest(hidden)
    assert seen.numbers <= 1 << 22, "the released code held 1,024 x 10 x 590 x 32 numbers"


def test_a_user_is_encoded_once_for_all_candidates(make_model: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    items = torch.randint(1, 51, (60,), generator=torch.Generator().manual_seed(0)).numpy()
    sequences = Sequences(items.astype(np.int32), np.arange(0, 61, 6), 50)
    drawn = {split: sequences.untouched().sample_different(20, np.random.default_rng(0)) for split in ("valid", "test")}
    dataset = Dataset(pd.DataFrame(index=range(10)), pd.DataFrame(index=range(50)), sequences, drawn, {})
    encoded, read = [], Recommender.read
    monkeypatch.setattr(Recommender, "read", lambda self, h, rows: encoded.append(len(h)) or read(self, h, rows))
    model = make_model("solid", "item")
    assert score_candidates(model, View.of(model, dataset, "test"), 4).shape == (10, 21)
    assert encoded == [4, 4, 2]


def test_a_model_folder_holds_no_pickle_and_a_broken_one_is_refused(make_model: Make, tmp_path: Path) -> None:
    save_model(tmp_path, make_model("solid", "item"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    (tmp_path / "model.safetensors").write_bytes(b"\x80\x04]\x94.")  # a pickle
    with pytest.raises(DataError, match="train it again"):
        load_model(tmp_path)
    with pytest.raises(DataError, match="no such file"):
        load_model(tmp_path / "nowhere")


@pytest.mark.parametrize("kind", [torch.float16, torch.int64, torch.float64, "nan", "inf"])
def test_weights_of_another_type_or_without_numbers_are_refused(
    make_model: Make, tmp_path: Path, kind: torch.dtype | str
) -> None:
    save_model(tmp_path, make_model("solid", "item"))
    assert load_model(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    name = next(name for name, tensor in tensors.items() if tensor.is_floating_point())
    if isinstance(kind, str):
        tensors[name].view(-1)[0] = float(kind)
    else:
        tensors[name] = tensors[name].to(kind)
    save_file(tensors, tmp_path / "model.safetensors")
    said = "holds values that are no numbers" if isinstance(kind, str) else f"is {kind}, not torch.float32"
    with pytest.raises(DataError, match=rf"model\.safetensors: {name} {said}; train it again"):
        load_model(tmp_path)
