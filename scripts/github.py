"""GitHub's REST API, as a job of GitHub Actions may ask it: at the address and with the token of its variables."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from typing import Any

from solid.errors import UnavailableError


def github(method: str, path: str, body: dict[str, str] | None = None) -> Any:
    """Ask GitHub's REST API.

    Raises:
        UnavailableError: it refuses, or does not answer.
    """
    request = urllib.request.Request(  # noqa: S310  the address is GitHub's own
        os.environ.get("GITHUB_API_URL", "https://api.github.com") + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}",
            "X-GitHub-Api-Version": "2022-11-28",
        },
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.load(answer)
    except (urllib.error.URLError, TimeoutError) as error:
        raise UnavailableError(
            f"GitHub: {method} {path}: {error}; the job needs actions: read, issues: write, pull-requests: write"
        ) from None
