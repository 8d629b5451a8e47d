"""Building blocks that every model shares.

Legend of shape suffixes: B users, L history positions, R rows (places of histories that are asked what comes next),
D width, C candidates, N items, K classes or codes, n any number of vectors a row, I and O a layer's inputs and outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from solid.settings.schema import ModelSettings

_SMALL = 0.05


class MLP(nn.Sequential):
    """Linear-Tanh-Linear, the form of target transform, static head and generator input (method section 1)."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__(nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, outputs))


class Dropout(nn.Module):
    """Set a share of numbers to zero in training and scale the others up (Srivastava et al., JMLR 2014).

    On a CPU, PyTorch draws a number of 32 bits for each, which takes fifteen times as long as the linear layer before
    it. A byte each is drawn here, so that shares are multiples of 1/256.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.dropped = round(share * 256)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` with other zeros every time, or as it is in evaluation."""
        if not (self.training and self.dropped):
            return x
        if x.device.type != "cpu":
            return nn.functional.dropout(x, self.share)
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
        kept = words.view(torch.uint8)[: x.numel()].view(x.shape) >= self.dropped
        return x * kept.to(x.dtype).mul_(256 / (256 - self.dropped))


def first_std(model: ModelSettings) -> float:
    """Standard deviation of fresh embeddings.

    A state after a layer norm has length sqrt(D), so small embeddings make small scores at first; the released form has
    no such norm, and rows of unit expected length.
    """
    return model.dim**-0.5 if model.form == "released" else _SMALL


def embedding(n_ids: int, dim: int, std: float) -> nn.Embedding:
    """A table [n_ids + 1, D] whose row 0, padding, is zero."""
    table = nn.Embedding(n_ids + 1, dim, padding_idx=0)
    nn.init.normal_(table.weight, std=std)
    with torch.no_grad():
        table.weight[0].zero_()
    return table


@dataclass(frozen=True)
class Generated:
    """What a weight generator makes of histories, per layer: a matrix [R, I, O] (or its core) and a bias [R, O]."""

    weights: Sequence[Tensor]
    biases: Sequence[Tensor]


@dataclass(frozen=True)
class AdaptiveLayers:
    """The adaptive head of each row: per layer the factors of its matrix, multiplied in turn, and a bias [R, O]."""

    factors: Sequence[Sequence[Tensor]]
    """[R, I, O] for a row's own factor, [I, O] for one that all share."""
    biases: Sequence[Tensor]

    def __call__(self, x_RnI: Tensor) -> Tensor:
        """Apply each row's layers to its vectors, with Tanh between layers (method section 2)."""
        last = len(self.factors) - 1
        for layer, (factors, bias_RO) in enumerate(zip(self.factors, self.biases, strict=True)):
            for factor in factors:
                x_RnI = torch.matmul(x_RnI, factor)
            x_RnI = x_RnI + bias_RO.unsqueeze(1)
            if layer < last:
                x_RnI = torch.tanh(x_RnI)
        return x_RnI


class GeneratedLayers(nn.Module):
    """Layers of which a generator makes all or some numbers, for each row its own."""

    shapes: list[tuple[int, int]]
    """Of the matrix that is generated of each layer."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.outputs = list(widths[1:])

    def start(self, layer: int) -> Tensor:
        """What is generated of a layer at first."""
        raise NotImplementedError

    def fold(self) -> None:
        """Multiply out what was over-parameterised for training; the layers stay the same."""

    def forward(self, generated: Generated) -> AdaptiveLayers:
        """The layers of each row."""
        raise NotImplementedError


class FullRank(GeneratedLayers):
    """DUET's layers (Lv et al., WWW 2023): every entry of a layer's matrix is generated."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__(widths)
        self.shapes = list(pairwise(widths))

    def start(self, layer: int) -> Tensor:
        """A matrix like that of a Xavier-initialised layer."""
        start: Tensor = nn.init.xavier_normal_(torch.empty(self.shapes[layer]))
        return start

    def forward(self, generated: Generated) -> AdaptiveLayers:
        """The layers of each user."""
        return AdaptiveLayers([[weight] for weight in generated.weights], generated.biases)


