"""Settings of heads: the sections that each has of its own, beside ``model`` and ``training``."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from solid.settings.fields import Generator, NotNegative, Positive, Section, Share


class FinetuneSettings(Section):
    """Head finetune: a static model that is adapted to each user's own history before it scores."""

    steps: int = Field(3, ge=1, description="updates by gradient a user")
    rate: float = Field(0.1, gt=0, description="learning rate of an update")


class ApgSettings(Section):
    """Head apg: low-rank generated layers (method section 2)."""

    rank: int = Field(16, ge=1, description="K, rows and columns of the generated core; at most the layer's width")
    expansion: int = Field(
        0, ge=0, description="inner width of over-parameterised U and V, folded after training; 0: not used"
    )

    @model_validator(mode="after")
    def _expansion_is_wider(self) -> Self:
        if 0 < self.expansion < self.rank:
            raise ValueError(f"expansion must be 0 or at least rank, but {self.expansion} < {self.rank}")
        return self


class FusionSettings(Section):
    """SOLID's own: how item and semantic branch meet, and the codebook (method section 3)."""

    generator: Generator = Field(
        "duet", description="what generates the weights: of SOLID, of the item model and of the semantic model"
    )
    ids: Literal["item", "both"] = Field(
        "both", description="an item's embedding in history and target: E[i] (the paper), or E[i] + E_c[class of i]"
    )
    branches: Literal["both", "semantic", "item"] = Field(
        "both", description="ablation: semantic is SPG alone, item is DUET (or APG) with the codebook"
    )
    bound: Literal["clip", "tanh", "none"] = Field("tanh", description="form of the bound on the item branch")
    t: float = Field(0.01, gt=0, description="scale of the bound")
    alignment: float = Field(0.1, ge=0, description="lambda, weight of the alignment loss")
    codebook: Literal["none", "vae", "frozen", "loss", "ema"] = Field(
        "ema", description="how the codebook learns; vae: a variational autoencoder in its place; none: no SCL"
    )


def _to_try(*values: float | None, about: str) -> Any:
    return Field(values, min_length=1, description=f"{about}; the search begins with the first")


class CountingSettings(Section):
    """Counting: values that are tried on the validation events, one list at a time, for NDCG@10 among all items."""

    users: int = Field(4000, ge=1, description="at most so many users judge what is tried, evenly spread")
    entries: int = Field(500, ge=1, description="largest entries kept of what an item speaks for")
    items: tuple[PositiveInt, ...] = _to_try(10, 1, 3, 5, 20, about="how many last items of a history are read")
    decay: tuple[Share, ...] = _to_try(
        0.6, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9, about="weight of an item beside that of the next"
    )
    share: tuple[Share, ...] = _to_try(0.1, 0.01, 0.03, 0.2, 0.3, about="share of popularity")
    half_life: tuple[Annotated[float, Field(gt=0)], ...] = _to_try(
        0.1, 0.01, 0.03, 0.3, 1, about="head lately: time in which an event loses half its weight, share of all time"
    )
    window: tuple[PositiveInt, ...] = _to_try(5, 1, 2, 3, 10, 20, about="transitions: how far apart two items may be")
    backward: tuple[Share, ...] = _to_try(
        0.3, 0, 0.1, 0.6, 1, about="transitions: weight of a before b where b is followed by a"
    )
    flatten: tuple[Share, ...] = _to_try(
        0.5, 0, 0.25, 0.75, 1, about="transitions: power of the sum by which what an item speaks for is divided"
    )
    alike: int = Field(20, ge=1, description="transitions: how many of the items most alike count as alike")
    power: tuple[Positive, ...] = _to_try(4, 2, 8, about="transitions: power of the cosine of items that are alike")
    a: tuple[NotNegative, ...] = _to_try(
        1, 0, 0.5, 2, 4, about="transitions: weight of what followed items alike, a K T"
    )
    b: tuple[NotNegative, ...] = _to_try(
        0.5, 0, 0.2, 1, 2, about="transitions: weight of items like what followed, b T K"
    )
    c: tuple[NotNegative, ...] = _to_try(0.3, 0, 0.1, 0.6, 1, about="transitions: weight of items alike, c K")
    neighbours: tuple[PositiveInt, ...] = _to_try(100, 20, 50, 200, about="itemknn: nearest items of each")
    shrink: tuple[NotNegative, ...] = _to_try(10, 0, 1, 30, 100, about="itemknn: shrinks cosines of few users")
    ridge: tuple[Positive, ...] = _to_try(100, 30, 300, 1000, about="ease: lambda")
    side: tuple[Positive, ...] = _to_try(3, 1, 10, 30, about="ease: weight of texts and pictures")
    ease_items: int = Field(8000, ge=2, description="ease: at most so many items, the most touched, take part")
    long_items: tuple[PositiveInt, ...] = _to_try(50, about="ease: how many last items are read")
    long_decay: tuple[Share, ...] = _to_try(0.8, 0.6, 0.7, 0.9, 1, about="ease: weight of an item beside the next")
    sessions: tuple[PositiveInt, ...] = _to_try(100, 50, 200, 500, about="sessions: how many users are asked")


class HeadSections(Section):
    """The sections that heads of trained models have of their own; such a model keeps those that its head reads."""

    finetune: FinetuneSettings = FinetuneSettings()
    apg: ApgSettings = ApgSettings()
    fusion: FusionSettings = FusionSettings()


class MixtureSettings(Section):
    """Head mixture: models that are trained already, put together."""

    models: int = Field(3, ge=1, description="at most so many; each costs time whenever somebody is recommended to")
    shares: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
        min_length=1,
        description="shares of the sum that are tried for a further model, on the validation events",
    )
    users: int = Field(4000, ge=1, description="at most so many users judge what is tried, evenly spread")
