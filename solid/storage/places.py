"""What commands take for folders and files: a path, or an s3:// address of which their functions know nothing."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import click

from solid.errors import SolidError, UnavailableError
from solid.masking import mask

# Where the launcher of Kubeflow puts an artifact of each kind of store.
MOUNTS = {"/s3/": "s3://", "/minio/": "minio://", "/gcs/": "gs://"}
GONE = "is gone from the store"
_ADDRESSES = "solid.addresses"  # in a context: the address that each local path stands for


class Ended(click.ClickException):
    """A command ends with one message, and an exit status that says what kind of thing went wrong."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click has one for each class

    @classmethod
    def by(cls, error: Exception, message: str = "") -> Self:
        """2: bad input, a file that is not there included; 3: the machine or the network."""
        message = mask(message or str(error))
        if isinstance(error, SolidError):
            return cls(message, error.exit_code)
        absent = isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError | FileExistsError)
        return cls(message, SolidError.exit_code if absent else UnavailableError.exit_code)


class _Place(click.Path):
    """Checks a path; an s3:// address stays as it is until Step puts a local path for it."""

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return ("FOLDER" if self.dir_okay else "FILE") + "|s3://..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if _is_address(value):
            return value
        if self.exists and (gone := _gone(str(value))):
            self.fail(gone, param, ctx)
        return super().convert(value, param, ctx)


FOLDER = _Place(file_okay=False, path_type=Path)
INPUT = _Place(file_okay=False, exists=True, path_type=Path)
FILE = _Place(dir_okay=False, exists=True, path_type=Path)


class PlacesCommand(click.Command):
    """Gives its function local paths alone, and turns the user's errors into one clear message.

    FOLDER is an output: of an address it goes up after the function ended well. INPUT and FILE come down before.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the function."""
        try:
            with ExitStack() as outputs:
                # The output first: where it may not be written, nothing need come down.
                for param in sorted(self.params, key=lambda param: param.type is not FOLDER):
                    if isinstance(param.type, _Place):
                        assert param.name is not None
                        ctx.params[param.name] = _local_value(ctx, param.type, ctx.params[param.name], outputs)
                return super().invoke(ctx)
        except (SolidError, OSError) as error:
            message = str(error)
            for path, address in ctx.meta.get(_ADDRESSES, {}).items():
                message = message.replace(path, address)
            raise Ended.by(error, message) from error


def input_folder(place: str) -> Path:
    """The folder at a path, or a local copy of the one at an address; for values that INPUT cannot parse."""
    if gone := _gone(place):
        raise click.BadParameter(gone)
    return Path(_local_value(click.get_current_context(), INPUT, place))


def address_of(path: Path) -> str | None:
    """The address that a local path stands for in the command that runs, if it does."""
    address: str | None = click.get_current_context().meta.get(_ADDRESSES, {}).get(str(path))
    return address


def _gone(place: str) -> str:
    """What to say of a place where the launcher of Kubeflow has put nothing; empty of any other."""
    for mount, scheme in MOUNTS.items():
        if place.startswith(mount) and not Path(place).exists():
            return (
                f"{scheme}{place.removeprefix(mount)} {GONE} (by a lifecycle rule, or by hand), but Kubeflow's cache "
                "goes on answering with it; run the pipeline once with: solid-pipeline submit --no-cache"
            )
    return ""


def _is_address(value: Any) -> bool:
    return str(value).startswith("s3://")


def _local_value(ctx: click.Context, kind: _Place, value: Any, outputs: ExitStack | None = None) -> Any:
    if isinstance(value, tuple):
        return tuple(_local_value(ctx, kind, place, outputs) for place in value)
    if not _is_address(value):
        return value
    from solid.storage.outputs import download_file, download_folder, upload_when_done

    if kind is FOLDER:
        assert outputs is not None
        path = outputs.enter_context(upload_when_done(value, str(ctx.info_name)))
    else:
        path = download_file(value) if kind is FILE else download_folder(value)
    ctx.meta.setdefault(_ADDRESSES, {})[str(path)] = value
    return path