class LowRank(GeneratedLayers):
    """APG's layers (Yan et al., NeurIPS 2022): W = U S V, of which only the core S [K, K] is generated.

    U [I, K] and V [K, O] are shared by all users, and W is never formed. With ``expansion`` P, U and V are products
    through an inner width P while they are trained; :meth:`fold` multiplies them out.
    """

    def __init__(self, widths: Sequence[int], rank: int, expansion: int) -> None:
        super().__init__(widths)
        ranks = [min(rank, *pair) for pair in pairwise(widths)]
        self.shapes = [(K, K) for K in ranks]
        self.before, self.after = nn.ParameterList(), nn.ParameterList()
        self.before_inner, self.after_inner = nn.ParameterList(), nn.ParameterList()
        self.scales = []
        for (inputs, outputs), K in zip(pairwise(widths), ranks, strict=True):
            # With orthonormal U and V, W has the norm of S: that of a Xavier matrix when S has this deviation.
            self.scales.append((2 * inputs * outputs / (inputs + outputs)) ** 0.5 / K)
            if expansion:
                # Beyond the layer's width, rows are orthonormal instead of columns: scaled, the product keeps its norm.
                self.before.append(
                    nn.init.orthogonal_(torch.empty(inputs, expansion), max(1, expansion / inputs) ** 0.5)
                )
                self.before_inner.append(nn.init.orthogonal_(torch.empty(expansion, K)))
                self.after_inner.append(nn.init.orthogonal_(torch.empty(K, expansion)))
                self.after.append(
                    nn.init.orthogonal_(torch.empty(expansion, outputs), max(1, expansion / outputs) ** 0.5)
                )
            else:
                self.before.append(nn.init.orthogonal_(torch.empty(inputs, K)))
                self.after.append(nn.init.orthogonal_(torch.empty(K, outputs)))

    def start(self, layer: int) -> Tensor:
        """A core with which W is of the scale of a Xavier-initialised layer."""
        start: Tensor = torch.randn(self.shapes[layer]) * self.scales[layer]
        return start

    @torch.no_grad()
    def fold(self) -> None:
        """Replace over-parameterised factors by their products; the layers stay the same."""
        if self.before_inner:
            before, after = self._shared()
            self.before, self.after = nn.ParameterList(before), nn.ParameterList(after)
            self.before_inner, self.after_inner = nn.ParameterList(), nn.ParameterList()

    def forward(self, generated: Generated) -> AdaptiveLayers:
        """The layers of each user, x (U S) V with no matrix of full size."""
        factors = zip(*self._shared(), generated.weights, strict=True)
        return AdaptiveLayers([[before, core, after] for before, after, core in factors], generated.biases)

    def _shared(self) -> tuple[list[Tensor], list[Tensor]]:
        before, after = list(self.before), list(self.after)
        if self.before_inner:
            before = [outer @ inner for outer, inner in zip(before, self.before_inner, strict=True)]
            after = [inner @ outer for inner, outer in zip(self.after_inner, after, strict=True)]
        return before, after


def lengths_of(ids_BL: Tensor) -> Tensor:
    """Number of real positions [B] of right-padded histories, at least 1.

    An empty history counts its first (padding) position as real, so that it has a state: the same for all such users.
    """
    return ids_BL.ne(0).sum(1).clamp(min=1)


def real_of(ids_BL: Tensor) -> Tensor:
    """True [B, L] where a position is real, see :func:`lengths_of`."""
    return torch.arange(ids_BL.shape[1], device=ids_BL.device) < lengths_of(ids_BL).unsqueeze(1)


def shortened(ids_BL: Tensor, length: int) -> Tensor:
    """The last ``length`` real positions of right-padded histories, right-padded."""
    if ids_BL.shape[1] <= length:
        return ids_BL
    first_B = (ids_BL.ne(0).sum(1) - length).clamp(min=0)
    return ids_BL.gather(1, first_B.unsqueeze(1) + torch.arange(length, device=ids_BL.device))


@dataclass(frozen=True)
class Rows:
    """The R places of a batch of histories that are asked what comes next, or what is hidden there."""

    user_R: Tensor
    position_R: Tensor

    @classmethod
    def last(cls, ids_BL: Tensor) -> Rows:
        """Each history's last real position, so that row b is user b."""
        return cls(torch.arange(ids_BL.shape[0], device=ids_BL.device), lengths_of(ids_BL) - 1)

    @classmethod
    def where(cls, asked_BL: Tensor) -> Rows:
        """The positions that a mask marks, user by user."""
        user_R, position_R = asked_BL.nonzero(as_tuple=True)
        return cls(user_R, position_R)

    def one_a_user(self, users: int) -> bool:
        """Whether row b is user b, of so many."""
        return len(self.user_R) == users and bool((self.user_R.diff() == 1).all())

    def of(self, x_BLD: Tensor) -> Tensor:
        """What stands there, [R, D]."""
        return x_BLD[self.user_R, self.position_R]
