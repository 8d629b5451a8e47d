"""What a model says of itself; stored beside its weights."""

from __future__ import annotations

from typing import Any

from solid.kinds import HEADS, Ids
from solid.settings.fields import Head, Section
from solid.settings.heads import ApgSettings, FinetuneSettings, FusionSettings
from solid.settings.schema import ModelSettings, Settings


class BaseConfig(Section):
    """What the rest of the project asks of every model, trained by gradients or counted."""

    head: Head
    n_items: int
    digest: str
    """Of the raw data, as DVC names it."""

    @property
    def length(self) -> int:
        """How many items of a history, the last ones, it reads."""
        raise NotImplementedError

    @property
    def about(self) -> dict[str, str]:
        """What tells it from others of its head, for people: backbone, modality ..."""
        return {}


class ModelConfig(BaseConfig):
    """All that is needed to build a :class:`~solid.models.recommender.Recommender` again."""

    ids: Ids
    """What history and target embeddings are: of the item, of its class, or the sum of both."""
    modality: str | None
    """Where the classes come from; None for models that read items alone."""
    n_classes: int
    """0 for models that read items alone."""
    model: ModelSettings
    finetune: FinetuneSettings | None = None
    apg: ApgSettings | None = None
    fusion: FusionSettings | None = None

    @classmethod
    def of(cls, settings: Settings, *, head: Head, ids: Ids, **facts: Any) -> ModelConfig:
        """The configuration of a head with its sections of the settings, and no other."""
        read = HEADS[head].sections(settings)
        sections = {name: getattr(settings, name) for name in ("model", "finetune", "apg", "fusion") if name in read}
        return cls(head=head, ids=ids, **sections, **facts)

    @property
    def length(self) -> int:
        """How many items of a history, the last ones, it reads."""
        return self.model.length

    @property
    def about(self) -> dict[str, str]:
        """Backbone and modality."""
        return {"backbone": self.model.backbone, "modality": self.modality or "none"}
