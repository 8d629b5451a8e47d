"""From prepared data to SOLID models, one a modality: tasks that training and retraining have alike."""

from typing import Any

from kfp import dsl

from components.assign import assign
from components.embed import embed
from components.train import train_item, train_semantic, train_solid
from pipelines.deployment import Deployment


def train_models(
    deployment: Deployment, *, prepared: Any, vectors: Any, generator: Any, modalities: Any, semantics: Any,
    fusion: Any, **learning: Any,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """Add these tasks to the pipeline in whose function this is called; a pipeline of their own would cost pods.

    Args:
        deployment: how they run.
        prepared: what prepare made.
        vectors: what features made.
        generator: of all models.
        modalities: what semantic ids are made from.
        semantics: section semantics of the settings without the modalities.
        fusion: section fusion of the settings without the generator.
        learning: what every training takes: backbone, model, training, apg.

    Returns:
        The item model, its embeddings, and the SOLID model of a modality, for ``dsl.Collected`` at each place of use.
    """
    placed = deployment.place(train_item(prepared=prepared, vectors=vectors, head=generator, **learning), "item")
    item = placed.outputs["trained"]
    embedded = deployment.place(embed(prepared=prepared, model=item), "embed")
    embeddings = embedded.outputs["embeddings"]
    with dsl.ParallelFor(modalities, name="modalities") as modality:
        assigned = assign(
            prepared=prepared, vectors=vectors, embeddings=embeddings, modality=modality, semantics=semantics
        )
        classes = deployment.place(assigned, "assign").outputs["classes"]
        semantic = train_semantic(prepared=prepared, semantics=classes, head=generator, **learning)
        deployment.place(semantic, "semantic")
        solid = train_solid(
            prepared=prepared,
            vectors=vectors,
            semantics=classes,
            semantic_model=semantic.outputs["trained"],
            generator=generator,
            fusion=fusion,
            **learning,
        )
        deployment.place(solid, "solid")
    return item, embeddings, solid.outputs["trained"]
