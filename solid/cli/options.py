"""What several commands share: the options of settings, and what a missing extra is told by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from solid.errors import UnavailableError
from solid.storage.places import FILE

F = TypeVar("F", bound=Callable[..., Any])


def settings_options(command: F) -> F:
    """Add --params and --set to a command; it receives them as ``params`` and ``overrides``."""
    command = click.option(
        "--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Override one setting; may be repeated."
    )(command)
    return click.option(
        "--params",
        type=FILE,
        help="YAML file of settings  [default: params.yaml if it exists, else built-in defaults]",
    )(command)


def require(command: str, extra: str, *packages: str) -> None:
    """Say what to install where an extra of this project is missing."""
    from importlib.util import find_spec

    if missing := [package for package in packages if find_spec(package) is None]:
        raise UnavailableError(f"{command} needs {', '.join(missing)}; install 'solid-rec[{extra}]'")
