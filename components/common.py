"""What every component says alike: the image, and the options for settings and for Kubeflow."""

from __future__ import annotations

from typing import Any

from kfp import dsl

# Pipelines put the image that they are compiled for in its place.
IMAGE = "solid:dev"


def settings(**values: Any) -> list[str]:
    """Options ``--set``, one for each section of settings or, written with two underscores, for a key of a section."""
    pairs = ((name.replace("__", "."), value) for name, value in values.items())
    return [part for name, value in pairs for part in ("--set", f"{name}={value}")]


def kubeflow() -> list[Any]:
    """The option that tells a step what Kubeflow wants back: metadata of artifacts, views for its pages."""
    return ["--executor-input", dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER]
