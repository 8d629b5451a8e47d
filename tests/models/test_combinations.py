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
from solid.models.storage import load_model, save_model
from solid.settings.heads import ApgSettings

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
RESIDUAL = [
    *[(head, ids, {"form": "residual"}) for head, ids, _ in HEADS[:12]],
    *[("solid", ids, {"form": "residual", "generator": generator}) for ids, generator in
      [("item", "apg"), ("both", "duet")]],
    ("solid", "both", {"form": "residual", "branches": "item"}),
    ("solid", "both", {"form": "residual", "branches": "semantic"}),
]  # fmt: skip
KINDS = [
    pytest.param(backbone, *kind, id="-".join([backbone, *map(str, kind[:2]), *map(str, kind[2].values())]))
    for backbone, kind in product(BACKBONES, HEADS + RESIDUAL)
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
    assert [name for name in unmoved if not name.endswith(".key.bias")] == []

    model.eval()
    save_model(tmp_path, model)
    with torch.no_grad():
        expected = model.score(model.encode(histories), candidates)
        again = load_model(tmp_path, fold=False)
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


@pytest.mark.parametrize("form", ["released", "residual"])
@pytest.mark.parametrize("head", ["static", "duet", "solid"])
def test_what_is_hidden_reaches_nothing_that_the_hidden_item_is_scored_with(
    make_model: Make, head: str, form: str
) -> None:
    """With random histories there is nothing to learn, so a loss below that of guessing copies the answer."""
    model = make_model(head, backbone="bert4rec", form=form).train()
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(100):
        histories = torch.randint(1, 51, (64, 10), generator=generator)
        task = model.backbone.task(histories, torch.ones_like(histories, dtype=torch.bool))
        logits = model.score_all(model.read(task.items_BL, task.rows))
        loss = torch.nn.functional.cross_entropy(logits, task.targets_R - 1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-30:]) / 30 > torch.tensor(50.0).log() - 0.02


@pytest.mark.parametrize("backbone", ["sasrec", "gru4rec", "din"])
@pytest.mark.parametrize("head", ["static", "duet", "solid"])
def test_what_is_asked_at_a_position_knows_nothing_of_what_comes_after_it(
    make_model: Make, histories: Tensor, backbone: str, head: str
) -> None:
    """All positions in one pass give the scores that each prefix gives alone."""
    model = make_model(head, backbone=backbone, form="residual").eval()
    task = model.backbone.task(histories, histories.ne(0) & (torch.arange(10) > 0))
    with torch.no_grad():
        together = model.score_all(model.read(task.items_BL, task.rows))
        for row, (user, position) in enumerate(zip(task.rows.user_R, task.rows.position_R, strict=True)):
            assert task.targets_R[row] == histories[user, position + 1]
            alone = model.score_all(model.encode(histories[user : user + 1, : position + 1]))
            torch.testing.assert_close(together[row], alone[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("head", ["static", "duet", "apg", "solid"])
def test_a_residual_head_starts_as_the_trunk_without_it(make_model: Make, histories: Tensor, head: str) -> None:
    model = make_model(head, backbone="sasrec", form="residual", codebook="none").eval()
    trunk = make_model("static", backbone="sasrec", form="residual").eval()
    trunk.load_state_dict({name: t for name, t in model.state_dict().items() if name in trunk.state_dict()})
    with torch.no_grad():
        torch.testing.assert_close(
            model.score_all(model.encode(histories)), trunk.score_all(trunk.encode(histories)), atol=0, rtol=0
        )


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("form", ["released", "residual"])
def test_finetuning_in_parts_changes_no_score(
    make_model: Make, histories: Tensor, candidates: Tensor, monkeypatch: pytest.MonkeyPatch, backbone: str, form: str
) -> None:
    model = make_model("finetune", backbone=backbone, form=form).eval()
    with torch.no_grad():
        whole = model.score(model.encode(histories), candidates)
        monkeypatch.setattr("solid.models.heads.finetune._CELLS", 3 * 10**2 * 5 * 8)  # three users at once
        parts = model.score(model.encode(histories), candidates)
    torch.testing.assert_close(parts, whole)
