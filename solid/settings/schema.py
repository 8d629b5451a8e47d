"""Every setting of the chain, typed and validated; ``params.yaml`` holds them, an unknown key is an error."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetPydanticSchema,
    PositiveInt,
    field_validator,
    model_validator,
)
from pydantic_core import core_schema

from solid.kinds import BACKBONES, BASELINES, GENERATORS, HEADS, LOSSES, encoders
from solid.metrics.base import CANDIDATES
from solid.metrics.catalogue import MAIN, per_user, with_compared

Modality = Literal["id", "text", "image", "id_text", "id_image", "text_image", "id_text_image"]
VectorKind = Literal["text", "image"]
MODALITIES: tuple[Modality, ...] = get_args(Modality)
AUTO = "auto"
"""In place of a modality: texts and pictures as far as the data has them, else id."""


def one_of(known: Iterable[str]) -> GetPydanticSchema:
    """What makes a text a choice of the names of a registry, as a Literal of them would."""
    names = core_schema.literal_schema(list(known))
    return GetPydanticSchema(lambda *_: names)


Backbone = Annotated[str, one_of(BACKBONES)]
Loss = Annotated[str, one_of(["auto", *LOSSES])]
Head = Annotated[str, one_of(HEADS)]
Baseline = Annotated[str, one_of(BASELINES)]
Generator = Annotated[str, one_of(GENERATORS)]
MetricName = Annotated[str, AfterValidator(lambda name: per_user(name).name)]
"""Of a metric that every user has a value of, such as uauc or full_ndcg_10."""

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A section of ``params.yaml``: frozen, and closed to keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataSettings(Section):
    """Where the raw data comes from."""

    source: str = Field("data", description="folder, https:// or s3:// address of the raw data")
    format: str = Field("auto", description="reader to use, by name; auto looks at the files")


class PrepareSettings(Section):
    """From raw files to sequences (protocol: method section 4)."""

    k_core: Annotated[int, Field(ge=0)] | Literal["auto"] = Field(
        "auto", description="drop users and items with fewer events, repeatedly; auto: 5, or 0 where the source did it"
    )
    negatives: int = Field(99, ge=1, description="candidates drawn beside each validation and test positive")
    max_bad_share: float = Field(0.01, ge=0, le=1, description="stop when a larger share of lines is broken")
    seed: int = Field(0, ge=0, lt=2**32, description="seed of the validation and test candidates")


class FeatureSettings(Section):
    """How items become vectors."""

    text: Annotated[str, one_of(("words", "auto", "precomputed", *encoders("text"), "none"))] = Field(
        "words",
        description="words: TF-IDF where the data has texts, else the precomputed vectors that it has; auto: the other "
        "way round",
    )
    image: Annotated[str, one_of(("auto", "precomputed", *encoders("image"), "none"))] = Field(
        "auto", description="auto: precomputed vectors where the data has them, else pixel statistics"
    )
    dim: int = Field(256, ge=2, description="width of the TF-IDF + SVD text vectors")
    clip: str = Field("openai/clip-vit-base-patch32", description="CLIP model id or local folder")
    batch_size: int = Field(64, ge=1, description="items encoded at once by CLIP")


class SemanticsSettings(Section):
    """How vectors become semantic ids."""

    modalities: tuple[Literal[Modality, "auto"], ...] = Field(
        ("auto",),
        description="one SOLID model for each; auto: texts and pictures as far as the data has them, else id; all: all "
        "seven",
    )
    classes: Annotated[int, Field(ge=2)] | Literal["auto"] = Field(
        "auto", description="number of classes; auto: a rule on the number of items"
    )
    levels: int = Field(
        1,
        ge=1,
        le=8,
        description="classes of an item, each by what the ones before it leave (residual k-means)",
    )
    seed: int = Field(0, ge=0, lt=2**32, description="seed of the clustering")

    @field_validator("modalities", mode="before")
    @classmethod
    def _expand(cls, given: object) -> object:
        if given == "all":
            return MODALITIES
        if not isinstance(given, list | tuple) or not given or any(given.count(name) > 1 for name in given):
            raise ValueError(f"expected all, or a list of different modalities such as [id, id_text] (given {given!r})")
        return given


class ModelSettings(Section):
    """The recommender that every head shares."""

    form: Literal["residual", "released"] = Field(
        "residual",
        description="residual: items are scored by the state of a trunk of `layers`, to which heads add; released: the "
        "one layer of the released code, its target transform, and heads between state and score (method section 1)",
    )
    backbone: Backbone = Field("sasrec", description="what turns a history into a user state (method section 1)")
    dim: int = Field(64, ge=4, description="width d of every embedding and hidden state")
    length: int = Field(50, ge=1, description="history length L")
    layers: int = Field(2, ge=1, description="layers of the backbone; 1 in the released form")
    attention_heads: int = Field(2, ge=1, description="attention heads of sasrec and bert4rec; they divide dim")
    feed_forward: int = Field(4, ge=1, description="width of their feed-forward layers, as a multiple of dim")
    dropout: float = Field(0.3, ge=0, lt=1, description="share of numbers that are dropped in training")
    cloze: float = Field(0.2, ge=0, lt=1, description="share of history positions that bert4rec hides in training")
    vectors: tuple[VectorKind, ...] | Literal["auto"] = Field(
        "auto",
        description="vectors of features whose projections are part of what an item is; auto: those of texts, else of "
        "pictures, none in the released form",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        kind = BACKBONES[self.backbone]
        if self.length < kind.shortest:
            raise ValueError(f"{self.backbone} needs a length of at least {kind.shortest}: its mask takes a position")
        if kind.attends and self.dim % self.attention_heads:
            raise ValueError(f"attention_heads must divide dim, but {self.dim} / {self.attention_heads} leaves a rest")
        if self.form == "released" and self.layers > 1:
            raise ValueError(f"the released form has one layer, but layers is {self.layers}; set model.layers=1")
        return self


class TrainingSettings(Section):
    """The training loop, shared by all models that are trained by gradients."""

    loss: Loss = Field(
        "auto",
        description="what is minimised; auto: softmax, or sampled_softmax where a candidate costs what a user costs",
    )
    targets: Literal["sequences", "windows"] = Field(
        "sequences",
        description="sequences: a user's events are learned in one pass, in pieces of a history's length that overlap "
        "by half; windows: each with its own history, as in the released code",
    )
    epochs: int = Field(100, ge=1, description="at most so many passes over the training targets")
    patience: int = Field(10, ge=1, description="stop after so many epochs without a better value of the metric")
    batch_size: int = Field(128, ge=1, description="sequences, or windows, a step")
    negatives: int = Field(
        256, ge=1, description="items drawn for losses that need some: for each target, or for a step (sampled_softmax)"
    )
    sampling: Literal["uniform", "popularity", "batch"] = Field(
        "uniform", description="how sampled_softmax draws them; batch: the other targets of the step"
    )
    calibration: float = Field(0.75, ge=0, le=1, description="t of gbce: 0 is bce, 1 has the scores of softmax")
    softmax_memory: float = Field(64, gt=0, description="MiB that the parts of the softmax over all items may take")
    learning_rate: float = Field(1e-3, gt=0, description="of AdamW")
    weight_decay: float = Field(0.1, ge=0, description="of AdamW")
    gradient_clip: float = Field(5.0, gt=0, description="largest global gradient norm")
    metric: MetricName = Field(MAIN, description="metric whose best value on the held-out events picks the epoch")
    selection: Literal["valid", "test"] = Field(
        "valid",
        description="users' events that pick the epoch; test: the released protocol, which trains on the validation "
        "events and picks on the test events, only for comparison with published rows",
    )
    selection_users: int = Field(
        20_000, ge=1, description="at most so many users, evenly spread, have a say in the metric"
    )
    seed: int = Field(0, ge=0, lt=2**32, description="of weights, order and negatives")
    threads: int = Field(
        1, ge=1, description="CPU threads; one gives the same bytes anywhere, and small batches gain nothing from more"
    )
    device: str = Field("auto", description="auto | cpu | cuda | cuda:N")


class FinetuneSettings(Section):
    """Head finetune: a static model that is adapted to each user's own history before it scores."""

    steps: int = Field(3, ge=1, description="gradient steps a user")
    rate: float = Field(0.1, gt=0, description="learning rate of a step")


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
    window: tuple[PositiveInt, ...] = _to_try(5, 1, 2, 3, 10, 20, about="transitions: most steps between two items")
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


