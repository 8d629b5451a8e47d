"""How a command ends: one message without a traceback, and an exit status that tells kinds of ends apart.

0    done
1    what was started has failed: a job of a comparison, a run on Kubeflow
2    bad input: a setting, a file or an option
3    the machine or the network: a server, a right, room on a disk, memory
4    done, but MLflow has not taken the record; the next command that reaches it sends it
70   a fault of this program
130  interrupted (Ctrl-C); 143: asked to stop (SIGTERM)
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from solid.errors import UNRECORDED, SolidError, UnavailableError
from solid.masking import mask, masked_streams
from solid.storage.places import Ended

INTERRUPTED, FAULT = 130, 70


class Commands(click.Group):
    """Sub-commands that end so; with --debug before the sub-command the traceback is shown besides."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        option = click.Option(
            ["--debug"], is_flag=True, expose_value=False, is_eager=True, callback=_remember, envvar="SOLID_DEBUG",
            help="Show where in the program an error comes from.  [env: SOLID_DEBUG]",
        )  # fmt: skip
        self.params.append(option)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the sub-command."""
        try:
            with masked_streams():
                value = super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort, SystemExit):
            raise
        except BaseException as error:
            if ctx.meta.get(_DEBUG):
                click.echo(mask("".join(traceback.format_exception(error))), err=True)
            raise _end(error) from None
        if _owes():
            ctx.exit(UNRECORDED)
        return value


@contextmanager
def clear_end() -> Iterator[None]:
    """The same for a script without sub-commands."""
    try:
        with masked_streams():
            yield
    except (SolidError, OSError, MemoryError, KeyboardInterrupt) as error:
        ended = _end(error)
        ended.show()
        sys.exit(ended.exit_code)


_DEBUG = "solid.debug"


def _remember(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    ctx.meta[_DEBUG] = value


def _end(error: BaseException) -> click.ClickException:
    if isinstance(error, click.ClickException):
        error.message = mask(error.message)  # type: ignore[misc]
        return error
    if isinstance(error, KeyboardInterrupt):
        return Ended("interrupted", INTERRUPTED)
    if isinstance(error, SolidError | OSError):
        return Ended.by(error)
    if isinstance(error, MemoryError):
        return Ended(f"there is not enough memory ({str(error) or 'no more can be had'})", UnavailableError.exit_code)
    return Ended(
        f"{type(error).__name__}: {mask(str(error))}; this should not happen, --debug shows where it did", FAULT
    )


def _owes() -> bool:
    from solid.tracking import leaves_owed

    return leaves_owed()
