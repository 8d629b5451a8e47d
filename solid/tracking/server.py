"""MLflow's server or file: where it is, how long it is waited for, and what its errors mean."""

from __future__ import annotations

import fcntl
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from solid.errors import SettingsError, SolidError, UnavailableError
from solid.masking import mask
from solid.storage.names import unknown_name
from solid.storage.patience import TellTries, patience

_DEFAULTS = {
    # MLflow retries for two minutes unless told otherwise; a person who mistyped an address should not wait for that.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",  # else a screen of advice where there is no git, as in the image
    # A server with an S3 store would send us there by addresses that its own network knows, and ours need not.
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
}
SQLITE = "sqlite:///"
_REMEDY = "Check MLFLOW_TRACKING_URI; training alone can go without MLflow, with SOLID_TRACKING=off."
_LOGIN = "Check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
_STORE = (
    "MLflow answers; its store is what cannot be reached from here. Let the server hand artifacts on (MLflow with "
    "--serve-artifacts; MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD=false here), or name a store that is known here, too."
)
# By MLflow's error code, for what it has understood and refuses: its address is right.
_REFUSALS = {
    "RESOURCE_DOES_NOT_EXIST": "Check the name; MLflow's pages show what there is.",
    "INVALID_PARAMETER_VALUE": "",
    "RESOURCE_ALREADY_EXISTS": "",
}
_DENIALS = {
    "UNAUTHENTICATED": _LOGIN,
    "PERMISSION_DENIED": "This user may not do that; whoever made it, or an admin, can grant it.",
}
# What the libraries below MLflow say of a server that cannot be reached: the host, and in words what is wrong with it.
_UNREACHABLE = (
    (re.compile(r"Failed to resolve '(?P<host>[^']+)'"), "the name {host} cannot be resolved"),
    (re.compile(r'Could not connect to the endpoint URL: "https?://(?P<host>[^:/"]+)'), "{host} cannot be reached"),
    (re.compile(r"host='(?P<host>[^']+)'.*Connection refused"), "{host} refuses the connection"),
    (re.compile(r"host='(?P<host>[^']+)'.*[Tt]imed? ?out"), "{host} does not answer in time"),
)


def tracking_is_on() -> bool:
    """Whether SOLID_TRACKING leaves tracking on, as it is by default."""
    switch = os.environ.get("SOLID_TRACKING") or "on"
    if switch not in ("on", "off"):
        raise SettingsError(f"SOLID_TRACKING={switch}: set it to on or off")
    return switch == "on"


def store() -> str:
    """The address of the store that MLFLOW_TRACKING_URI names; empty, as a variable that a CI has not set, is none."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{_file()}"


def _file() -> Path:
    """The default store; relative where the folder's name means something in an address."""
    path = Path("mlflow.db").resolve()
    return Path("mlflow.db") if re.search("[%?#]", str(path)) else path


def connect() -> Any:
    """Point MLflow at the store and return a client of it; nothing is sent yet.

    Raises:
        UnavailableError: the store is a sqlite file, and only mlflow-skinny is installed or its folder cannot be made;
            or nobody knows the server's name.
    """
    for variable, value in {**_waiting(), **_DEFAULTS}.items():
        os.environ.setdefault(variable, value)
    import mlflow  # reads some of the variables as it is imported

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    uri = store()
    if uri.startswith(SQLITE) and find_spec("sqlalchemy") is None:
        raise UnavailableError(
            f"MLflow at {uri}: mlflow-skinny cannot read sqlite; install 'solid-rec[local]', name a server with "
            "MLFLOW_TRACKING_URI, or set SOLID_TRACKING=off"
        )
    if host := unknown_name(uri):
        raise UnavailableError(f"MLflow: the name {host} cannot be resolved\n{_REMEDY}", passes=True)
    mlflow.set_tracking_uri(uri)
    try:
        with _alone_in(uri), clear_errors():
            client = mlflow.MlflowClient()
            if uri.startswith(SQLITE):
                client.search_experiments(max_results=1)
    except ModuleNotFoundError as error:
        raise UnavailableError(
            f"MLflow: the driver of this database is not installed ({error.name}); install it beside solid, or name a "
            "server of MLflow with MLFLOW_TRACKING_URI"
        ) from None
    return client


