"""What every request passes first: who asks, how much, how long; and what is counted of it.

Plain ASGI, for it stands before each request, and what frameworks offer costs as much as the rest of the way.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from pydantic_core import to_json

from solid.serving.limits import Limits
from solid.serving.metrics import Metrics
from solid.serving.refusals import Refusal, body_of

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

OPEN = ("/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready")
"""What probes and Prometheus ask for, without a token."""
_TIMED = ("/recommend", "/similar")


class Gate:
    """Checks the token, reads the body within its limits, and measures."""

    def __init__(self, app: App, limits: Limits, metrics: Metrics, token: bytes | None) -> None:
        """Stand before ``app``.

        Args:
            app: what answers.
            limits: of size and time.
            metrics: where requests are counted.
            token: what requests have to bear; None: nothing.
        """
        self._app, self._limits, self._metrics, self._token = app, limits, metrics, token

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Handle one connection of ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            self._admit(scope)
            body = await self._read(scope, receive)
            await self._app(scope, _replayed(body, receive), noted)
        except Refusal as refusal:
            await refuse(noted, refusal)
        finally:
            endpoint = endpoint_of(scope["path"])
            self._metrics.requests.labels(endpoint, str(status)).inc()
            self._metrics.seconds.labels(endpoint).observe(time.perf_counter() - began)

    def _admit(self, scope: MutableMapping[str, Any]) -> None:
        if self._token is None or scope["path"] in OPEN:
            return
        given = dict(scope["headers"]).get(b"authorization", b"")
        if not hmac.compare_digest(given, b"Bearer " + self._token):
            raise Refusal(401, "a bearer token is needed: Authorization: Bearer ...")

    async def _read(self, scope: MutableMapping[str, Any], receive: Receive) -> bytes:
        if scope["method"] not in ("POST", "PUT", "PATCH"):
            return b""
        limit, headers = self._limits.body, dict(scope["headers"])
        if not headers.get(b"content-type", b"").startswith(b"application/json"):
            raise Refusal(415, "send JSON, and say so: content-type: application/json")
        said = headers.get(b"content-length", b"0")
        if said.isdigit() and int(said) > limit:
            raise Refusal(413, f"the request has {int(said):,} bytes, {limit:,} are allowed")
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._limits.seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Refusal(400, "the request ended before its body")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > limit:
                        raise Refusal(413, f"the request has more than {limit:,} bytes")
                    if not message.get("more_body"):
                        return b"".join(parts)
        except TimeoutError:
            raise Refusal(408, f"the request was not read within {self._limits.seconds:g} s") from None


def endpoint_of(path: str) -> str:
    """A path without what callers choose, so that metrics stay few."""
    if path in OPEN or path in _TIMED:
        return path
    if path.startswith("/v2/models/"):
        return "/v2/models/infer" if path.endswith("/infer") else "/v2/models"
    return "/v2" if path == "/v2" else "other"


async def refuse(send: Send, refusal: Refusal) -> None:
    """Answer with a refusal."""
    headers = [(b"content-type", b"application/json")]
    if refusal.retry_after is not None:
        headers.append((b"retry-after", str(refusal.retry_after).encode()))
    if refusal.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if refusal.status in (408, 413, 415):
        headers.append((b"connection", b"close"))  # the rest of the body is not read
    text = str(refusal)
    fields = [(refusal.field, text)] if refusal.field else None
    body = to_json(body_of(f"{refusal.field}: {text}" if refusal.field else text, fields))
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _replayed(body: bytes, receive: Receive) -> Receive:
    """What gives the body that was read once, and then goes on with the connection."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
