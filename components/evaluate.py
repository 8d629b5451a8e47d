"""The evaluate step as a Kubeflow component."""

from kfp import dsl

from components.common import step


@dsl.container_component
def evaluate(
    prepared: dsl.Input[dsl.Dataset],
    vectors: dsl.Input[dsl.Dataset],
    embeddings: dsl.Input[dsl.Dataset],
    baseline_models: dsl.Input[list[dsl.Model]],
    item_model: dsl.Input[dsl.Model],
    models: dsl.Input[list[dsl.Model]],
    baselines: list,
    generator: str,
    modalities: list,
    evaluation: dict,
    results: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    report: dsl.Output[dsl.HTML],
    summary: dsl.Output[dsl.Markdown],
):
    """Score the test users with every model and compare each with the first baseline, user by user.

    Args:
        prepared: What prepare made.
        vectors: What features made; for the map of the semantic space.
        embeddings: What embed took from the item model; likewise.
        baseline_models: The baselines.
        item_model: The item model.
        models: The SOLID models, one a modality.
        baselines: Heads of the baselines in the order of the table; the others are compared with the first.
        generator: Head of the item model.
        modalities: Modalities of the SOLID models in the order of the table.
        evaluation: Section evaluation of the settings without the baselines: full ranking, bootstrap, seed.

    Returns:
        results: All files: metrics, per-user values, comparison, learning curves, table, report.
        metrics: Every metric of every model.
        report: The report, with curves, semantic classes, codebook and the map of the semantic space.
        summary: The table of results.
    """
    return step(
        "evaluate",
        "--prepared", prepared.path,
        "--features", vectors.path,
        "--embeddings", embeddings.path,
        "--model", "{baseline}=@baseline_models/{baseline}",
        "--model", f"{generator}={item_model.path}",
        "--model", "SOLID {modality}=@models/{modality}",
        "--out", results.path,
        semantics__modalities=modalities, evaluation=evaluation, evaluation__baselines=baselines,
    )  # fmt: skip


@dsl.container_component
def evaluate_challengers(
    prepared: dsl.Input[dsl.Dataset],
    vectors: dsl.Input[dsl.Dataset],
    embeddings: dsl.Input[dsl.Dataset],
    item_model: dsl.Input[dsl.Model],
    models: dsl.Input[list[dsl.Model]],
    generator: str,
    modalities: list,
    evaluation: dict,
    results: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    report: dsl.Output[dsl.HTML],
    summary: dsl.Output[dsl.Markdown],
):
    """Score the test users with newly trained models, for the report; against the champion, register measures them.

    Args:
        prepared: What prepare made.
        vectors: What features made; for the map of the semantic space.
        embeddings: What embed took from the item model; likewise.
        item_model: The item model, the baseline of the table.
        models: The SOLID models, one a modality.
        generator: Head of the item model.
        modalities: Modalities of the SOLID models in the order of the table.
        evaluation: Section evaluation of the settings without the baselines: full ranking, bootstrap, seed.

    Returns:
        results: All files: metrics, per-user values, comparison, learning curves, table, report.
        metrics: Every metric of every model.
        report: The report, with curves, semantic classes, codebook and the map of the semantic space.
        summary: The table of results.
    """
    return step(
        "evaluate",
        "--prepared", prepared.path,
        "--features", vectors.path,
        "--embeddings", embeddings.path,
        "--model", f"{generator}={item_model.path}",
        "--model", "SOLID {modality}=@models/{modality}",
        "--out", results.path,
        semantics__modalities=modalities, evaluation=evaluation,
    )  # fmt: skip
