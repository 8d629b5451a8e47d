"""The Open Inference Protocol, version 2, over HTTP and JSON, as KServe and MLServer speak it.

A model takes one tensor ``history`` [B, L] of BYTES, item ids oldest first, shorter histories right-padded with empty
texts. The parameters ``k`` and ``exclude_seen`` of a request are those of the pyfunc. It answers with ``items``,
``titles`` and ``scores`` [B, k], padded likewise, and with ``left`` [B], how many of the k are real, ``cold`` [B], and
``unknown`` [B, U], the ids that the model does not know.
"""

from __future__ import annotations

import itertools
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from solid import __version__
from solid.registry.asking import Answer, Question
from solid.registry.loading import Loaded
from solid.serving.desk import Desk
from solid.serving.following import Follower
from solid.serving.limits import HISTORIES, HISTORY, ID_LENGTH, ITEMS
from solid.serving.plain import REFUSALS
from solid.serving.refusals import Refusal
from solid.serving.responses import as_json

_LEAST = float(np.finfo(np.float32).min)  # of padding; JSON has no infinity
_OUTPUTS = {"items": "BYTES", "titles": "BYTES", "scores": "FP32", "left": "INT64", "cold": "BOOL", "unknown": "BYTES"}
_OF_A_USER = ("left", "cold")  # one number a history
Text = Annotated[str, Field(max_length=ID_LENGTH)]


class _Parameters(BaseModel):
    model_config = ConfigDict(extra="allow")  # servers put their own there, such as content_type

    k: int = Field(10, ge=1, le=ITEMS)
    exclude_seen: bool = True


class _Input(BaseModel):
    name: Literal["history"]
    shape: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]
    datatype: Literal["BYTES"]
    parameters: dict[str, Any] | None = None
    data: list[Text] | list[list[Text]]


class _Output(BaseModel):
    name: Literal["items", "titles", "scores", "left", "cold", "unknown"]
    parameters: dict[str, Any] | None = None


class InferRequest(BaseModel):
    """An inference request of the protocol."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "inputs": [
                    {"name": "history", "shape": [1, 2], "datatype": "BYTES", "data": ["B00GLAVJ0U", "B01DM3IMRX"]}
                ],
                "parameters": {"k": 5},
            }
        }
    )

    id: str | None = None
    parameters: _Parameters = _Parameters()
    inputs: Annotated[list[_Input], Field(min_length=1, max_length=1)]
    outputs: list[_Output] | None = None


def protocol(desk: Desk, follower: Follower) -> APIRouter:
    """The endpoints below /v2."""
    router = APIRouter(prefix="/v2", tags=["Open Inference Protocol"])

    @router.get("", summary="About this server")
    async def server() -> Response:
        return as_json({"name": "solid", "version": __version__, "extensions": []})

    @router.get("/health/live", summary="Whether the server is alive")
    async def live() -> Response:
        return as_json({"live": True})

    @router.get("/health/ready", summary="Whether the server can answer")
    async def ready() -> Response:
        return as_json({"ready": True})

    @router.get("/models/{name}/versions/{version}", summary="What a version takes and gives")
    @router.get("/models/{name}", summary="What the model takes and gives")
    async def metadata(name: str, version: str | None = None) -> Response:
        loaded = _named(follower.current, name, version)
        outputs = [
            {"name": output, "datatype": datatype, "shape": [-1] if output in _OF_A_USER else [-1, -1]}
            for output, datatype in _OUTPUTS.items()
        ]
        return as_json(
            {
                "name": loaded.name,
                "versions": [loaded.version],
                "platform": "solid",
                "inputs": [{"name": "history", "datatype": "BYTES", "shape": [-1, -1]}],
                "outputs": outputs,
            }
        )

    @router.get("/models/{name}/versions/{version}/ready", summary="Whether a version can answer")
    @router.get("/models/{name}/ready", summary="Whether the model can answer")
    async def model_ready(name: str, version: str | None = None) -> Response:
        loaded = _named(follower.current, name, version)
        return as_json({"name": loaded.name, "ready": True})

    @router.post("/models/{name}/versions/{version}/infer", summary="Ask a version", responses=REFUSALS)
    @router.post("/models/{name}/infer", summary="Ask the model", responses=REFUSALS)
    async def infer(request: InferRequest, raw: Request, name: str, version: str | None = None) -> Response:
        if "inference-header-content-length" in raw.headers:
            raise Refusal(400, "binary tensors are not spoken here; send the data as JSON", "inputs[0].data")
        _named(follower.current, name, version)
        histories = _histories(request.inputs[0])
        told = request.parameters
        loaded, answers = await desk.ask([Question(one, told.k, told.exclude_seen) for one in histories])
        _named(loaded, name, version)  # another may have taken over while this waited
        wanted = [output.name for output in request.outputs] if request.outputs else list(_OUTPUTS)
        outputs = [tensor for tensor in _tensors(answers) if tensor["name"] in wanted]
        answered = {"model_name": loaded.name, "model_version": loaded.version, "outputs": outputs}
        return as_json(answered | ({"id": request.id} if request.id is not None else {}))

    return router


def _named(loaded: Loaded, name: str, version: str | None) -> Loaded:
    if name != loaded.name or version not in (None, loaded.version):
        raise Refusal(404, f"no such model here; {loaded.name} version {loaded.version} answers")
    return loaded


def _histories(tensor: _Input) -> list[list[str]]:
    """Histories without their padding, of a tensor that is flat or nested."""
    rows, columns = tensor.shape
    if rows > HISTORIES or columns > HISTORY:
        raise Refusal(400, f"at most {HISTORIES:,} histories of {HISTORY:,} items", "inputs[0].shape")
    nested = bool(tensor.data) and isinstance(tensor.data[0], list)
    lengths = [len(row) for row in tensor.data] if nested else [columns] * rows
    flat = [str(item) for item in (itertools.chain.from_iterable(tensor.data) if nested else tensor.data)]
    if lengths != [columns] * rows or len(flat) != rows * columns:
        raise Refusal(400, f"these are not {rows} x {columns} texts, as the shape says", "inputs[0].data")
    return [[item for item in flat[row * columns : (row + 1) * columns] if item] for row in range(rows)]


def _tensors(answers: list[Answer]) -> list[dict[str, Any]]:
    most = max((len(one.unknown) for one in answers), default=0)
    widest = max((len(one.items) for one in answers), default=0)
    columns = {
        "items": [_padded(one.items, widest, "") for one in answers],
        "titles": [_padded(one.titles, widest, "") for one in answers],
        "scores": [_padded(one.scores, widest, _LEAST) for one in answers],
        "unknown": [_padded(one.unknown, most, "") for one in answers],
    }
    rows = {"left": [len(one.items) for one in answers], "cold": [one.cold for one in answers]}
    tensors = []
    for name, datatype in _OUTPUTS.items():
        if name in rows:
            shape, data = [len(answers)], rows[name]
        else:
            shape = [len(answers), most if name == "unknown" else widest]
            data = list(itertools.chain.from_iterable(columns[name]))
        tensors.append({"name": name, "datatype": datatype, "shape": shape, "data": data})
    return tensors


def _padded(values: list[Any], length: int, padding: Any) -> list[Any]:
    return values + [padding] * (length - len(values))
