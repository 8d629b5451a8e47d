"""The sub-commands of the steps, made from what each says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from solid import steps
from solid.cli.options import settings_options
from solid.errors import SettingsError
from solid.kinds import HEADS
from solid.steps import STEPS
from solid.storage.places import FOLDER, INPUT, PlacesCommand, input_folder

if TYPE_CHECKING:
    from solid.settings.schema import Settings


def _models(option: str, patterns: tuple[str, ...], settings: Settings) -> dict[str, Path]:
    """Expand NAME=FOLDER pairs; {modality} in one stands for every modality of the settings, {baseline} likewise."""
    models: dict[str, Path] = {}
    for pattern in patterns:
        each = {"{modality}": settings.semantics.modalities, "{baseline}": settings.evaluation.baselines}
        written = [pattern]
        for mark, values in each.items():
            written = [text.replace(mark, value) for text in written for value in (values if mark in text else [""])]
        for text in written:
            name, equals, place = text.partition("=")
            folder = input_folder(place)
            if not (name and equals and folder.is_dir()):
                raise click.UsageError(
                    f"{option} {pattern}: no folder {place!r}; write it as NAME=FOLDER of a trained model"
                )
            if name in models:
                raise click.UsageError(f"{option} {pattern}: a second model of the name {name!r}")
            models[name] = folder
    return models


class _Mapping(click.ParamType[dict[str, Any]]):
    """A mapping of sections to mappings of keys to values, in YAML (of which JSON is a part)."""

    name = "YAML"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        from solid.settings.strict_yaml import parse_yaml

        try:
            mapping = parse_yaml(value, repr(value)) if isinstance(value, str) else value
        except SettingsError as error:
            self.fail(str(error), param, ctx)
        if not isinstance(mapping, Mapping):
            self.fail(f"expected a mapping such as {{training: {{seed: 1}}}}, not {value!r}", param, ctx)
        return dict(mapping)


_TRAIN = f"""{STEPS["train"].about}

Any head goes with any backbone (model.backbone). Heads:

\b
""" + "\n".join(f"  {kind.name:{max(map(len, HEADS)) + 2}}{kind.about}" for kind in HEADS.values())


def _option(given: steps.Option) -> click.Option:
    """An option of a step as the command line takes it."""
    kind: Any = str
    if isinstance(given.default, Mapping):
        kind = _Mapping()
    elif isinstance(given.default, bool):
        kind = bool
    elif given.choices:
        kind = click.Choice(given.choices)
    default: dict[str, Any] = (
        {"default": given.default, "show_default": bool(given.default)} if given.default is not None else {}
    )
    return click.Option([steps.option(given.name)], type=kind, required=given.required, help=given.about, **default)


def _command(step: steps.Step) -> click.Command:
    """The sub-command of a step."""

    def run(**given: Any) -> None:
        settings = None
        if step.settings:
            from solid.settings.loading import load_settings

            settings = load_settings(given.pop("params"), given.pop("overrides"))
        for folder in step.inputs:
            if folder.many:
                assert settings is not None
                given[folder.name] = _models(step.option_of(folder.name), given[folder.name], settings)
        if said := step.run(settings, **given):
            click.echo(said)

    folders: list[click.Parameter] = [
        click.Option([step.option_of(folder.name), folder.name], multiple=True, required=folder.required,
                     metavar="NAME=FOLDER", help=folder.about)
        if folder.many
        else click.Option([step.option_of(folder.name)], type=INPUT, required=folder.required, help=folder.about)
        for folder in step.inputs
    ]  # fmt: skip
    out = click.Option(["--out"], type=FOLDER, required=True, help=f"Folder to write: {step.writes}")
    options = [*folders, *map(_option, step.options), out]
    if step.settings:
        options += reversed(settings_options(run).__click_params__)  # type: ignore[attr-defined]
    return PlacesCommand(step.name, callback=run, params=options, help=_TRAIN if step is steps.TRAIN else step.about)


COMMANDS = [_command(step) for step in STEPS.values()]
"""In the order of the chain."""
