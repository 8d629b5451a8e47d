"""The released models' weights in these models must give the released models' outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from solid.models.config import ModelConfig
from solid.models.layers import real_of
from solid.models.recommender import Recommender
from solid.settings.heads import FusionSettings
from solid.settings.schema import ModelSettings

TOLERANCE = 1e-4
RELEASED = ModelSettings(form="released", dim=32, length=10, layers=1, attention_heads=4, dropout=0.0)


def released(golden: Path, name: str) -> dict[str, Tensor]:
    with np.load(golden / f"{name}.npz", allow_pickle=False) as arrays:
        return {key.removeprefix("state/"): torch.from_numpy(np.array(arrays[key])) for key in arrays.files}


def mlp(theirs: dict[str, Tensor], prefix: str, ours: str) -> dict[str, Tensor]:
    return {f"{ours}.{n}.{kind}": theirs[f"{prefix}.net.{n}.{kind}"] for n in (0, 2) for kind in ("weight", "bias")}


def history(theirs: dict[str, Tensor], kind: str, ours: str) -> dict[str, Tensor]:
    embedding = theirs[f"_{kind}id_encoder._embedding_matrix.weight"].clone()
    return {
        "items.id.weight" if ours == "history" else "head.classes.embedding.weight": embedding,
        f"{ours}.position": theirs[f"_{kind}position_embedding._embedding_matrix.weight"][:10],
        f"{ours}.project.weight": theirs[f"_{kind}seq_trans.net.0.weight"],
        f"{ours}.project.bias": theirs[f"_{kind}seq_trans.net.0.bias"],
    }


def backbone(theirs: dict[str, Tensor], kind: str) -> dict[str, Tensor]:
    prefix, ours = f"_{kind}transformer.", {}
    for what in ("weight", "bias"):
        parts = theirs[f"{prefix}self_attn.in_proj_{what}"].chunk(3)
        ours |= {
            f"backbone.blocks.0.{name}.{what}": part
            for name, part in zip(("query", "key", "value"), parts, strict=True)
        }
        ours |= {
            f"backbone.blocks.0.{name}.{what}": theirs[f"{prefix}{other}.{what}"]
            for name, other in {
                "out": "self_attn.out_proj",
                "norm_attention": "norm1",
                "norm_feed_forward": "norm2",
                "feed_forward.0": "linear1",
                "feed_forward.3": "linear2",
            }.items()
        }
    return ours


def generator(theirs: dict[str, Tensor], kind: str, first: int, ours: str) -> dict[str, Tensor]:
    prefix = "_meta_classifier_param_list."
    state = {
        f"{ours}.gru.{name}": theirs[f"{prefix}_{kind}gru_cell.{name}"]
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    }
    state |= mlp(theirs, f"{prefix}_{kind}mlp_trans", f"{ours}.mlp")
    for n in (0, 1):
        for which, name in ((first, "weights"), (first + 1, "biases")):
            state[f"{ours}.{name}.{n}.weight"] = theirs[f"generator/w{which}.{n}"].T
            state[f"{ours}.{name}.{n}.bias"] = theirs[f"generator/b{which}.{n}"]
    return state


def build(head: str, theirs: dict[str, Tensor], state: dict[str, Tensor], codebook: str | None = None) -> Recommender:
    fusion: dict[str, Any] = {"bound": "clip", "t": 0.01, "codebook": codebook or "none"}
    config = ModelConfig(
        head=head, ids="item", modality=None, n_items=60, n_classes=16,
        model=RELEASED, fusion=FusionSettings(**fusion) if head == "solid" else None, digest="",
    )  # fmt: skip
    model = Recommender(config, theirs["semantic_of_item"] if head == "solid" else None)
    if codebook:  # the released code searches the padding row of its table too
        model.head.codebook.codes = torch.empty_like(theirs["codebook"])
        model.head.codebook.used = torch.zeros(len(theirs["codebook"]))
    own = {"items.classes": theirs["semantic_of_item"].unsqueeze(1)} if head == "solid" else {}
    model.load_state_dict(own | state, strict=True)
    return model.eval()


def logits(model: Recommender, theirs: dict[str, Tensor]) -> Tensor:
    with torch.no_grad():
        return model.score(model.encode(theirs["clicks"]), theirs["target"].unsqueeze(1))


def assert_equal_logits(model: Recommender, theirs: dict[str, Tensor]) -> None:
    torch.testing.assert_close(logits(model, theirs), theirs["out/logits"], atol=TOLERANCE, rtol=0)


def solid_state(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    return (
        history(theirs, "item_", "history")
        | backbone(theirs, "item_")
        | mlp(theirs, "_item_target_trans", "target")
        | history(theirs, "category_", "head.history")
        | generator(theirs, "item_", 1, "head.item")
        | generator(theirs, "category_", 3, "head.semantic")
    )


def test_static_sasrec_gives_the_released_logits(golden: Path) -> None:
    theirs = released(golden, "sasrec")
    state = history(theirs, "", "history") | backbone(theirs, "") | mlp(theirs, "_target_trans", "target")
    assert_equal_logits(build("static", theirs, state | mlp(theirs, "_classifier", "head.mlp")), theirs)


def test_duet_gives_the_released_logits(golden: Path) -> None:
    theirs = released(golden, "meta_sasrec")
    state = history(theirs, "", "history") | backbone(theirs, "") | mlp(theirs, "_target_trans", "target")
    assert_equal_logits(build("duet", theirs, state | generator(theirs, "", 1, "head.generator")), theirs)


def test_fusion_gives_the_released_logits(golden: Path) -> None:
    theirs = released(golden, "meta_sasrec_fusion")
    assert_equal_logits(build("solid", theirs, solid_state(theirs)), theirs)


def test_fusion_with_codebook_gives_the_released_logits_codes_and_alignment_loss(golden: Path) -> None:
    theirs = released(golden, "meta_sasrec_fusion_vqvae")
    state = solid_state(theirs) | {"head.codebook.codes": theirs["codebook"]}
    for n in (0, 2):
        for kind in ("weight", "bias"):
            name = f"_meta_classifier_param_list.vqvae.decode.{n}.{kind}"
            state[f"head.codebook.decode.{n}.{kind}"] = theirs[name]
    model = build("solid", theirs, state, codebook="frozen")
    assert_equal_logits(model, theirs)

    with torch.no_grad():
        hidden = model.history(model.items(theirs["clicks"]))
        coded = model.head.codebook(hidden, real_of(theirs["clicks"]))
        losses = model.train().encode(theirs["clicks"]).losses
    assert torch.equal(coded.nearest_BL, theirs["out/nearest_code"])
    weight = model.config.fusion.alignment
    torch.testing.assert_close(losses["alignment"] / weight, theirs["out/alignment_loss"], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("name", ["sasrec", "meta_sasrec", "meta_sasrec_fusion", "meta_sasrec_fusion_vqvae"])
def test_the_golden_histories_have_no_padding(golden: Path, name: str) -> None:
    assert released(golden, name)["clicks"].ne(0).all()
