"""The training pipeline: the whole chain, for every baseline and modality."""

from __future__ import annotations

from kfp.dsl.graph_component import GraphComponent

from components.unrolled import Unrolled
from pipelines.build import whole
from pipelines.deployment import Deployment
from solid.chain import TRAINING
from solid.settings.schema import Settings


def training(deployment: Deployment, settings: Settings) -> GraphComponent:
    """The pipeline from raw data to evaluated and registered models, for the lists of these settings."""
    about = "From raw data to evaluated and registered models, for every baseline and modality."
    return whole(Unrolled.of(TRAINING, settings), about, deployment)
