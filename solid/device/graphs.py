"""A model as ONNX graphs: what makes a user's weights, and what scores items with them.

Where a head generates weights, the cloud's graph ends with them and the device's begins with them: what the generator
makes becomes an output of the one and an input of the other, and whatever only the other needs falls away.

Legend: B users, L history positions, C candidates, D width, I and O a layer's inputs and outputs.
"""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import onnx
import torch
from onnx import ModelProto
from torch import Tensor, nn

from solid.errors import SettingsError
from solid.kinds import HEADS
from solid.models.heads.base import Head
from solid.models.heads.static import StaticHead
from solid.models.layers import Generated, GeneratedLayers
from solid.models.protocols import Encoded, Model
from solid.models.recommender import Recommender

OPSET = 20
"""The first in which GELU is one operator."""
TABLE = "items"
"""The initializer that has a vector of every item, row 0 for padding."""
HISTORY, CANDIDATES, SCORES = "history", "candidates", "scores"
FLOAT16, INT8, SCALE = "_float16", "_int8", "_scale"
_EXAMPLE = (2, 3)  # users and items of the history that a graph is traced with
_TINY = 1e-12  # a column of zeros has no scale


@dataclass(frozen=True)
class Graphs:
    """A model in parts, in 32-bit floats.

    Attributes:
        cloud: history [B, L] -> each layer's ``weight_n`` [B, I, O] and ``bias_n`` [B, O], and the same in fewer bits
            (:func:`_in_fewer_bits`); None of a model that generates nothing.
        device: history [B, L], these weights, candidates [C] -> scores [B, C].
    """

    cloud: ModelProto | None
    device: ModelProto


def graphs_of(model: Model) -> Graphs:
    """Take a model apart.

    All graphs read histories of item numbers from 1, oldest first, right-padded with 0 and at least one place long; of
    longer ones than the model was trained with they take the last items.

    Raises:
        SettingsError: its head is of a kind that cannot be exported; the message names one that can.
    """
    held = _with_held_items(_exportable(model))
    history, candidates = (
        {HISTORY: torch.ones(_EXAMPLE, dtype=torch.long)},
        {CANDIDATES: torch.ones(2, dtype=torch.long)},
    )
    layers = _layers_of(held.head)
    if layers is None:
        return Graphs(None, _traced(_Device(held), {**history, **candidates}, [SCORES]))
    cloud = _Cloud(held, layers)
    made: dict[str, Tensor] = cloud(history[HISTORY])
    weights = {name: tensor for name, tensor in made.items() if not name.endswith((FLOAT16, INT8, SCALE))}
    return Graphs(
        _traced(cloud, history, list(made)),
        _traced(_Device(held, layers), {**history, **weights, **candidates}, [SCORES]),
    )


def without_generation(model: Model) -> ModelProto:
    """What a device's graph would be of the same model with static weights, to know what generating them costs."""
    plain = copy.copy(_exportable(model))
    plain._modules = {**plain._modules, "head": StaticHead(plain.backbone.widths, plain.config, None)}
    return graphs_of(plain).device


def _exportable(model: Model) -> Recommender:
    head = model.config.head
    others = (name for name, kind in HEADS.items() if kind.by_gradients and name != head)
    instead = f"export a head that is a graph: {', '.join(others)}"
    match HEADS[head].by:
        case "counting":
            raise SettingsError(f"head {head}: what it counts is a table of items by items and no graph; {instead}")
        case "mixing":
            raise SettingsError(f"head {head}: it is several models; {instead}, such as a part of it")
    assert isinstance(model, Recommender)
    if type(model.head).adapt is not Head.adapt:
        raise SettingsError(f"head {head}: it takes gradient steps for every user, which no graph does; {instead}")
    return model


