"""Parameters of components and pipelines: the settings by section, and on its own what a step is chosen by.

The lists that stages run for each entry of are none of them, for a pipeline is compiled for these. Names, types, texts
and defaults come from ``solid/settings/schema.py``; only what Kubeflow alone knows is said here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from solid.chain import CHOICES, EACH
from solid.settings.schema import Settings
from solid.steps import CHAMPION, REGISTER, Option


@dataclass(frozen=True)
class Parameter:
    """A parameter as Kubeflow's pages show it.

    Attributes:
        name: of the parameter.
        about: what it means.
        default: its value where nobody gives one; its type is the parameter's.
    """

    name: str
    about: str
    default: Any

    @property
    def type(self) -> Any:
        """As kfp takes it."""
        return type(self.default)


def _choices(option: Option) -> str:
    return f" One of {', '.join(option.choices)}." if option.choices else ""


# What is no setting: of the cache, and of steps that somebody may tell more.
_OF_KUBEFLOW = (
    Parameter(
        "data_version",
        "Any text that changes when the data at the source does; the same text lets the cache answer.",
        "",
    ),
    *(
        Parameter(option.name, f"{option.about}{_choices(option)}", option.default)
        for step in (CHAMPION, REGISTER)
        for option in step.options
        if option.name != "modalities"  # a pipeline's own word
    ),
)


def of_settings(settings: Settings) -> dict[str, Parameter]:
    """The parameters that stand for settings, by place: a section without lists and choices, or a choice."""
    found = {}
    for section, fields in settings:
        values = fields.model_dump(mode="json")
        texts = {key: field.description for key, field in type(fields).model_fields.items()}
        keys = [key for key in values if f"{section}.{key}" not in (*EACH, *CHOICES)]
        about = f"Section {section} of the settings. {fields.__doc__} " + " ".join(
            f"{key}: {texts[key]}." for key in keys
        )
        found[section] = Parameter(section, about, {key: values[key] for key in keys})
        for key in (key for key in values if f"{section}.{key}" in CHOICES):
            found[f"{section}.{key}"] = Parameter(key, f"{texts[key]} ({section}.{key})", values[key])
    return found


PARAMETERS = of_settings(Settings()) | {parameter.name: parameter for parameter in _OF_KUBEFLOW}