class MixtureSettings(Section):
    """Head mixture: models that are trained already, put together."""

    models: int = Field(3, ge=1, description="at most so many; each costs time whenever somebody is recommended to")
    shares: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
        min_length=1,
        description="shares of the sum that are tried for a further model, on the validation events",
    )
    users: int = Field(4000, ge=1, description="at most so many users judge what is tried, evenly spread")


class EvaluationSettings(Section):
    """What is measured and compared."""

    baselines: tuple[Baseline, ...] = Field(
        ("transitions", "ease", "static"),
        min_length=1,
        description="heads on items to compare with, counting among them; the first is the baseline",
    )
    full: bool = Field(True, description="rank the held-out item among all items, too")
    cutoffs: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (5, 10, 20), description="every K of the metrics of the first K; 10 is measured always"
    )
    batch_size: int = Field(1024, ge=1, description="users scored at once")
    bootstrap: int = Field(2000, ge=100, description="resamples of the paired bootstrap over users")
    seed: int = Field(0, ge=0, lt=2**32, description="seed of the bootstrap and of the maps in the report")


class CheckSettings(Section):
    """What new data must hold against the champion's before its model may become champion."""

    min_users: int = Field(100, ge=1, description="fewest users; the comparison of models needs them")
    min_volume: float = Field(0.5, gt=0, description="fewest users, items, interactions, as a multiple of before")
    max_volume: float = Field(2.0, gt=0, description="most of them; a source read twice has twice as many")
    min_filled: float = Field(0.8, ge=0, le=1, description="fewest items with title, text ..., as a multiple of before")
    max_new_items: float = Field(0.3, ge=0, le=1, description="largest share of items that were not there before")
    max_popularity_drift: float = Field(
        0.25, ge=0, description="largest population stability index of item popularity; above 0.25 is a major shift"
    )

    @model_validator(mode="after")
    def _volume_is_a_range(self) -> Self:
        if self.min_volume > self.max_volume:
            raise ValueError(f"min_volume {self.min_volume:g} is above max_volume {self.max_volume:g}")
        return self


