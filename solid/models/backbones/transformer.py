"""The transformer layer of SASRec and BERT4Rec: post-norm attention, then a feed-forward of width 4 D.

Legend: B users, L history positions, Q positions that ask, D width.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from solid.models.backbones.base import Backbone
from solid.settings.schema import ModelSettings


class TransformerLayer(Backbone):
    """Attention and a feed-forward with ReLU, each with dropout, residual and layer norm (method section 1)."""

    def __init__(self, model: ModelSettings, n_items: int) -> None:
        super().__init__(model, n_items)
        dim, dropout = model.dim, model.dropout
        self.heads = model.attention_heads
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)
        self.norm_attention = nn.LayerNorm(dim)
        self.feed_forward = nn.Sequential(
            nn.Linear(dim, 4 * dim), nn.ReLU(), nn.Dropout(dropout), nn.Linear(4 * dim, dim)
        )
        self.norm_feed_forward = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def attend(self, asking_BQD: Tensor, hidden_BLD: Tensor, real_BL: Tensor) -> Tensor:
        """States [B, Q, D] of the positions that ask, which see every real position."""
        query, key, value = (
            project(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for project, x in ((self.query, asking_BQD), (self.key, hidden_BLD), (self.value, hidden_BLD))
        )
        seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=real_BL[:, None, None, :])
        x_BQD = self.norm_attention(asking_BQD + self.dropout(self.out(seen.transpose(1, 2).flatten(2))))
        state_BQD: Tensor = self.norm_feed_forward(x_BQD + self.dropout(self.feed_forward(x_BQD)))
        return state_BQD
