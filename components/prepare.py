"""The prepare step as a Kubeflow component."""

from kfp import dsl

from components.common import step


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
    return step(
        "prepare",
        "--raw", raw.path,
        "--out", prepared.path,
        prepare=prepare,
    )  # fmt: skip