class RegistrySettings(Section):
    """Where the best model of a run is registered and when it becomes champion."""

    name: str = Field("solid", description="registered model name in MLflow")
    metric: MetricName = Field(
        MAIN, description="per-user metric on which challenger, champion and counting are compared"
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="share of bootstrap resamples the challenger must win")
    allow_below_counting: bool = Field(False, description="whether a model that counting beats may become champion")


class Settings(Section):
    """All sections of ``params.yaml``; a missing section or key takes its default."""

    data: DataSettings = DataSettings()
    prepare: PrepareSettings = PrepareSettings()
    features: FeatureSettings = FeatureSettings()
    semantics: SemanticsSettings = SemanticsSettings()
    model: ModelSettings = ModelSettings()
    training: TrainingSettings = TrainingSettings()
    finetune: FinetuneSettings = FinetuneSettings()
    apg: ApgSettings = ApgSettings()
    fusion: FusionSettings = FusionSettings()
    counting: CountingSettings = CountingSettings()
    mixture: MixtureSettings = MixtureSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    checks: CheckSettings = CheckSettings()
    registry: RegistrySettings = RegistrySettings()

    @model_validator(mode="after")
    def _evaluation_has_the_metric_of_the_registry(self) -> Self:
        found = per_user(self.registry.metric)
        if found.cutoff and found.cutoff not in with_compared(self.evaluation.cutoffs):
            raise ValueError(f"registry.metric {found.name} needs {found.cutoff} among evaluation.cutoffs")
        if found.ranking != CANDIDATES and not self.evaluation.full:
            raise ValueError(f"registry.metric {found.name} ranks all items, so it needs evaluation.full: true")
        return self
