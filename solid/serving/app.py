"""The whole service as one ASGI application."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.responses import Response

from solid import __version__
from solid.serving.desk import Desk
from solid.serving.following import Follower
from solid.serving.gate import Gate
from solid.serving.limits import Limits
from solid.serving.metrics import Metrics
from solid.serving.plain import plain
from solid.serving.protocol import protocol
from solid.serving.refusals import Refusal, body_of, path_of
from solid.serving.responses import as_json
from solid.serving.users import Users

_log = logging.getLogger(__name__)


def build(
    follower: Follower, metrics: Metrics, limits: Limits, users: Users | None = None, token: bytes | None = None
) -> Gate:
    """Join the parts.

    Args:
        follower: what answers.
        metrics: where it is counted.
        limits: of requests.
        users: whom requests may name.
        token: what requests have to bear; None: nothing.
    """
    desk = Desk(follower, limits, metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        follower.stop()
        desk.close()

    app = FastAPI(
        title="SOLID", version=__version__, lifespan=lifespan, summary="Recommendations of a registered model"
    )
    app.include_router(plain(desk, follower, users))
    app.include_router(protocol(desk, follower))

    @app.get("/healthz", tags=["Operations"], summary="Whether the process is alive")
    async def alive() -> Response:
        return as_json({"alive": True})

    @app.get("/readyz", tags=["Operations"], summary="Which version answers")
    async def ready() -> Response:
        return as_json({"model": follower.current.name, "version": follower.current.version})

    @app.get("/metrics", tags=["Operations"], summary="What Prometheus reads")
    async def numbers() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    app.add_exception_handler(RequestValidationError, _not_fitting)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _failed)
    return Gate(app, limits, metrics, token)


async def _not_fitting(_: Request, error: Exception) -> Response:
    """Every part that does not fit with its path, and without its value, which may name somebody."""
    assert isinstance(error, RequestValidationError)
    fields = []
    for one in error.errors():
        place, *path = one["loc"]
        if one["type"] == "json_invalid":
            return as_json(body_of(f"not JSON, at character {path[0]}: {one['ctx']['error']}"), 400)
        fields.append((path_of(tuple(path)) or str(place), one["msg"].removeprefix("Value error, ")))
    field, problem = fields[0]
    return as_json(body_of(f"{field}: {problem}", fields), 400)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    text = str(error)
    told = body_of(f"{error.field}: {text}", [(error.field, text)]) if error.field else body_of(text)
    response = as_json(told, error.status)
    if error.retry_after is not None:
        response.headers["retry-after"] = str(error.retry_after)
    return response


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return as_json(body_of(str(error.detail)), error.status_code)


async def _failed(_: Request, error: Exception) -> Response:
    _log.error("a request failed: %s", type(error).__name__, exc_info=error)
    return as_json(body_of("something went wrong here; the log of the server says what"), 500)
