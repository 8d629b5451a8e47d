"""The prepare step as a Kubeflow component."""

from kfp import dsl

from components.common import IMAGE, kubeflow, settings


@dsl.container_component
def prepare(raw: dsl.Input[dsl.Dataset], prepare: dict, prepared: dsl.Output[dsl.Dataset]):
    """Parse and filter the raw data, split each user's events by time, draw the candidates for validation and test.

    Args:
        raw: What ingest fetched.
        prepare: Section prepare of the settings: k-core, candidates a user, broken lines allowed, seed.

    Returns:
        prepared: Users, items, interactions, candidates, and stats.json with all that was dropped and why. Metadata:
            users, items, interactions, density.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["solid", "prepare"],
        args=["--raw", raw.path, "--out", prepared.path, *settings(prepare=prepare), *kubeflow()],
    )