@contextmanager
def _alone_in(uri: str) -> Iterator[None]:
    """Let one process at a time look at a sqlite store: the first one writes its tables, in many steps."""
    if not uri.startswith(SQLITE):
        yield
        return
    folder = Path(uri.removeprefix(SQLITE)).resolve().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise UnavailableError(f"MLflow at {uri}: {error}\n{_REMEDY}") from error
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _waiting() -> dict[str, str]:
    """MLflow's own variables for as many tries as SOLID_PATIENCE has time for, each of which is said."""
    seconds = patience()
    if not seconds:
        return {}
    tries = logging.getLogger("urllib3.connectionpool")
    if not any(isinstance(handler, TellTries) for handler in tries.handlers):
        tries.addHandler(TellTries())
        tries.setLevel(logging.DEBUG)
        tries.propagate = False
    # Its pauses double from 2 s on and end at two minutes; it refuses more than ten tries.
    number = next((n for n in range(1, 10) if sum(min(2.0**k, 120) for k in range(1, n + 1)) >= seconds), 10)
    return {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": str(number)}


@contextmanager
def one_try() -> Iterator[None]:
    """Within the block a request is not sent again: for what can be told later as well."""
    variable = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
    before = os.environ.get(variable)
    os.environ[variable] = "0"
    try:
        yield
    finally:
        del os.environ[variable]
        if before is not None:
            os.environ[variable] = before


@contextmanager
def clear_errors() -> Iterator[None]:
    """Turn errors of MLflow and of its database into the first cause, where, and what to do."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, _store_errors()):
            raise
        raise _explained(error) from error


def _explained(error: Exception) -> SolidError:
    uri = store()
    place = urlsplit(uri)
    text, code = str(error), str(getattr(error, "error_code", ""))
    cause, refused = _headline(text), True
    if "Invalid Host header" in text:
        remedy = "The server has to know this name of its: add it to --allowed-hosts (MLFLOW_SERVER_ALLOWED_HOSTS)."
    elif re.search(r"\b401\b|not authenticated", text):
        remedy = _LOGIN
    elif "unsupported URI" in text:
        remedy = _REMEDY
    elif code in _DENIALS:
        remedy = _DENIALS[code]
    else:
        remedy, refused = _REFUSALS.get(code, _REMEDY), code in _REFUSALS
    for pattern, words in _UNREACHABLE:
        if found := pattern.search(text.replace("\n", " ")):
            cause = words.format(host=found["host"])
            remedy, refused = (_REMEDY if found["host"] == place.hostname else _STORE), False
            break
    told = "\n".join(filter(None, [f"MLflow at {mask(uri)}: {mask(cause)}", remedy]))
    return SolidError(told) if refused and code in _REFUSALS else UnavailableError(told, passes=not refused)


def _headline(text: str) -> str:
    """The first line that says something: a failed download begins with lines that name files."""
    lines = [line.strip() for line in text.splitlines()]
    telling = [line for line in lines if line and not line.startswith(("The following failures occurred", "#####"))]
    return telling[0] if telling else text


def _store_errors() -> tuple[type[Exception], ...]:
    """Imported when needed: connect sets variables that MLflow reads as it is imported; skinny has no SQLAlchemy."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException

    from solid.storage.s3 import ERRORS

    errors = (MlflowException, RequestException, *ERRORS)
    if find_spec("sqlalchemy") is None:
        return errors
    from sqlalchemy.exc import SQLAlchemyError

    return (*errors, SQLAlchemyError)
