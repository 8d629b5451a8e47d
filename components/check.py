"""The check step as a Kubeflow component."""

from kfp import dsl

from components.common import step


@dsl.container_component
def check(
    prepared: dsl.Input[dsl.Dataset],
    reference: dsl.Input[dsl.Artifact],
    checks: dict,
    checked: dsl.Output[dsl.Artifact],
    summary: dsl.Output[dsl.Markdown],
):
    """Check new data against the champion's: schema, volume, new items, drift of popularity.

    Data that does not pass is trained on all the same, for a drift may be the market's; but its model does not become
    champion.

    Args:
        prepared: What prepare made of the new data.
        reference: What champion found: the profile of the champion's data.
        checks: Section checks of the settings: thresholds.

    Returns:
        checked: The report in JSON and Markdown. Metadata: passed, and the reason in words.
        summary: The report, a row a check.
    """
    return step(
        "check",
        "--prepared", prepared.path,
        "--reference", reference.path,
        "--out", checked.path,
        checks=checks,
    )  # fmt: skip
