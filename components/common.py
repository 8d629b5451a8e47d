"""What every component says alike: the image, and how its options, settings and Kubeflow's wishes become a command."""

from __future__ import annotations

from typing import Any

from kfp import dsl

# Pipelines put the image that they are compiled for in its place.
IMAGE = "solid:dev"


def step(command: str, *arguments: Any, **settings: Any) -> dsl.ContainerSpec:
    """A step of ``solid`` as a container.

    Args:
        command: sub-command of ``solid``.
        arguments: its options and their values.
        settings: each becomes an option ``--set``; the name is a section of settings or, written with two underscores,
            a key of a section.
    """
    pairs = ((name.replace("__", "."), value) for name, value in settings.items())
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["solid", command],
        args=[
            *arguments,
            *(part for name, value in pairs for part in ("--set", f"{name}={value}")),
            # Tells the step what Kubeflow wants back: metadata of artifacts, views for its pages.
            *["--executor-input", dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER],
        ],
    )
