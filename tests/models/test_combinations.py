"""Every backbone with every head: it learns, all of it trains, it survives the disk, and nothing else moves a score."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from losses import loss_of
from torch import Tensor

from solid.models.recommender import Recommender
from solid.models.storage import load_model
from solid.settings.schema import ApgSettings

Make = Callable[..., Recommender]
BACKBONES = ["sasrec", "gru4rec", "bert4rec", "din"]
HEADS = [
    *product(["static", "finetune", "duet", "apg"], ["item", "semantic", "both"], [{}]),
    ("apg", "item", {"apg": ApgSettings(rank=4, expansion=12)}),
    *[
        ("solid", ids, {"generator": generator, "bound": "tanh", "t": 0.1})
        for ids, generator in product(["item", "both"], ["duet", "apg"])
    ],
    *[
        ("solid", "item", {"branches": branches, "codebook": codebook})
        for branches, codebook in product(["both", "item"], ["none", "vae", "frozen", "loss", "ema"])
    ],
    *[
        ("solid", "item", {"generator": "apg", "branches": branches, "codebook": codebook})
        for branches, codebook in [("both", "none"), ("both", "vae"), ("both", "loss"), ("item", "ema")]
    ],
    *[("solid", ids, {"branches": "semantic"}) for ids in ("item", "both")],
    ("solid", "both", {"branches": "semantic", "generator": "apg"}),
    ("solid", "both", {"branches": "item"}),
    ("solid", "both", {"codebook": "none"}),
    *[("solid", "item", {"bound": bound, "t": 0.1}) for bound in ("none", "clip")],
]
KINDS = [
    pytest.param(backbone, *kind, id="-".join([backbone, *map(str, kind[:2]), *map(str, kind[2].values())]))
    for backbone, kind in product(BACKBONES, HEADS)
]
combinations = pytest.mark.parametrize(("backbone", "head", "ids", "more"), KINDS)


@combinations
def test_every_combination_learns_trains_all_of_it_and_survives_save_and_load(
    make_model: Make,
    histories: Tensor,
    candidates: Tensor,
    tmp_path: Path,
    backbone: str,
    head: str,
    ids: str,
    more: dict,
) -> None:
    model = make_model(head, ids, backbone=backbone, **more).train()
    before = {name: tensor.clone() for name, tensor in model.named_parameters()}
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(12):
        torch.manual_seed(0)  # the same noise and hidden positions, so that losses can be compared
        loss = loss_of(model, histories, candidates)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.97 * losses[0]
    unmoved = [name for name, tensor in model.named_parameters() if torch.equal(tensor, before[name])]
    # A key's bias shifts all attention logits of a query alike, so softmax cancels it: its gradient is rounding noise.
    assert unmoved in ([], ["backbone.key.bias"])

    model.eval()
    model.save(tmp_path)
    with torch.no_grad():
        expected = model.score(model.encode(histories), candidates)
        again = Recommender.load(tmp_path, fold=False)
        assert again.state_dict().keys() == model.state_dict().keys()
        assert torch.equal(again.score(again.encode(histories), candidates), expected)
        folded = load_model(tmp_path)
        torch.testing.assert_close(folded.score(folded.encode(histories), candidates), expected)


@combinations
def test_neither_padding_nor_the_batch_nor_the_other_candidates_change_a_score(
    make_model: Make, histories: Tensor, candidates: Tensor, backbone: str, head: str, ids: str, more: dict[str, Any]
) -> None:
    model = make_model(head, ids, backbone=backbone, **more).eval()
    with torch.no_grad():
        together = model.score(model.encode(histories), candidates)
        for user in range(len(histories)):
            short = histories[user : user + 1, : user + 1]  # alone, and without its padding
            alone = model.score(model.encode(short), candidates[user : user + 1])
            torch.testing.assert_close(alone[0], together[user], atol=1e-5, rtol=0)
        everything = model.score_all(model.encode(histories))
    torch.testing.assert_close(everything.gather(1, candidates - 1), together, atol=1e-5, rtol=0)
    assert together.std(dim=0).gt(1e-6).any(), "scores must depend on the user"


def test_folding_leaves_no_expanded_factor(make_model: Make) -> None:
    model = make_model("apg", apg=ApgSettings(rank=4, expansion=12))
    expanded = {name: tuple(tensor.shape) for name, tensor in model.named_parameters() if ".layers." in name}
    assert expanded["head.generator.layers.before.0"] == (8, 12)
    model.fold()
    shared = {name: tuple(tensor.shape) for name, tensor in model.named_parameters() if ".layers." in name}
    assert shared == {
        "head.generator.layers.before.0": (8, 4),
        "head.generator.layers.before.1": (8, 4),
        "head.generator.layers.after.0": (4, 8),
        "head.generator.layers.after.1": (4, 8),
    }


@pytest.mark.parametrize("expansion", [0, 16, 48])
def test_low_rank_layers_start_at_the_scale_of_an_ordinary_layer(make_model: Make, expansion: int) -> None:
    torch.manual_seed(0)
    from solid.models.layers import Generated, LowRank

    layers = LowRank([32, 32, 32], 16, expansion)
    core = layers.start(0)
    [before, _, after] = layers(Generated([core, core], [torch.zeros(32)] * 2)).factors[0]
    matrix = before @ core @ after
    assert 0.7 < matrix.std() / (2 / 64) ** 0.5 < 1.3


@pytest.mark.parametrize("head", ["static", "duet", "solid"])
def test_what_cloze_hides_reaches_nothing_that_the_hidden_item_is_scored_with(make_model: Make, head: str) -> None:
    """With random histories there is nothing to learn, so a Cloze loss below that of guessing copies the answer."""
    model = make_model(head, backbone="bert4rec").train()
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(150):
        histories = torch.randint(1, 51, (64, 10), generator=generator)
        loss = model.encode(histories).losses["cloze"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    guessing = (0.2 * torch.tensor(5.0).log() + 0.8 * torch.tensor(1.25).log()).item()
    assert sum(losses[-50:]) / 50 > guessing - 0.003


@pytest.mark.parametrize("backbone", BACKBONES)
def test_finetuning_in_parts_changes_no_score(
    make_model: Make, histories: Tensor, candidates: Tensor, monkeypatch: pytest.MonkeyPatch, backbone: str
) -> None:
    model = make_model("finetune", backbone=backbone).eval()
    with torch.no_grad():
        whole = model.score(model.encode(histories), candidates)
        monkeypatch.setattr("solid.models.heads.finetune._CELLS", 3 * 10**2 * 5 * 8)  # three users at once
        parts = model.score(model.encode(histories), candidates)
    torch.testing.assert_close(parts, whole)
