"""What the server does not do, and how it says so."""

from __future__ import annotations


class Refusal(Exception):
    """Ends a request.

    Attributes:
        status: of HTTP.
        field: path of the part of the request that is wrong, such as ``history[3]``; None where none is.
        retry_after: seconds after which to try again; None where that does not help.
    """

    def __init__(self, status: int, message: str, field: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.field, self.retry_after = status, field, retry_after


def path_of(places: tuple[str | int, ...]) -> str:
    """A place in a request as people write it, ``inputs[0].data``; empty for the request itself."""
    parts = [f"[{place}]" if isinstance(place, int) else f".{place}" for place in places]
    return "".join(parts).removeprefix(".")


def body_of(message: str, fields: list[tuple[str, str]] | None = None) -> dict[str, object]:
    """The JSON of a refusal; ``error`` is what the Open Inference Protocol asks for."""
    told: dict[str, object] = {"error": message}
    if fields:
        told["fields"] = [{"field": field, "problem": problem} for field, problem in fields]
    return told
