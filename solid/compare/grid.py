"""A grid: one YAML file with all that a published table depends on, and the rows that it stands for.

Settings that the file does not name are the built-in defaults; ``params.yaml`` is not read, so that a reader who has
the file has everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from solid.errors import SettingsError
from solid.kinds import HEADS, Ids
from solid.settings.fields import MODALITIES, Backbone, Head, Modality, Section
from solid.settings.loading import validated, with_overrides
from solid.settings.schema import Settings
from solid.settings.strict_yaml import read_mapping

Sections = dict[str, dict[str, Any]]
Name = Annotated[str, Field(min_length=1)]

# What a grid says elsewhere, or what plays no part in it.
_NOT_SETTINGS = {
    "data": "the grid's own data says it",
    "registry": "nothing is registered",
    "model.backbone": "the grid's backbones say it",
    "semantics.modalities": "the grid's modalities say it",
    "semantics.seed": "the grid's seeds say it",
    "training.seed": "the grid's seeds say it",
    "evaluation.baselines": "the grid's baseline says it",
    "evaluation.bootstrap": "intervals come from users and seeds, see solid/compare/statistics.py",
    "evaluation.seed": "nothing is drawn",
}
# Models are compared user by user, so they need the same users and candidates.
_SAME_FOR_ALL = ("prepare", "evaluation")


class Source(Section):
    """A data set."""

    name: str = Field(pattern=r"^[\w.-]+$", description="in the table and in the names of folders")
    source: Name = Field(description="folder, below the data root unless absolute; or an https:// or s3:// address")
    format: str = Field("auto", description="reader to use, by name; auto looks at the files")
    order: Literal["time", "file"] = Field("time", description="of events; file: that of the lines")


class Model(Section):
    """A model, and so a row of the table; several rows if it reads classes of several modalities, or varies."""

    head: Head
    ids: Ids | None = Field(None, description="what its embeddings are of; item unless said. For solid: fusion.ids")
    parts: tuple[Name, ...] = Field((), description="names of the models that a mixture is made of")
    settings: Sections = Field(default_factory=dict, description="what differs from the grid's settings")
    vary: dict[str, list[Any]] = Field(
        default_factory=dict, max_length=1, description="section.key: values; a row for each value"
    )

    @model_validator(mode="after")
    def _solid_takes_ids_from_fusion(self) -> Self:
        if self.ids and HEADS[self.head].on_generator:
            raise ValueError(f"{self.head} reads what settings.fusion.ids says; put ids there")
        if bool(self.parts) != (HEADS[self.head].by == "mixing"):
            raise ValueError(f"parts: other models of the grid, of which a mixture is made; the head is {self.head}")
        for key, values in self.vary.items():
            if key.count(".") != 1 or not values:
                raise ValueError(
                    f"vary: write it as section.key: [values], for example fusion.t: [0.1, 1] (given {key})"
                )
        return self


class Grid(Section):
    """The whole file."""

    title: Name
    data: tuple[Source, ...] = Field(min_length=1)
    settings: Sections = Field(default_factory=dict, description="sections as in params.yaml, for all models")
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**32)], ...] = Field(min_length=1)
    backbones: tuple[Backbone, ...] = Field(min_length=1)
    modalities: tuple[Modality, ...] = Field((), description="needed where a model reads classes")
    models: dict[Name, Model] = Field(min_length=1, description="by name in the table, in its order")
    baseline: str = Field(description="model with which the others are compared; the first unless said")

    @field_validator("data", mode="before")
    @classmethod
    def _one_source(cls, given: object) -> object:
        return [given] if isinstance(given, Mapping) else given

    @field_validator("modalities", mode="before")
    @classmethod
    def _all(cls, given: object) -> object:
        return MODALITIES if given == "all" else given

    @model_validator(mode="before")
    @classmethod
    def _first_is_baseline(cls, given: Any) -> Any:
        if isinstance(given, dict) and isinstance(models := given.get("models"), dict) and models:
            return {"baseline": next(iter(models)), **given}
        return given

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        lists = {"data": [source.name for source in self.data], "seeds": self.seeds}
        lists |= {"backbones": self.backbones, "modalities": self.modalities}
        for name, values in lists.items():
            if twice := sorted({str(value) for value in values if values.count(value) > 1}):
                raise ValueError(f"{name}: {', '.join(twice)} stands there twice")
        for name, model in self.models.items():
            for part in model.parts:
                if part not in self.models or self.models[part].parts or self.models[part].vary:
                    raise ValueError(f"models.{name}.parts: {part!r} is none, is a mixture, or varies")
        if self.baseline not in self.models:
            raise ValueError(f"baseline: {self.baseline!r} is none of the models {', '.join(self.models)}")
        return self


@dataclass(frozen=True)
class Row:
    """A row of the table, for every data set, backbone and seed.

    Attributes:
        name: in the table.
        model: the entry of the grid from which it comes.
        head: of the model.
        ids: what its embeddings are of.
        modality: of the classes that it reads, if any.
        parts: entries of the grid that it is made of, if any.
        varied: the setting that the model varies, as section.key, if any.
        settings: all that differs from the defaults, but for backbone and seeds.
    """

    name: str
    model: str
    head: Head
    ids: Ids
    modality: Modality | None
    parts: tuple[str, ...]
    varied: str | None
    settings: Sections

    def settings_of(self, backbone: Backbone, seed: int) -> Settings:
        """Settings of one of its models."""
        own: Sections = {"model": {"backbone": backbone}, "training": {"seed": seed}, "semantics": {"seed": seed}}
        return validated(_merged(self.settings, own))

    @property
    def value(self) -> Any:
        """Of the varied setting."""
        assert self.varied is not None
        section, key = self.varied.split(".")
        return getattr(getattr(validated(self.settings), section), key)


@dataclass(frozen=True)
class Table:
    """A grid with its rows."""

    path: Path
    grid: Grid
    overrides: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def baseline(self) -> Row:
        """The row with which the others are compared."""
        return next(row for row in self.rows if row.model == self.grid.baseline)


def read_table(path: Path, overrides: tuple[str, ...] = ()) -> Table:
    """Read a grid and work out its rows.

    Args:
        path: of the YAML file.
        overrides: ``section.key=value``; they replace settings of the grid and of its models, but for varied ones.

    Raises:
        SettingsError: the file is missing or not YAML, or something in it does not fit; every fault is named.
    """
    given = read_mapping(path, "title, data, seeds, backbones and models")
    try:
        grid = Grid.model_validate(given)
    except ValidationError as error:
        raise SettingsError(f"{path}: not a grid:" + "".join(f"\n  {fault}" for fault in _faults(error))) from None
    try:
        _check_settings(grid, overrides)
        rows = tuple(row for name, model in grid.models.items() for row in _rows(grid, name, model, overrides))
        if sum(row.model == grid.baseline for row in rows) > 1:
            raise SettingsError(f"baseline: {grid.baseline} is several rows; take a model of one row")
        names = [row.name for row in rows]
        if twice := [name for name in names if names.count(name) > 1]:
            raise SettingsError(f"models: {twice[0]!r} would be two rows; give them different names")
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None
    return Table(path, grid, overrides, rows)


def _rows(grid: Grid, name: str, model: Model, overrides: tuple[str, ...]) -> Iterator[Row]:
    common = with_overrides(_merged(grid.settings, model.settings), overrides)
    [(varied, values)] = model.vary.items() or [(None, [None])]
    for value in values:
        settings, suffix = common, ""
        if varied:
            section, key = varied.split(".")
            settings, suffix = _merged(common, {section: {key: value}}), f", {key} {value}"
        try:
            checked = validated(settings)
        except SettingsError as error:
            raise SettingsError(f"models.{name}: {error}") from None
        kind = HEADS[model.head]
        ids = model.ids or kind.default_ids(checked)
        reads_classes = kind.reads_classes(ids) or any(
            HEADS[part.head].reads_classes(part.ids or "item") for part in (grid.models[name] for name in model.parts)
        )
        if reads_classes and not grid.modalities:
            raise SettingsError(f"models.{name}: reads classes; say with modalities what they are made from")
        modalities: tuple[Modality | None, ...] = grid.modalities if reads_classes else (None,)
        for modality in modalities:
            of = f", {modality}" if len(modalities) > 1 else ""
            yield Row(f"{name}{of}{suffix}", name, model.head, ids, modality, model.parts, varied, settings)


def _check_settings(grid: Grid, overrides: tuple[str, ...]) -> None:
    """Refuse settings for which the grid has another place."""
    for key in _keys(grid.settings):
        _check_key(key, f"settings.{key}")
    for key in _keys(with_overrides({}, overrides)):
        _check_key(key, f"--set {key}")
    for name, model in grid.models.items():
        for key, place in [(key, f"settings.{key}") for key in _keys(model.settings)] + [
            (k, "vary") for k in model.vary
        ]:
            _check_key(key, f"models.{name}.{place}")
            if (section := key.partition(".")[0]) in _SAME_FOR_ALL:
                raise SettingsError(
                    f"models.{name}.{place}: models are compared user by user on the same data; put {section} into "
                    "the settings of the whole grid"
                )


def _check_key(key: str, place: str) -> None:
    for name, reason in _NOT_SETTINGS.items():
        if f"{key}.".startswith(f"{name}."):
            raise SettingsError(f"{place}: {reason}; leave it out")


def _keys(sections: Sections) -> list[str]:
    return [f"{section}.{key}" for section, keys in sections.items() for key in keys]


def _merged(*layers: Sections) -> Sections:
    """Sections of which later layers replace single keys."""
    result: Sections = {}
    for layer in layers:
        for section, keys in layer.items():
            result[section] = {**result.get(section, {}), **keys}
    return result


def _faults(error: ValidationError) -> Iterable[str]:
    """One line a fault: where, and what was expected."""
    for fault in error.errors():
        place = ".".join(str(part) for part in fault["loc"])
        message, given = fault["msg"], f" (given {fault['input']!r})"
        if fault["type"] == "extra_forbidden":
            message, given = "unknown key", ""
        elif fault["type"] == "missing":
            given = ""
        elif fault["type"] == "value_error":
            message, given = str(fault["ctx"]["error"]), ""
        yield f"{place + ': ' if place else ''}{message}{given}"
