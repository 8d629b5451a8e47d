"""Who is champion, and which version an interrupted registration left."""

from __future__ import annotations

from typing import Any

_DONE = "registration_done"  # the tag of a version whose registration came to its end


def champion_version(client: Any, name: str) -> str | None:
    """The version that has the alias, if there is one."""
    from mlflow.exceptions import MlflowException

    try:
        aliases: dict[str, Any] = client.get_registered_model(name).aliases
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    return str(aliases["champion"]) if "champion" in aliases else None


def interrupted_version(client: Any, name: str, fingerprint: str) -> Any:
    """The newest version, if an interrupted registration of the same fingerprint left it; the next try goes on with it.

    One that was overtaken stays as it is: its verdict is about a champion that may be champion no more.
    """
    versions = client.search_model_versions(f"name='{name}'")
    newest = max(versions, key=lambda version: int(version.version), default=None)
    if newest is None or _DONE in newest.tags or newest.tags.get("fingerprint") != fingerprint:
        return None
    return newest


def mark_done(client: Any, name: str, version: str) -> None:
    """Say that the registration of a version came to its end."""
    client.set_model_version_tag(name, version, _DONE, "yes")
