"""SASRec (Kang and McAuley, ICDM 2018) as the method uses it: one post-norm transformer layer.

Legend: B users, L history positions, D width, H heads.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from solid.models.layers import last_real, mask_of


class SASRec(nn.Module):
    """Hidden states to user state: self-attention read at the last real position, then a feed-forward of width 4 D.

    Only the last position is a query, since only its output is used; that makes causal and full attention the same.
    """

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
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

    def forward(self, hidden_BLD: Tensor, ids_BL: Tensor) -> Tensor:
        """Return the user state [B, D]."""
        B, L, D = hidden_BLD.shape
        last_BD = last_real(hidden_BLD, ids_BL)
        query = self.query(last_BD).view(B, 1, self.heads, -1).transpose(1, 2)
        key = self.key(hidden_BLD).view(B, L, self.heads, -1).transpose(1, 2)
        value = self.value(hidden_BLD).view(B, L, self.heads, -1).transpose(1, 2)
        real = mask_of(ids_BL)[:, None, None, :]
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=real)
        x_BD = self.norm_attention(last_BD + self.dropout(self.out(attended.reshape(B, D))))
        state_BD: Tensor = self.norm_feed_forward(x_BD + self.dropout(self.feed_forward(x_BD)))
        return state_BD
