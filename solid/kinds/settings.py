"""What of the settings decides how heads are wired."""

from __future__ import annotations

from typing import Any, Literal, Protocol, get_args

Ids = Literal["item", "semantic", "both"]
IDS: tuple[Ids, ...] = get_args(Ids)


class Fusion(Protocol):
    """Of the settings' section ``fusion``, what decides how heads are wired."""

    @property
    def generator(self) -> str: ...  # noqa: D102
    @property
    def ids(self) -> Ids: ...  # noqa: D102
    @property
    def branches(self) -> str: ...  # noqa: D102
    @property
    def codebook(self) -> str: ...  # noqa: D102


class Model(Protocol):
    """Of the section ``model``, likewise."""

    @property
    def form(self) -> str: ...  # noqa: D102
    @property
    def vectors(self) -> str | tuple[str, ...]: ...  # noqa: D102


class Training(Protocol):
    """Of the section ``training``, likewise."""

    @property
    def trunk(self) -> str: ...  # noqa: D102


class Wired(Protocol):
    """What has the section ``fusion``: the settings, or what a model keeps of them."""

    @property
    def fusion(self) -> Fusion: ...  # noqa: D102


class Settings(Wired, Protocol):
    """The settings, which take their choices from here and so cannot be named."""

    @property
    def model(self) -> Model: ...  # noqa: D102
    @property
    def training(self) -> Training: ...  # noqa: D102
    def model_dump(self, *, mode: str = ..., include: Any = ..., exclude: Any = ...) -> dict[str, Any]: ...  # noqa: D102
