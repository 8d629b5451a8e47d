"""The retraining pipeline: a successor for the champion, made as it was made, on the data of today."""

from __future__ import annotations

from kfp.dsl.graph_component import GraphComponent

from components.unrolled import Unrolled
from pipelines.build import whole
from pipelines.deployment import Deployment
from solid.chain import RETRAINING
from solid.settings.schema import Settings


def retraining(deployment: Deployment, settings: Settings) -> GraphComponent:
    """The pipeline from raw data to the decision who is champion, for the lists of these settings."""
    about = (
        "From raw data to a registered challenger, which becomes champion if it wins and the data passed its checks. "
        "What makes a model counts where there is no champion, or where settings_of is params."
    )
    return whole(Unrolled.of(RETRAINING, settings), about, deployment)
