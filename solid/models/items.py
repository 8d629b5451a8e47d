"""What an item is to a model: the sum of any of its id, its classes, and projections of its text and image vectors.

Legend: N items, D width, S levels of classes, F width of the vectors of a kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Self

import torch
from torch import Tensor, nn

from solid.models.layers import embedding


class ClassTable(nn.Module):
    """The embedding of classes: the sum over their levels."""

    offset: Tensor

    def __init__(self, classes: Tensor, dim: int, std: float) -> None:
        """Build with fresh weights.

        Args:
            classes: of every item at each level [N + 1, S], from 1; 0 for padding.
            dim: D.
            std: of the weights.
        """
        super().__init__()
        sizes = classes.amax(0)
        self.embedding = embedding(int(sizes.sum()), dim, std)
        self.register_buffer("offset", sizes.cumsum(0) - sizes, persistent=False)

    def forward(self, classes: Tensor) -> Tensor:
        """The embedding, with a last dimension D in place of S; zero where the classes are 0."""
        embedded: Tensor = self.embedding(torch.where(classes > 0, classes + self.offset, 0)).sum(-2)
        return embedded


class ItemTable(nn.Module):
    """The representation of every item; that of padding is zero.

    Candidates are scored against it and histories are read in it. An item that was never trained, but has classes or
    vectors, has a place among the others.
    """

    classes: Tensor | None

    def __init__(
        self,
        n_items: int,
        dim: int,
        std: float,
        *,
        ids: bool,
        classes: Tensor | None = None,
        adds_classes: bool = False,
        vectors: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Build with fresh weights.

        Args:
            n_items: N.
            dim: D.
            std: of each part of the sum.
            ids: whether each item has an embedding of its own.
            classes: of every item at each level [N + 1, S], 0 for padding; kept for whoever asks.
            adds_classes: whether their embeddings are part of the sum.
            vectors: kind -> a vector of every item [N + 1, F] of length 1, zero for padding and for items without.
        """
        super().__init__()
        self.n_items = n_items
        # Projections get vectors as long as an embedding of unit variance. An optimiser whose steps are of one size
        # learns a projection of short vectors too slowly: on real data a tenth of the ranking was lost.
        self.length_of_vectors = dim**0.5
        self.register_buffer("classes", classes)
        self.id = embedding(n_items, dim, std) if ids else None
        self.of_class = ClassTable(classes, dim, std) if classes is not None and adds_classes else None
        self.projections = nn.ModuleDict()
        for kind, matrix in (vectors or {}).items():
            self.register_buffer(f"vectors_{kind}", matrix)
            self.projections[kind] = project = nn.Linear(matrix.shape[1], dim, bias=False)
            nn.init.normal_(project.weight, std=std)
        self._held: Tensor | None = None

    def forward(self, items: Tensor) -> Tensor:
        """The representation, with a last dimension D, of item ids of any shape."""
        if (table := self._table()) is None:
            return self._sum(items)
        embedded: Tensor = nn.functional.embedding(items, table)
        return embedded

    def all(self) -> Tensor:
        """The representation of all items [N, D], without padding."""
        if not self.training and (table := self._table()) is not None:
            return table[1:]
        every: Tensor = self(torch.arange(1, self.n_items + 1, device=self.device))
        return every

    def classes_of(self, items: Tensor) -> Tensor | None:
        """The classes at each level, with a last dimension S, of item ids of any shape."""
        return None if self.classes is None else self.classes[items]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the whole table once for all that is asked inside, in training; gradients flow through it."""
        self._held = self._sum(torch.arange(self.n_items + 1, device=self.device))
        try:
            yield
        finally:
            self._held = None

    def train(self, mode: bool = True) -> Self:
        """Change the mode; in evaluation the table is made once."""
        self._held = None
        super().train(mode)
        return self

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return next(self.parameters()).device

    def _table(self) -> Tensor | None:
        """The whole table [N + 1, D] where it is made once."""
        if not self.training and self._held is None and not torch.is_grad_enabled():
            self._held = self._sum(torch.arange(self.n_items + 1, device=self.device))
        return self._held

    def _sum(self, items: Tensor) -> Tensor:
        parts: list[Tensor] = [] if self.id is None else [self.id(items)]
        if self.of_class is not None:
            assert self.classes is not None
            parts.append(self.of_class(self.classes[items]))
        for kind, project in self.projections.items():
            parts.append(project(self.get_buffer(f"vectors_{kind}")[items] * self.length_of_vectors))
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total
