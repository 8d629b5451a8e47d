"""Where SOLID starts: what was learned before it. What to reuse was decided by measurement, see docs/findings.md."""

from __future__ import annotations

import torch
from torch import Tensor

from solid.errors import DataError
from solid.kinds import HEADS
from solid.models.heads.codebook import Codebook
from solid.models.heads.generated import GeneratedHead
from solid.models.heads.solid import SolidHead
from solid.models.history import HistoryEncoder
from solid.models.recommender import Recommender


@torch.no_grad()
def warm_start(model: Recommender, semantic_model: Recommender) -> None:
    """Give a fresh SOLID model the semantic model's history encoder and generator: the trunk of the weights.

    The item side starts afresh and learns to fit that trunk; starting it from the item model, too, was worse.

    The codebook starts from the hidden states of the classes ("semantic to parameter", method section 3.3) at the mean
    of the positions: the codes then lie among the hidden states that they are compared with, and each class has its
    own.

    Raises:
        DataError: the semantic model reads other classes, or was built with other settings of ``model``.
    """
    assert isinstance(model.head, SolidHead)
    theirs, head = semantic_model.config, model.head
    if theirs.ids != "semantic" or not torch.equal(_classes(semantic_model), _classes(model)):
        raise DataError("the semantic model does not read these classes; train it with --ids semantic on them")
    if theirs.head != model.config.fusion.generator:
        raise DataError(f"the semantic model is {theirs.head}, but fusion.generator is {model.config.fusion.generator}")
    assert isinstance(semantic_model.head, GeneratedHead)
    for section in ("model", *HEADS[theirs.head].own_sections):
        if getattr(theirs, section) != getattr(model.config, section):
            raise DataError(f"the semantic model was trained with other settings of {section}; train it again")
    table = semantic_model.items.of_class
    assert table is not None
    if head.classes is not None and head.history is not None and head.semantic is not None:
        head.classes.load_state_dict(table.state_dict())
        head.history.load_state_dict(semantic_model.history.state_dict())
        head.semantic.load_state_dict(semantic_model.head.generator.state_dict())
    if isinstance(head.codebook, Codebook):
        head.codebook.start_from(
            _hidden_of_classes(semantic_model.history, table.embedding.weight[1 : 1 + len(head.codebook.codes)])
        )


@torch.no_grad()
def start_as_trunk(model: Recommender, trunk: Recommender) -> None:
    """Make a fresh residual model score as a static one does, and let training change only what it adds to that.

    What the head generates starts as zero; so does the embedding of classes, where the trunk has none.

    Raises:
        DataError: the trunk is not static, is of other data, reads what this model does not, or was built with other
            settings of ``model``.
    """
    theirs, ours = trunk.config, model.config
    if theirs.head != "static":
        raise DataError(f"the trunk is {theirs.head}; train it with --head static")
    if (theirs.n_items, theirs.digest) != (ours.n_items, ours.digest):
        raise DataError("the trunk was trained on other data; train it again on these")
    if theirs.model != ours.model:
        raise DataError("the trunk was trained with other settings of model; train it again")
    state, known = trunk.state_dict(), model.state_dict()
    if missing := [name for name in state if name not in known or known[name].shape != state[name].shape]:
        raise DataError(f"the trunk has {', '.join(missing)}, which this model lacks; train both on the same inputs")
    if other := [
        name for name, _ in trunk.named_buffers() if name in state and not torch.equal(state[name], known[name])
    ]:
        raise DataError(f"the trunk has other {', '.join(other)}; train both on the same inputs")
    model.load_state_dict(state, strict=False)
    for name, parameter in model.named_parameters():
        if name in state:
            parameter.requires_grad_(False)
        elif name.startswith("items.of_class."):
            parameter.zero_()
        elif not name.startswith("head."):
            raise DataError(f"the trunk lacks {name}; train both on the same inputs")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise DataError("the trunk is all of this model; add --ids both, or take a head that generates weights")


def _classes(model: Recommender) -> Tensor:
    assert model.items.classes is not None
    return model.items.classes


def _hidden_of_classes(history: HistoryEncoder, table_KD: Tensor) -> Tensor:
    hidden_KD = table_KD + history.position.mean(0)
    return hidden_KD if history.project is None else torch.tanh(history.project(hidden_KD))
