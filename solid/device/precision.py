"""A device's graph in fewer bits: what is stored and sent shrinks, sums are made in 32-bit floats all the same.

Nothing depends on how a processor computes with 16-bit floats or 8-bit integers, which not every runtime can. Vectors
of items stay in few bits in memory, too: they are converted as they are looked up. Other weights, and those that a user
was given, are converted once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from solid.device.graphs import CANDIDATES, FLOAT16, HISTORY, INT8, SCALE, TABLE

Precision = Literal["float32", "float16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
TABLE_FILE = "items.bin"
"""Beside a graph: the vectors of items, row by row, padding first; no header, little-endian."""


def in_precision(graph: ModelProto, precision: Precision) -> ModelProto:
    """A device's graph with its matrices, its items and what it is given in so many bits; vectors stay as they are.

    8-bit integers have a scale: items one each, other matrices and what is given one for each column.
    """
    made = ModelProto()
    made.CopyFrom(graph)
    if precision == "float32":
        return made
    first: list[NodeProto] = []
    kept: list[TensorProto] = []
    for tensor in graph.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or len(tensor.dims) < 2:
            kept.append(tensor)
        elif precision == "float16":
            kept.append(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
            if tensor.name != TABLE:
                kept[-1].name += FLOAT16
                first.append(_float(kept[-1].name, tensor.name))
        else:
            whole, scale = _as_int8(numpy_helper.to_array(tensor), axis=1 if tensor.name == TABLE else -2)
            kept.append(numpy_helper.from_array(scale, tensor.name + SCALE))
            if tensor.name == TABLE:
                kept.append(numpy_helper.from_array(whole, TABLE))
            else:
                kept.append(numpy_helper.from_array(whole, tensor.name + INT8))
                first += _scaled(tensor.name + INT8, tensor.name + SCALE, tensor.name)
    given: list[ValueInfoProto] = []
    for value in graph.graph.input:
        replaced, nodes = _given(value, precision)
        given += replaced
        first += nodes
    looked_up = [new for node in graph.graph.node for new in _look_up(node, precision)]
    for field, values in (("initializer", kept), ("input", given), ("node", [*first, *looked_up])):
        made.graph.ClearField(field)
        getattr(made.graph, field).extend(values)
    onnx.checker.check_model(made, full_check=True)
    return made


def table_apart(graph: ModelProto) -> tuple[bytes, bytes]:
    """A graph that reads its items from ``TABLE_FILE`` beside it, and that file; both as bytes."""
    apart = ModelProto()
    apart.CopyFrom(graph)
    [table] = [tensor for tensor in apart.graph.initializer if tensor.name == TABLE]
    content = numpy_helper.to_array(table).tobytes()
    onnx.external_data_helper.set_external_data(table, TABLE_FILE, offset=0, length=len(content))
    table.ClearField("raw_data")
    return apart.SerializeToString(deterministic=True), content


def _as_int8(matrix: NDArray[np.float32], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Numbers -127..127, and what to multiply them by, which is the same along an axis."""
    scale = (np.abs(matrix).max(axis=axis, keepdims=True) / 127).astype(np.float32)
    scale[scale == 0] = 1
    return np.rint(matrix / scale).astype(np.int8), scale


def _given(value: ValueInfoProto, precision: Precision) -> tuple[Sequence[ValueInfoProto], Sequence[NodeProto]]:
    """What stands for an input in a graph of fewer bits, and what makes that input of it."""
    name = value.name
    if name in (HISTORY, CANDIDATES):
        return [value], []
    if precision == "float16" or name.startswith("bias"):
        return [_renamed(value, name + FLOAT16, TensorProto.FLOAT16)], [_float(name + FLOAT16, name)]
    scale = _renamed(value, name + SCALE, TensorProto.FLOAT)
    scale.type.tensor_type.shape.dim[1].dim_value = 1
    whole = _renamed(value, name + INT8, TensorProto.INT8)
    return [whole, scale], _scaled(whole.name, scale.name, name)


def _look_up(node: NodeProto, precision: Precision) -> list[NodeProto]:
    """A node as it is; where it looks items up, what converts just these."""
    if TABLE not in node.input:
        return [node]
    assert node.op_type == "Gather" and node.input[0] == TABLE
    _, places = node.input
    [found] = node.output
    low = found + ("_float16" if precision == "float16" else "_int8")
    looked_up = helper.make_node("Gather", [TABLE, places], [low], name=node.name)
    if precision == "float16":
        return [looked_up, _float(low, found)]
    scales = helper.make_node("Gather", [TABLE + SCALE, places], [found + SCALE])
    return [looked_up, scales, *_scaled(low, found + SCALE, found)]


def _renamed(value: ValueInfoProto, name: str, kind: int) -> ValueInfoProto:
    renamed = ValueInfoProto()
    renamed.CopyFrom(value)
    renamed.name, renamed.type.tensor_type.elem_type = name, kind
    return renamed


def _float(name: str, to: str) -> NodeProto:
    return helper.make_node("Cast", [name], [to], to=TensorProto.FLOAT)


def _scaled(whole: str, scale: str, to: str) -> list[NodeProto]:
    return [_float(whole, f"{to}_whole"), helper.make_node("Mul", [f"{to}_whole", scale], [to])]
