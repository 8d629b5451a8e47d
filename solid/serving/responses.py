"""Answers as JSON."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json
from starlette.responses import Response


def as_json(content: dict[str, Any], status: int = 200) -> Response:
    """A response; what it holds is of our own making and is not checked again."""
    return Response(to_json(content), status, media_type="application/json")
