"""What a model says of itself; stored beside its weights."""

from __future__ import annotations

from typing import Any

from pydantic import SerializerFunctionWrapHandler, field_validator, model_serializer

from solid.kinds import HEADS, Ids
from solid.settings.fields import Head, Section
from solid.settings.heads import HeadSections
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


class ModelConfig(HeadSections, BaseConfig):
    """All that is needed to build a :class:`~solid.models.recommender.Recommender` again."""

    ids: Ids
    """What history and target embeddings are: of the item, of its class, or the sum of both."""
    modality: str | None
    """Where the classes come from; None for models that read items alone."""
    n_classes: int
    """0 for models that read items alone."""
    model: ModelSettings

    @classmethod
    def of(cls, settings: Settings, *, head: Head, ids: Ids, **facts: Any) -> ModelConfig:
        """The configuration of a head with its sections of the settings, and no other."""
        own = [name for name in HEADS[head].sections(settings) if name in HeadSections.model_fields]
        sections = {name: getattr(settings, name) for name in own}
        return cls(head=head, ids=ids, model=settings.model, **sections, **facts)

    @field_validator(*HeadSections.model_fields, mode="before")
    @classmethod
    def _default_of_what_was_not_read(cls, given: Any) -> Any:
        return {} if given is None else given

    @model_serializer(mode="wrap")
    def _without_what_is_not_read(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        unread = HeadSections.model_fields.keys() - set(HEADS[self.head].sections(self))
        return {**handler(self), **dict.fromkeys(unread)}

    @property
    def length(self) -> int:
        """How many items of a history, the last ones, it reads."""
        return self.model.length

    @property
    def about(self) -> dict[str, str]:
        """Backbone and modality."""
        return {"backbone": self.model.backbone, "modality": self.modality or "none"}
