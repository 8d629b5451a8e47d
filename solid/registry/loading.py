"""A version out of the registry, ready to answer: read, warmed, and asked again what it answered before."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from solid.errors import SettingsError
from solid.registry.answers import Answers
from solid.registry.catalogue import Catalogue
from solid.registry.version import ANSWERS, ITEMS, MODEL, PROFILE, fetch_version
from solid.tracking import clear_errors, connect

_ADDRESS = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[0-9]+))")


@dataclass(frozen=True)
class Address:
    """Where MLflow has a model: a version of it, or whichever version has an alias at the time.

    Attributes:
        name: of the registered model.
        alias: such as champion; None where a version is named.
        version: None where an alias is named.
    """

    name: str
    alias: str | None
    version: str | None

    @classmethod
    def of(cls, uri: str) -> Self:
        """Read ``models:/NAME@ALIAS`` or ``models:/NAME/VERSION``.

        Raises:
            SettingsError: it is neither.
        """
        found = _ADDRESS.fullmatch(uri)
        if not found:
            raise SettingsError(
                f"{uri}: no address of a registered model; write models:/solid@champion or models:/solid/3"
            )
        return cls(**found.groupdict())

    def __str__(self) -> str:
        return f"models:/{self.name}" + (f"@{self.alias}" if self.alias else f"/{self.version}")

    def now(self) -> str:
        """The version that it leads to now.

        Raises:
            SolidError: there is none, or MLflow does not answer.
        """
        if self.version is not None:
            return self.version
        with clear_errors():
            return str(connect().get_model_version_by_alias(self.name, self.alias).version)


@dataclass(frozen=True)
class Loaded:
    """A version that answers.

    Attributes:
        name: of the registered model.
        version: its number.
        catalogue: the model and its items.
        checked: whether it was held against answers kept with it; versions of before have none.
    """

    name: str
    version: str
    catalogue: Catalogue
    checked: bool


def load_version(name: str, version: str) -> Loaded:
    """Read a version and hold it against the answers that it carries, which warms it, too. No code of it is run.

    Raises:
        DataError: it is damaged, made by another version of this package, or answers otherwise than when it was
            registered.
        SolidError: MLflow does not answer.
    """
    with TemporaryDirectory(prefix="solid-") as scratch:
        with clear_errors():
            connect()
            kept = fetch_version(name, version, (MODEL, ITEMS, PROFILE, ANSWERS), Path(scratch))
        catalogue = Catalogue.load(kept / MODEL, kept / ITEMS, kept / PROFILE)
        answers = kept / ANSWERS
        if checked := answers.is_file():
            Answers.load(answers).check(catalogue)
    return Loaded(name, version, catalogue, checked)
