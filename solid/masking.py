"""Keeps secrets out of what is printed, logged or written: the one place that knows what they look like.

A secret is what stands before the @ of an address; what its query says under a name such as token or signature; and the
value of a variable whose name says so, such as AWS_SECRET_ACCESS_KEY or MLFLOW_TRACKING_PASSWORD.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO, cast
from urllib.parse import quote, urlsplit

HIDDEN = "***"
# One slash, too: a typo must not show what the right address would not. A password may hold an @, or a slash. In the
# address of a registered model, models:/name@alias, what stands there is its name.
_LOGIN = re.compile(
    r"(?<![\w+.-])(?!models:/[^/])"
    r"([A-Za-z][A-Za-z0-9+.-]*:/{1,3})(?:[^\s/'\"<>|]+|[^\s/'\"<>|:@]+:(?!\d+/)[^\s'\"<>|@]+)@"
)
_NAMED = r"[\w.-]*(?:token|secret|passw|pwd|signature|credential|api[_-]?key|access[_-]?key)[\w.-]*|sig"
_QUERY = re.compile(rf"([?&;](?:{_NAMED})=)[^&;\s'\"<>]+", re.IGNORECASE)
_VARIABLE = re.compile(r"(SECRET|TOKEN|PASSW|CREDENTIAL)(?!.*(FILE|PATH|URI|URL|ENDPOINT)$)", re.IGNORECASE)
_SHORTEST = 6
"""A value that is shorter is no secret, and would be found in innocent words."""


def mask(text: str) -> str:
    """The text with every secret hidden that can be told as such."""
    for secret in _secrets():
        text = text.replace(secret, HIDDEN)
    if ":/" in text:
        text = _LOGIN.sub(r"\1", text)
    return _QUERY.sub(rf"\1{HIDDEN}", text) if "=" in text else text


def masked(value: Any) -> Any:
    """A value with all texts in it masked, however deep."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {key: masked(one) for key, one in value.items()}
    return type(value)(map(masked, value)) if isinstance(value, list | tuple) else value


def public(address: str) -> str:
    """An address without what may be a secret: user, password, query and fragment; a path as it is.

    Raises:
        ValueError: it is no address.
    """
    address = mask(address)
    if "://" not in address:
        return address
    return urlsplit(address)._replace(query="", fragment="").geturl()


@contextmanager
def masked_streams() -> Iterator[None]:
    """Within the block nothing gets to standard output or error unmasked, whoever prints it."""
    with (
        redirect_stdout(cast(TextIO, _Masked(sys.stdout))),
        redirect_stderr(cast(TextIO, _Masked(sys.stderr))),
    ):
        yield


class _Masked:
    """A stream that masks; all else is the stream's."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(mask(text))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _secrets() -> list[str]:
    values = {value for name, value in os.environ.items() if _VARIABLE.search(name) and len(value) >= _SHORTEST}
    return sorted({*values, *(quote(value, safe="") for value in values)}, key=len, reverse=True)
