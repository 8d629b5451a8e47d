"""Where SOLID starts: what was learned before it. What to reuse was decided by measurement, see docs/findings.md."""

from __future__ import annotations

import torch
from torch import Tensor

from solid.errors import DataError
from solid.models import Recommender
from solid.models.heads import DuetHead, SolidHead


@torch.no_grad()
def warm_start(model: Recommender, semantic_model: Recommender) -> None:
    """Give a fresh SOLID model the semantic model's history encoder and generator: the trunk of the weights.

    The item side starts afresh and learns to fit that trunk; starting it from the item model, too, was worse.

    The codebook starts from the hidden states of the classes ("semantic to parameter", method section 3.3), averaged
    over positions: the codes then lie among the hidden states that they are compared with, and each class has its own.

    Raises:
        DataError: the semantic model reads other classes, or was built with other settings of ``model``.
    """
    assert isinstance(model.head, SolidHead)
    if not isinstance(semantic_model.head, DuetHead) or not torch.equal(semantic_model.reads, model.head.class_of_item):
        raise DataError("the semantic model does not read these classes; train it with --head duet --ids semantic")
    if semantic_model.config.model != model.config.model:
        raise DataError("the semantic model was trained with other settings of model; train it again")
    model.head.history.load_state_dict(semantic_model.history.state_dict())
    model.head.semantic.load_state_dict(semantic_model.head.generator.state_dict())
    if model.head.codebook is not None:
        model.head.codebook.start_from(_hidden_of_classes(model.head))


def _hidden_of_classes(head: SolidHead) -> Tensor:
    history = head.history
    table_KD = history.embedding.weight[1:] + history.position.mean(0)
    hidden_KD: Tensor = torch.tanh(history.project(table_KD))
    return hidden_KD
