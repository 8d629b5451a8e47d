"""Errors a user can act on; the command line prints them without a traceback."""

from __future__ import annotations


class SolidError(Exception):
    """Something the user can put right: the message names the place, the problem and the remedy."""


class SettingsError(SolidError):
    """A setting is unknown, of the wrong type or out of range."""


class DataError(SolidError):
    """An input file or artifact is missing, broken or does not fit the others."""
