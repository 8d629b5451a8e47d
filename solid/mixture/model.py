"""A mixture of models, for whoever scores, ranks, registers or serves one: the same face as that of each part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from solid.kinds import HEADS
from solid.models.config import BaseConfig
from solid.models.layers import shortened
from solid.models.protocols import LOGITS_AT_ONCE, Model, Opaque
from solid.settings.fields import Section

_LEAST = 1e-12  # share of an item that every part leaves at nothing; its logarithm has to be finite


class Part(Section):
    """One of the models.

    Attributes:
        name: in the table of the run that made it.
        share: of the sum.
        config: the part's own.
    """

    name: str
    share: float
    config: dict[str, Any]


class MixtureConfig(BaseConfig):
    """Which models, and how much of each; their tensors stand beside it, each name behind the number of its part."""

    parts: tuple[Part, ...]
    reads: int
    """Items of a history that the part reads that reads most."""

    @property
    def length(self) -> int:
        """How many items of a history, the last ones, it reads."""
        return self.reads

    @property
    def about(self) -> dict[str, str]:
        """The shares."""
        return {"shares": ", ".join(f"{part.share:.2g} {part.name}" for part in self.parts)}


@dataclass(frozen=True)
class Encoded:
    """Histories [B, L], and what each part made of them."""

    items_BL: Tensor
    parts: list[Any]


class Mixture(Opaque):
    """Scores are logarithms of the mixed distributions, sum over parts of share * softmax(scores of the part)."""

    def __init__(self, config: MixtureConfig, parts: Sequence[Model]) -> None:
        self.config, self.parts = config, tuple(parts)

    @classmethod
    def of(cls, parts: Mapping[str, tuple[float, Model]]) -> Self:
        """Mix models of the same items; name -> share and model."""
        models = [model for _, model in parts.values()]
        first = models[0].config
        config = MixtureConfig(
            head="mixture",
            n_items=first.n_items,
            digest=first.digest,
            parts=tuple(
                Part(name=name, share=share, config=model.config.model_dump(mode="json"))
                for name, (share, model) in parts.items()
            ),
            reads=max(model.config.length for model in models),
        )
        return cls(config, models)

    @property
    def device(self) -> torch.device:
        """The CPU, where what the parts say is summed."""
        return torch.device("cpu")

    def encode(self, items_BL: Tensor) -> Encoded:
        """What each part makes of right-padded histories [B, L]."""
        return Encoded(items_BL, [_encode(part, items_BL) for part in self.parts])

    def score(self, user: Encoded, candidates_BC: Tensor) -> Tensor:
        """The scores [B, C] of each user's candidates (item ids)."""
        mixed_BC = torch.zeros(candidates_BC.shape)
        for share, part, read in self._shared(user):
            logits_BC = part.score(read, candidates_BC.to(part.device)).cpu()
            mixed_BC += share * (logits_BC - _log_sums(part, user.items_BL)).exp()
        return _logarithm(mixed_BC)

    def score_all(self, user: Encoded) -> Tensor:
        """The scores [B, N] of all items; column j belongs to item j + 1."""
        return mix((share, distribution(part, read)) for share, part, read in self._shared(user))

    def state_dict(self) -> dict[str, Tensor]:
        """The tensors of all parts, as they are stored."""
        return {
            f"{number}.{name}": tensor
            for number, part in enumerate(self.parts)
            for name, tensor in part.state_dict().items()
        }

    @classmethod
    def restore(cls, config: Mapping[str, Any], state: Mapping[str, Tensor], *, fold: bool = True) -> Self:
        """Build it from what its folder holds; the parts do what ``fold`` says."""
        known = MixtureConfig.model_validate(config)
        parts = []
        for number, part in enumerate(known.parts):
            before = f"{number}."
            own = {name.removeprefix(before): tensor for name, tensor in state.items() if name.startswith(before)}
            parts.append(HEADS[part.config["head"]].load_model().restore(part.config, own, fold=fold))
        return cls(known, parts)

    def _shared(self, user: Encoded) -> Iterator[tuple[float, Model, Any]]:
        for part, model, read in zip(self.config.parts, self.parts, user.parts, strict=True):
            yield part.share, model, read


def mix(parts: Iterable[tuple[float, Tensor]]) -> Tensor:
    """Logarithms of the sum of distributions, each times its share."""
    first, *others = parts
    mixed = first[0] * first[1]
    for share, shares in others:
        mixed += share * shares
    return _logarithm(mixed)


def distribution(model: Model, user: Any) -> Tensor:
    """The shares [B, N] of all items that a model's scores amount to."""
    return model.score_all(user).softmax(1).cpu()


def _encode(part: Model, items_BL: Tensor) -> Any:
    """What a part makes of right-padded histories [B, L] that may be longer than it reads."""
    return part.encode(shortened(items_BL, part.config.length).to(part.device))


def _log_sums(part: Model, items_BL: Tensor) -> Tensor:
    """Logarithms [B, 1] of the sum over all items of e to the power of their scores."""
    rows = max(1, LOGITS_AT_ONCE // part.config.n_items)
    sums = [
        part.score_all(_encode(part, few_BL)).logsumexp(1, keepdim=True).cpu() for few_BL in torch.split(items_BL, rows)
    ]
    return torch.cat(sums)


def _logarithm(shares: Tensor) -> Tensor:
    return shares.clamp_(min=_LEAST).log_()
