"""Errors a user can act on, by kind; the command line prints them without a traceback and exits with their number."""

from __future__ import annotations

UNRECORDED = 4
"""Exit status of a command whose output is at its place, but whose record MLflow has not taken."""


class SolidError(Exception):
    """Something the user can put right: the message names the place, the problem and the remedy."""

    exit_code = 2


class SettingsError(SolidError):
    """A setting is unknown, of the wrong type or out of range."""


class DataError(SolidError):
    """An input file or artifact is missing, broken or does not fit the others."""


class FailedError(SolidError):
    """Something that was started, such as a job or a run elsewhere, has failed; its own words say why."""

    exit_code = 1


class UnavailableError(SolidError):
    """What the machine or the network has to give is not there: a server, a right, a program, room on a disk."""

    exit_code = 3

    def __init__(self, message: str, *, passes: bool = False) -> None:
        super().__init__(message)
        self.passes = passes
        """Whether waiting may help."""
