"""Encoders of texts and pictures by name, and where their code is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from solid.kinds.code import imported


@dataclass(frozen=True)
class EncoderKind:
    """What makes vectors of items, as the settings name it.

    Attributes:
        name: as ``features.text`` or ``features.image`` takes it.
        modality: which of the two.
        code: of its class, an :class:`~solid.features.encoders.Encoder` made from the section ``features``, as
            module:name.
    """

    name: str
    modality: str
    code: str

    def load(self) -> Any:
        """Its class."""
        return imported(self.code)


# The first of a modality is what ``auto`` takes, so it needs no download.
ENCODERS: tuple[EncoderKind, ...] = (
    EncoderKind("tfidf", "text", "solid.features.tfidf:Tfidf"),
    EncoderKind("clip", "text", "solid.features.clip:ClipText"),
    EncoderKind("pixels", "image", "solid.features.pixels:Pixels"),
    EncoderKind("clip", "image", "solid.features.clip:ClipImage"),
)


def encoders(modality: str) -> dict[str, EncoderKind]:
    """Those of a modality by name."""
    return {kind.name: kind for kind in ENCODERS if kind.modality == modality}
