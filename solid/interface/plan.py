"""Which steps make one model out of a folder of raw files, as calls one after another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from solid.kinds import HEADS, Ids
from solid.settings.schema import Head, Modality, Settings


@dataclass(frozen=True)
class Call:
    """One call of a step.

    Attributes:
        name: for people.
        step: which.
        out: name of the folder that it writes, in the folder that holds all of them.
        folders: argument of the step -> name of the folder that it reads; None: it does without.
        options: arguments of the step that are neither settings nor folders.
    """

    name: str
    step: str
    out: str
    folders: Mapping[str, str | None] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


def calls_for(head: Head, ids: Ids, modality: Modality | None, settings: Settings) -> Iterator[Call]:
    """From ``data.source`` to the folder ``model``.

    Args:
        head: of the model.
        ids: what its embeddings are of.
        modality: what its classes are made from; None for a model that reads none.
        settings: of the whole chain.
    """
    kind, generator = HEADS[head], settings.fusion.generator
    parts = modality.split("_") if modality else []
    yield Call("ingest", "ingest", "raw")
    yield Call("prepare", "prepare", "prepared", {"raw": "raw"})
    features = embeddings = semantics = start = None
    if {"text", "image"} & set(parts):
        features = "features"
        yield Call("features", "features", features, {"raw": "raw", "prepared": "prepared"}, {"modalities": [modality]})
    if "id" in parts:
        embeddings = "embeddings"
        yield _train("item model", generator, "item", "item")
        yield Call("embed", "embed", embeddings, {"prepared": "prepared", "model": "item"})
    if modality:
        semantics = "semantics"
        read = {"prepared": "prepared", "features": features, "embeddings": embeddings}
        yield Call("assign", "assign", semantics, read, {"modality": modality})
    if modality and kind.starts_from_semantic_model(settings):
        start = "semantic"
        yield _train("semantic model", generator, "semantic", start, semantics)
    yield _train(head, head, ids, "model", semantics, start)


SCORE = Call("evaluate", "score", "score", {"prepared": "prepared", "model": "model"})
"""Of the model, on the test users."""


def _train(name: str, head: str, ids: str, out: str, semantics: str | None = None, start: str | None = None) -> Call:
    folders = {"prepared": "prepared", "semantics": semantics, "semantic_model": start}
    return Call(f"train {name}", "train", out, folders, {"head": head, "ids": ids})
