"""The search space: which settings are tried, and with which values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import Field, ValidationError, model_validator

from solid.errors import SettingsError
from solid.kinds import HEADS
from solid.settings.fields import Section
from solid.settings.loading import faults, validated
from solid.settings.schema import Settings
from solid.settings.strict_yaml import read_mapping

Values = dict[str, Any]
"""A value for each section.key."""
_DECIDES = ("training.metric", "training.selection", "training.selection_users")
DEFAULT = Path(__file__).with_name("space.yaml")


class Range(Section):
    """All numbers between two, of which both are among them; whole numbers if both are."""

    from_: int | float = Field(alias="from")
    to: int | float
    log: bool = Field(False, description="spread by order of size, as for rates")

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.from_ >= self.to:
            raise ValueError(f"from is to be less than to (given {self.from_} and {self.to})")
        if self.log and self.from_ <= 0:
            raise ValueError(f"with log, from is to be more than 0 (given {self.from_})")
        return self

    @property
    def distribution(self) -> BaseDistribution:
        """As Optuna knows it."""
        if isinstance(self.from_, int) and isinstance(self.to, int):
            return IntDistribution(self.from_, self.to, log=self.log)
        return FloatDistribution(self.from_, self.to, log=self.log)


def read_space(path: Path, settings: Settings) -> dict[str, BaseDistribution]:
    """Read a file of ``section.key: [values]`` and ``section.key: {from, to, log}``; every value is tried as a setting.

    Raises:
        SettingsError: an unknown key, a value that the setting cannot have, or a range that is none.
    """
    space = {}
    for key, given in read_mapping(path, "lines such as 'model.dropout: [0.1, 0.3]'").items():
        if str(key).count(".") != 1:
            raise SettingsError(f"{path}: {key}: write it as section.key, for example training.learning_rate")
        if key in _DECIDES:
            raise SettingsError(f"{path}: {key}: says how trials are judged, and so is the same for all of them")
        values, space[str(key)] = _entry(path, str(key), given)
        for value in values:
            try:
                with_values(settings, {str(key): value})
            except SettingsError as error:
                raise SettingsError(f"{path}: {error}") from None
    if not space:
        raise SettingsError(f"{path}: no setting to try; write lines such as 'model.dropout: [0.1, 0.3]'")
    return space


def space_of(head: str, space: Mapping[str, BaseDistribution], settings: Settings) -> dict[str, BaseDistribution]:
    """What of the space a head reads."""
    sections = HEADS[head].sections(settings) if HEADS[head].by_gradients else ()
    return {key: values for key, values in space.items() if key.partition(".")[0] in sections}


def with_values(settings: Settings, values: Values) -> Settings:
    """Settings with some of them replaced.

    Raises:
        SettingsError: a key or value does not fit.
    """
    sections = settings.model_dump(mode="json")
    for name, value in values.items():
        section, _, key = name.partition(".")
        sections.setdefault(section, {})[key] = value
    return validated(sections)


def own_values(settings: Settings, space: Iterable[str]) -> Values:
    """What the settings say of the keys of a space."""
    sections = settings.model_dump(mode="json")
    return {key: sections[key.partition(".")[0]][key.partition(".")[2]] for key in space}


def _entry(path: Path, key: str, given: Any) -> tuple[list[Any], BaseDistribution]:
    """Values to check, the ends of a range or all of a list, and their distribution."""
    if isinstance(given, list) and given and all(isinstance(value, bool | int | float | str) for value in given):
        return given, CategoricalDistribution(given)
    if not isinstance(given, dict):
        raise SettingsError(f"{path}: {key}: expected [values], or {{from: 0.1, to: 0.5}} (given {given!r})")
    try:
        found = Range.model_validate(given)
    except ValidationError as error:
        raise SettingsError(f"{path}: {key}: " + "; ".join(faults(error, Range))) from None
    middle = (found.from_ + found.to) / 2
    between = [] if isinstance(found.distribution, IntDistribution) else [middle + 0.1 * (middle % 1 == 0)]
    return [found.from_, found.to, *between], found.distribution
