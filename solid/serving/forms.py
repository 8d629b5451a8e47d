"""The forms of requests and answers in JSON, which the OpenAPI page shows."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from solid.serving.limits import HISTORY, ID_LENGTH, ITEMS

Id = Annotated[str, Field(max_length=ID_LENGTH)]
Ids = Annotated[list[Id], Field(max_length=HISTORY)]


class _Request(BaseModel):
    # Numbers are fine as ids: in many data sets ids are numbers, here they are texts.
    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    k: int = Field(10, ge=1, le=ITEMS, description="How many items.")


class RecommendRequest(_Request):
    """What to recommend to somebody: after a history, or to a user whom this server knows."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"history": ["B00GLAVJ0U", "B01DM3IMRX"], "k": 5}},
    )

    history: Ids | None = Field(None, description="Item ids as in the raw data, oldest first.")
    user: Id | None = Field(None, description="In place of a history, a user of the data that the server was given.")
    exclude_seen: bool = Field(True, description="Whether items of the history are left out.")
    exclude: Ids = Field([], description="Further items to leave out.")
    category: Id | Ids | None = Field(None, description="Items of this category alone, or of these.")
    explain: bool = Field(False, description="Whether to say which items of the history moved each score most.")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.history is None) == (self.user is None):
            raise ValueError("give either history or user")
        return self


class SimilarRequest(_Request):
    """Which items are like these."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": ["B00GLAVJ0U"], "k": 5}})

    items: Annotated[list[Id], Field(min_length=1, max_length=ITEMS)] = Field(
        description="Item ids as in the raw data."
    )


class ReasonForm(BaseModel):
    """What the score would lack without an item of the history, or without all that are of a class."""

    items: list[str]
    titles: list[str]
    change: float = Field(description="Score with them less score without.")
    of_class: int | None = Field(None, description="The semantic id, where all items of one are left out.")


class ItemForm(BaseModel):
    """A recommended item."""

    item: str
    title: str = Field(description="Empty where the data has none.")
    score: float = Field(description="Higher is better; scores of different answers do not compare.")
    because: list[ReasonForm] | None = Field(None, description="Where explain was asked for.")


class _Answer(BaseModel):
    model: str = Field(description="The registered model.")
    version: str = Field(description="Its version that answered.")


class RecommendAnswer(_Answer):
    """The best items, best first."""

    items: list[ItemForm]
    unknown: list[str] = Field(description="Ids of the history that the model does not know.")
    cold: bool = Field(description="Whether no id was known, so that these items are what is popular.")


class SimilarItems(BaseModel):
    """The items most like one, most similar first."""

    item: str
    similar: list[ItemForm]


class SimilarAnswer(_Answer):
    """An entry for each item that the model knows."""

    answers: list[SimilarItems]
    unknown: list[str] = Field(description="Ids that the model does not know.")


class Wrong(BaseModel):
    """A part of the request that does not fit."""

    field: str = Field(description="Its path, such as history[3].")
    problem: str


class RefusalForm(BaseModel):
    """Why there is no answer."""

    error: str
    fields: list[Wrong] | None = None
