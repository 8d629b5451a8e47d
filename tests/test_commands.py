"""How commands end: an exit status by kind, one message, and a traceback for those who ask for it alone."""

from __future__ import annotations

import errno
import signal
import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from solid.commands import Commands
from solid.errors import DataError, FailedError, SettingsError, SolidError, UnavailableError
from solid.storage.s3 import StoreError

KINDS = [
    (SolidError("x"), 2, "Error: x\n"),
    (SettingsError("x"), 2, "Error: x\n"),
    (DataError("x"), 2, "Error: x\n"),
    (click.UsageError("x"), 2, "Error: x\n"),
    (FileNotFoundError(errno.ENOENT, "No such file", "a"), 2, "Error: [Errno 2] No such file: 'a'\n"),
    (UnavailableError("x"), 3, "Error: x\n"),
    (StoreError("x"), 3, "Error: x\n"),
    (OSError(errno.ENOSPC, "No space left"), 3, "Error: [Errno 28] No space left\n"),
    (PermissionError(errno.EACCES, "Denied", "a"), 3, "Error: [Errno 13] Denied: 'a'\n"),
    (MemoryError(), 3, "Error: there is not enough memory (no more can be had)\n"),
    (FailedError("x"), 1, "Error: x\n"),
    (KeyboardInterrupt(), 130, "Error: interrupted\n"),
    (KeyError("x"), 70, "Error: KeyError: 'x'; this should not happen, --debug shows where it did\n"),
]


def group(error: BaseException) -> click.Group:
    @click.command()
    def work() -> None:
        raise error

    return Commands("main", commands={"work": work})


@pytest.mark.parametrize(("error", "code", "said"), KINDS, ids=lambda value: type(value).__name__)
def test_the_exit_status_says_the_kind(error: BaseException, code: int, said: str) -> None:
    done = CliRunner().invoke(group(error), ["work"])
    assert (done.exit_code, done.stdout) == (code, "")
    assert done.stderr.endswith(said)
    assert "Traceback" not in done.stderr


def test_a_traceback_is_shown_to_those_who_ask() -> None:
    for arguments, variables in ((["--debug", "work"], {}), (["work"], {"SOLID_DEBUG": "1"})):
        done = CliRunner(env=variables).invoke(group(DataError("x")), arguments)
        assert done.exit_code == 2
        assert "Traceback" in done.stderr
        assert done.stderr.endswith("Error: x\n")


STOPPED = """
import os, sys
number = int(sys.argv.pop(1))
sys.addaudithook(lambda event, details: event == "open" and details[0] == "p.yaml" and os.kill(os.getpid(), number))
from solid.cli import main
main()
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_that_is_stopped_says_by_what(programs: Path, tmp_path: Path, number: int, code: int) -> None:
    (tmp_path / "p.yaml").write_text("{}")
    command = [programs / "python", "-c", STOPPED, str(int(number)), "ingest", "--params", "p.yaml", "--out", "raw"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
