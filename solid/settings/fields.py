"""What settings are made of: a section, and what its keys may be: choices of names, ranges of numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetPydanticSchema
from pydantic_core import core_schema

from solid.kinds import BACKBONES, BASELINES, GENERATORS, HEADS, LOSSES
from solid.metrics.catalogue import per_user

Modality = Literal["id", "text", "image", "id_text", "id_image", "text_image", "id_text_image"]
VectorKind = Literal["text", "image"]
PARTS = {"id": "embeddings", "text": "features", "image": "features"}
"""What a modality is made of -> the step whose output has the vectors."""
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
