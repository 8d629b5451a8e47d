"""A look inside trained models: the classes they read, the use of their codebook, and single users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from solid.data.dataset import Dataset
from solid.models.protocols import Model
from solid.semantics.vectors import item_vectors
from solid.settings.fields import PARTS

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class SemanticSpace:
    """A set of classes that some model reads.

    Attributes:
        name: its modality, with the reader's name where several sets share the modality.
        modality: what the classes were made from.
        reader: name of the first model that reads them.
        classes: int64 [N], row r = class of item r + 1.
        digest: of the data.
    """

    name: str
    modality: str
    reader: str
    classes: Ints
    digest: str

    @property
    def sizes(self) -> Ints:
        """Items a class [K], largest first."""
        return np.sort(np.bincount(self.classes)[1:])[::-1]

    def vectors(self, rows: Ints, features: Path | None, embeddings: Path | None) -> NDArray[np.float32] | None:
        """The vectors [R, D] that the clustering saw of the items in ``rows``; None if their folder is not given.

        Raises:
            DataError: the folder has no such vectors, or those of other items.
        """
        given = {"embeddings": embeddings, "features": features}
        if not all(given[PARTS[part]] for part in self.modality.split("_")):
            return None
        parts = item_vectors(self.modality, features, embeddings, len(self.classes), self.digest)
        return np.concatenate([part[rows] for part in parts.values()], axis=1)


def semantic_spaces(models: Mapping[str, Model]) -> list[SemanticSpace]:
    """The different sets of classes that the models read, in the order of the models."""
    spaces: dict[bytes, SemanticSpace] = {}
    for reader, model in models.items():
        classes, modality = classes_of(model), model.config.about.get("modality")
        if classes is None or modality is None or classes.tobytes() in spaces:
            continue
        taken = any(space.name == modality for space in spaces.values())
        name = f"{modality} ({reader})" if taken else modality
        spaces[classes.tobytes()] = SemanticSpace(name, modality, reader, classes, model.config.digest)
    return list(spaces.values())


@dataclass(frozen=True)
class CodebookUse:
    """How often each code was the nearest to a hidden state of the test histories."""

    counts: Ints
    """[K], most used first."""

    @property
    def perplexity(self) -> float:
        """How many codes, used equally often, would be as diverse: e to the power of the entropy."""
        share = self.counts[self.counts > 0] / self.counts.sum()
        return float(np.exp(-(share * np.log(share)).sum()))

    @property
    def dead(self) -> float:
        """Share of codes that were never the nearest."""
        return float((self.counts == 0).mean())


@torch.inference_mode()
def codebook_use(model: Model, dataset: Dataset, batch_size: int) -> CodebookUse | None:
    """Count the nearest codes over the real positions of the test histories; None without a codebook."""
    counts = None
    events = dataset.sequences.targets("test")
    for start in range(0, len(events), batch_size):
        windows = dataset.sequences.windows(events[start : start + batch_size], model.config.length)
        found = model.code_use(torch.from_numpy(windows))
        if found is None:
            return None
        counts = found if counts is None else counts + found
    return None if counts is None else CodebookUse(np.sort(counts.numpy())[::-1])


@dataclass(frozen=True)
class Story:
    """A test user in words: what it touched, what came next, and where the model ranked that."""

    user_id: str
    auc: float
    rank: float
    """Of the held-out item among the candidates; half a rank where scores are equal."""
    candidates: int
    history: list[str]
    """Titles that the model read, oldest first."""
    unread: int
    """Older items that did not fit."""
    target: str
    favourite: str
    """Title of the candidate with the highest score."""


@torch.inference_mode()
def tell(model: Model, dataset: Dataset, users: Ints, auc: NDArray[np.float64]) -> list[Story]:
    """Tell the stories of ``users`` [B], whose AUC is ``auc`` [B]."""
    events = dataset.sequences.targets("test")[users]
    histories = dataset.sequences.windows(events, model.config.length)
    items = np.column_stack([dataset.sequences.items[events], dataset.candidates["test"][users]]).astype(np.int64)
    scores = model.score(model.encode(torch.from_numpy(histories)), torch.from_numpy(items)).numpy()
    favourites = items[np.arange(len(users)), scores.argmax(axis=1)]
    lengths = events - dataset.sequences.offsets[users]
    titles = titles_of(dataset)
    return [
        Story(
            user_id=str(dataset.users["user_id"].iloc[user]),
            auc=float(auc[row]),
            rank=float(1 + (1 - auc[row]) * (items.shape[1] - 1)),
            candidates=items.shape[1],
            history=[titles[item - 1] for item in histories[row] if item],
            unread=max(0, int(lengths[row]) - histories.shape[1]),
            target=titles[items[row, 0] - 1],
            favourite=titles[favourites[row] - 1],
        )
        for row, user in enumerate(users)
    ]


def extremes(auc: NDArray[np.float64], lengths: Ints, n: int) -> tuple[Ints, Ints]:
    """The n users with the highest and the n with the lowest AUC; among equals those with longer histories."""
    best = np.lexsort((-lengths, -auc))[:n]
    worst = np.lexsort((-lengths, auc))[:n]
    return best, worst


def titles_of(dataset: Dataset) -> list[str]:
    """A name for people of every item [N]: its title, or its id where it has none."""
    items = dataset.items
    return items["title"].where(items["title"] != "", items["item_id"]).tolist()


def classes_of(model: Model) -> Ints | None:
    """What its items' classes are [N]; None for a model that reads items alone."""
    classes = model.item_classes()
    return None if classes is None else classes.numpy()[:, 0]
