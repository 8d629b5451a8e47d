"""One model out of the chain: which stages make it, and what each of them reads."""

from __future__ import annotations

import pytest

from solid.kinds import HEADS, Ids
from solid.plan import Call, ModelPlan
from solid.settings.fields import Modality
from solid.settings.loading import validated


def said(call: Call) -> dict[str, list[str]]:
    """The folders that it takes, in order -> what each is made from."""
    return {
        made.folder: sorted(source.folder for source in (*made.inputs.values(), *made.parts.values()))
        for made in call.in_order()
    }


def plan(modality: Modality | None, **sections: dict[str, object]) -> ModelPlan:
    wanted = {"semantics": {"modalities": [modality]}} if modality else {}
    return ModelPlan(validated({**sections, **wanted}), modality)


RAW = {"raw": [], "prepared": ["raw"]}
FEATURES = {**RAW, "features": ["prepared", "raw"]}
ITEM = {
    "baseline/static": ["features", "prepared"],
    "item": ["baseline/static", "features", "prepared"],
    "embeddings": ["item", "prepared"],
}


@pytest.mark.parametrize(
    ("head", "ids", "modality", "vectors", "expected"),
    [
        ("static", "item", None, [], {**RAW, "model": ["prepared"]}),
        ("static", "item", None, "auto", {**FEATURES, "model": ["features", "prepared"]}),
        ("popular", "item", None, "auto", {**RAW, "model": ["prepared"]}),
        ("ease", "item", None, [], {**FEATURES, "model": ["features", "prepared"]}),
        (
            "duet", "semantic", "text", "auto",
            {**FEATURES, "semantics": ["features", "prepared"], "model": ["prepared", "semantics"]},
        ),
        (
            "solid", "both", "id", [],
            {
                **RAW, "baseline/static": ["prepared"], "item": ["baseline/static", "prepared"],
                "embeddings": ["item", "prepared"], "semantics": ["embeddings", "prepared"],
                "model": ["baseline/static", "prepared", "semantics"],
            },
        ),
        (
            "solid", "both", "id_text", "auto",
            {
                **FEATURES, **ITEM, "semantics": ["embeddings", "features", "prepared"],
                "model": ["baseline/static", "features", "prepared", "semantics"],
            },
        ),
        (
            "mixture", "item", "text", "auto",
            {
                **FEATURES, "item": ["baseline/static", "features", "prepared"],
                "baseline/ease": ["features", "prepared"], "baseline/static": ["features", "prepared"],
                "semantics": ["features", "prepared"],
                "solid/text": ["baseline/static", "features", "prepared", "semantics"],
                "model": ["baseline/ease", "baseline/static", "item", "prepared", "solid/text"],
            },
        ),
    ],
)  # fmt: skip
def test_a_model_takes_what_it_reads_and_nothing_else(
    head: str, ids: Ids, modality: Modality | None, vectors: object, expected: dict[str, list[str]]
) -> None:
    at_hand = plan(modality, model={"vectors": vectors}, evaluation={"baselines": ["ease", "static"]})
    assert said(at_hand.model(head, ids)) == expected


@pytest.mark.parametrize("sections", [{"training": {"trunk": "own"}}, {"model": {"form": "released", "layers": 1}}])
def test_without_a_trunk_solid_starts_from_the_semantic_model(sections: dict[str, dict[str, object]]) -> None:
    at_hand = said(plan("text", **{"model": {"vectors": []}, **sections}).model("solid", "both"))
    assert at_hand["model"] == ["prepared", "semantic", "semantics"]
    assert at_hand["semantic"] == ["prepared", "semantics"]
    assert "baseline/static" not in at_hand


def test_each_call_comes_after_those_that_it_reads() -> None:
    for head, kind in HEADS.items():
        for ids in kind.ids:
            done: set[str] = set()
            for call in plan("id_text").score(head, ids).in_order():
                assert done.issuperset(source.folder for source in (*call.inputs.values(), *call.parts.values()))
                assert call.folder not in done
                done.add(call.folder)
            assert {"model", "score"} <= done


def test_a_mixture_names_its_parts_as_the_chain_does() -> None:
    at_hand = plan("id", fusion={"generator": "apg"}, evaluation={"baselines": ["transitions", "static"]})
    parts = at_hand.model("mixture", "item").parts
    assert {name: call.options["head"] for name, call in parts.items()} == {
        "transitions": "transitions", "static": "static", "apg": "apg", "SOLID id": "solid",
    }  # fmt: skip
