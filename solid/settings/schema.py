"""Every setting of the chain, typed and validated; ``params.yaml`` holds them, an unknown key is an error."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from solid.kinds import BACKBONES, TRUNK, encoders
from solid.metrics.base import CANDIDATES
from solid.metrics.catalogue import CUTOFFS, MAIN, per_user, with_compared
from solid.settings.fields import (
    MODALITIES,
    Backbone,
    Baseline,
    Loss,
    MetricName,
    Modality,
    Section,
    VectorKind,
    one_of,
)
from solid.settings.heads import CountingSettings, HeadSections, MixtureSettings


class DataSettings(Section):
    """Where the raw data comes from."""

    source: str = Field("data", description="folder, https:// or s3:// address of the raw data")
    format: str = Field("auto", description="reader to use, by name; auto looks at the files")
    order: Literal["time", "file"] = Field(
        "time", description="of events; file: the lines stand in their order, oldest first, and times are not looked at"
    )


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
    trunk: Literal["static", "own"] = Field(
        "static",
        description="of models that generate weights, or read classes beside items: static: the static model as it was "
        "trained, which they add to and leave as it is; own: each has its own, trained along, and always in the "
        "released form",
    )
    epochs: int = Field(100, ge=1, description="at most so many passes over the training targets")
    patience: int = Field(
        10,
        ge=1,
        description="stop after so many epochs without a better value of the metric; after a third of "
        "them where a model starts as a trained trunk",
    )
    batch_size: int = Field(128, ge=1, description="sequences, or windows, an update")
    negatives: int = Field(
        256, ge=1, description="items drawn for losses that need some: for each target, or an update (sampled_softmax)"
    )
    sampling: Literal["uniform", "popularity", "batch"] = Field(
        "uniform", description="how sampled_softmax draws them; batch: the other targets of the update"
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


class EvaluationSettings(Section):
    """What is measured and compared."""

    baselines: tuple[Baseline, ...] = Field(
        ("transitions", "ease", "static"),
        min_length=1,
        description="heads on items to compare with, counting among them, and static always; the first is the baseline",
    )
    full: bool = Field(True, description="rank the held-out item among all items, too")
    cutoffs: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        CUTOFFS, description="every K of the metrics of the first K; 10 is measured always"
    )
    batch_size: int = Field(1024, ge=1, description="users scored at once")
    bootstrap: int = Field(2000, ge=100, description="resamples of the paired bootstrap over users")
    seed: int = Field(0, ge=0, lt=2**32, description="seed of the bootstrap and of the maps in the report")

    @field_validator("baselines")
    @classmethod
    def _static_is_one(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        if TRUNK not in given:
            raise ValueError(f"{TRUNK} has to be among them, for models that generate weights add to it")
        return given


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


class _FirstSections(Section):
    """What stands before the sections of heads."""

    data: DataSettings = DataSettings()
    prepare: PrepareSettings = PrepareSettings()
    features: FeatureSettings = FeatureSettings()
    semantics: SemanticsSettings = SemanticsSettings()
    model: ModelSettings = ModelSettings()
    training: TrainingSettings = TrainingSettings()


class Settings(HeadSections, _FirstSections):
    """All sections of ``params.yaml``; a missing section or key takes its default."""

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
