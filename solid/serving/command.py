"""The serve command: load, listen, follow the registry, and end without losing what was begun."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
import uvicorn

from solid.errors import SettingsError
from solid.registry.loading import Address
from solid.serving.app import build
from solid.serving.following import Follower
from solid.serving.limits import Limits
from solid.serving.metrics import Metrics
from solid.serving.users import Users

_DRAIN = 30  # seconds that requests which were begun may take to end, once the server is told to stop


def serve(
    model: str,
    host: str,
    port: int,
    *,
    look_every: float = 10.0,
    prepared: Path | None = None,
    token_file: Path | None = None,
    limits: Limits | None = None,
) -> None:
    """Serve a registered model until the process is told to stop.

    One process uses one core; for more, start more of them. Where the address names an alias, the server follows it.

    Args:
        model: address such as ``models:/solid@champion``.
        host: to listen at.
        port: likewise.
        look_every: seconds between looks at the registry.
        prepared: output of prepare, whose users requests may name.
        token_file: file whose content requests have to bear.
        limits: of requests.

    Raises:
        SolidError: there is no such model, it is refused, or a file cannot be read.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    torch.set_num_threads(1)
    limits, metrics, address = limits or Limits(), Metrics(), Address.of(model)
    token = read_token(token_file) if token_file else None
    users = Users.of(prepared) if prepared else None
    follower = Follower(address, metrics)
    if address.alias is not None:
        follower.follow(look_every)
    app = build(follower, metrics, limits, users, token)
    config = uvicorn.Config(
        app, host=host, port=port, log_config=None, access_log=False, server_header=False, lifespan="on",
        timeout_graceful_shutdown=_DRAIN, timeout_keep_alive=30, h11_max_incomplete_event_size=1 << 16,
    )  # fmt: skip
    uvicorn.Server(config).run()


def read_token(path: Path) -> bytes:
    """What requests have to bear: the content of a file, without white space around it.

    Raises:
        SettingsError: there is nothing in it.
    """
    token = path.read_bytes().strip()
    if not token:
        raise SettingsError(f"{path}: empty; put the token there that requests have to bear")
    return token
