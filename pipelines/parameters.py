"""Settings as parameters of a pipeline: a parameter for each section, and for what the pipeline fans out over."""

from __future__ import annotations

from typing import Any

from solid.settings.schema import Settings

# Keys that are parameters of their own, because a pipeline fans out over them or names a step's model by them.
_APART = {
    "semantics": {"modalities"},
    "model": {"backbone"},
    "fusion": {"generator"},
    "evaluation": {"baselines"},
}


def parameters(settings: Settings) -> dict[str, Any]:
    """Values of the parameters that stand for ``settings``."""
    values: dict[str, Any] = settings.model_dump(mode="json")
    for section, keys in _APART.items():
        values[section] = {key: value for key, value in values[section].items() if key not in keys}
    return {
        **values,
        "backbone": settings.model.backbone,
        "backbones": [settings.model.backbone],
        "modalities": list(settings.semantics.modalities),
        "baselines": list(settings.evaluation.baselines),
        "generator": settings.fusion.generator,
    }


DEFAULTS = parameters(Settings())
