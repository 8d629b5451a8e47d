"""The transformer block of SASRec and BERT4Rec.

Legend: B users, L history positions, Q positions that ask, R rows, D width.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from solid.models.backbones.base import Backbone
from solid.models.layers import Dropout, Rows
from solid.settings.schema import ModelSettings


class Block(nn.Module):
    """Attention and a feed-forward, each with dropout, residual and layer norm.

    Layer norms come before, with GELU, or in the released form after, with ReLU.
    """

    def __init__(self, model: ModelSettings) -> None:
        super().__init__()
        dim, width = model.dim, model.feed_forward * model.dim
        self.heads, self.pre_norm = model.attention_heads, model.form != "released"
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)
        self.norm_attention = nn.LayerNorm(dim)
        self.feed_forward = nn.Sequential(
            nn.Linear(dim, width),
            nn.GELU() if self.pre_norm else nn.ReLU(),
            Dropout(model.dropout),
            nn.Linear(width, dim),
        )
        self.norm_feed_forward = nn.LayerNorm(dim)
        self.dropout = Dropout(model.dropout)

    def forward(self, asking_BQD: Tensor, x_BLD: Tensor, mask: Tensor | None) -> Tensor:
        """States [B, Q, D] of the positions that ask.

        Args:
            asking_BQD: they themselves.
            x_BLD: all positions.
            mask: what each may see [B, 1, 1, L]; None: what is not behind it, where all positions ask.
        """
        state_BQD: Tensor
        if not self.pre_norm:
            x_BQD = self.norm_attention(asking_BQD + self.dropout(self._attend(asking_BQD, x_BLD, mask)))
            state_BQD = self.norm_feed_forward(x_BQD + self.dropout(self.feed_forward(x_BQD)))
            return state_BQD
        normed_BLD = self.norm_attention(x_BLD)
        normed_BQD = normed_BLD if asking_BQD is x_BLD else self.norm_attention(asking_BQD)
        x_BQD = asking_BQD + self.dropout(self._attend(normed_BQD, normed_BLD, mask))
        state_BQD = x_BQD + self.dropout(self.feed_forward(self.norm_feed_forward(x_BQD)))
        return state_BQD

    def _attend(self, asking_BQD: Tensor, x_BLD: Tensor, mask: Tensor | None) -> Tensor:
        query, key, value = (
            project(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for project, x in ((self.query, asking_BQD), (self.key, x_BLD), (self.value, x_BLD))
        )
        seen = functional.scaled_dot_product_attention(query, key, value, mask, is_causal=mask is None)
        attended: Tensor = self.out(seen.transpose(1, 2).flatten(2))
        return attended


class Transformer(Backbone):
    """Blocks over the hidden states, and in the pre-norm form a last layer norm."""

    causal: ClassVar[bool]

    def __init__(self, model: ModelSettings, n_items: int) -> None:
        super().__init__(model, n_items)
        self.blocks = nn.ModuleList(Block(model) for _ in range(model.layers))
        self.norm = nn.Identity() if self.released else nn.LayerNorm(model.dim)

    def states(self, hidden_BLD: Tensor, items_BL: Tensor, rows: Rows) -> Tensor:
        """The user states [R, D]."""
        # Behind the real positions of right-padded histories stands padding alone, so causal attention needs no mask.
        real_B11L = None if self.causal else items_BL.ne(0)[:, None, None, :]
        *before, last = self.blocks
        for block in before:
            hidden_BLD = block(hidden_BLD, hidden_BLD, real_B11L)
        if rows.one_a_user(
            len(items_BL)
        ):  # only one position of each asks in the last block, since only its output is used
            asking_B1D = rows.of(hidden_BLD).unsqueeze(1)
            if real_B11L is None:
                places_L = torch.arange(items_BL.shape[1], device=items_BL.device)
                real_B11L = (places_L <= rows.position_R.unsqueeze(1))[:, None, None, :]
            state_RD = last(asking_B1D, hidden_BLD, real_B11L).squeeze(1)
        else:
            state_RD = rows.of(last(hidden_BLD, hidden_BLD, real_B11L))
        normed_RD: Tensor = self.norm(state_RD)
        return normed_RD