class _HeldItems(nn.Module):
    """In the place of an item table: the sums of ids, classes and vectors, made once."""

    table: Tensor
    classes: Tensor | None

    def __init__(self, table: Tensor, classes: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("table", table)
        self.register_buffer("classes", classes)

    def forward(self, items: Tensor) -> Tensor:
        return nn.functional.embedding(items, self.table)

    def classes_of(self, items: Tensor) -> Tensor | None:
        return None if self.classes is None else self.classes[items]


@torch.no_grad()
def _with_held_items(model: Recommender) -> Recommender:
    held = copy.deepcopy(model).eval()
    table = torch.cat([torch.zeros(1, model.config.model.dim), held.items.all()])
    held.items = _HeldItems(table, held.items.classes)  # type: ignore[assignment]
    return held


def _layers_of(head: Head) -> nn.Module | None:
    """Where a head hands what it generated to the layers; None where it generates nothing."""
    found = [module for module in head.modules() if isinstance(module, GeneratedLayers)]
    assert len(found) <= 1
    return found[0] if found else None


def _last(history_BL: Tensor, length: int) -> Tensor:
    """The last items of right-padded histories of any length, in ``length`` places."""
    count_B1 = history_BL.ne(0).sum(1, keepdim=True)
    place_BL = (count_B1 - length).clamp(min=0) + torch.arange(length)
    items_BL = history_BL.gather(1, place_BL.clamp(max=history_BL.shape[1] - 1))
    return torch.where(place_BL < count_B1, items_BL, 0)


def _read(model: Recommender, history_BL: Tensor) -> Encoded:
    return model.read(*model.backbone.question(_last(history_BL, model.config.length)))


@contextmanager
def _on_the_way(layers: nn.Module, change: Any) -> Iterator[None]:
    """Look at, or replace, what the layers are given."""
    hook = layers.register_forward_pre_hook(change)
    try:
        yield
    finally:
        hook.remove()


class _Cloud(nn.Module):
    def __init__(self, model: Recommender, layers: nn.Module) -> None:
        super().__init__()
        self.model = model
        self._layers = [layers]  # in a list, for the model has it as a module already

    def forward(self, history_BL: Tensor) -> dict[str, Tensor]:
        caught: list[Generated] = []
        with _on_the_way(self._layers[0], lambda _, given: caught.append(given[0])):
            _read(self.model, history_BL)
        [made] = caught
        told: dict[str, Tensor] = {}
        for n, (weight, bias) in enumerate(zip(made.weights, made.biases, strict=True), 1):
            told |= {f"weight_{n}": weight, f"bias_{n}": bias}
        return told | _in_fewer_bits(told)


class _Device(nn.Module):
    def __init__(self, model: Recommender, layers: nn.Module | None = None) -> None:
        super().__init__()
        self.model = model
        self._layers = [layers] if layers is not None else []

    def forward(self, history_BL: Tensor, *given: Tensor) -> Tensor:
        *weights, candidates_C = given
        if not self._layers:
            return self.model.score_same(_read(self.model, history_BL), candidates_C)
        generated = Generated(weights[::2], weights[1::2])
        with _on_the_way(self._layers[0], lambda *_: (generated,)):
            return self.model.score_same(_read(self.model, history_BL), candidates_C)


def _in_fewer_bits(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same in 16-bit floats; of matrices also 8-bit integers and a scale [B, 1, O] for each column."""
    told = {name + FLOAT16: tensor.half() for name, tensor in weights.items()}
    for name, tensor in weights.items():
        if name.startswith("weight"):
            scale = tensor.abs().amax(1, keepdim=True).clamp(min=_TINY) / 127
            told |= {name + INT8: (tensor / scale).round().to(torch.int8), name + SCALE: scale}
    return told


@torch.no_grad()
def _traced(module: nn.Module, given: dict[str, Tensor], outputs: Sequence[str]) -> ModelProto:
    """The graph of a module, with the numbers of users, history items and candidates left open.

    It is made by tracing: PyTorch's other exporter comes to the same scores and takes ten seconds a graph.
    """
    axes: dict[str, dict[int, str]] = {name: {0: "users"} for name in (*given, *outputs)}
    axes[HISTORY] = {0: "users", 1: "events"}
    if CANDIDATES in given:
        axes |= {CANDIDATES: {0: "candidates"}, SCORES: {0: "users", 1: "candidates"}}
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing: what it takes as given is the same for all histories
        torch.onnx.export(
            _Flat(module).eval(), tuple(given.values()), file, dynamo=False, opset_version=OPSET,  # type: ignore[arg-type]
            input_names=list(given), output_names=list(outputs), dynamic_axes=axes,
        )  # fmt: skip
    graph = onnx.load_from_string(file.getvalue())
    [table] = [one for one in graph.graph.initializer if one.name.endswith("items.table")]
    for node in graph.graph.node:
        node.input[:] = [TABLE if name == table.name else name for name in node.input]
        node.ClearField("name")  # the path of a module; half of the bytes of a small graph
    table.name = TABLE
    onnx.checker.check_model(graph, full_check=True)
    return graph


class _Flat(nn.Module):
    """What a module returns by name, in the order of the names."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *given: Tensor) -> Tensor | tuple[Tensor, ...]:
        made = self.module(*given)
        return tuple(made.values()) if isinstance(made, dict) else made
