"""SASRec (Kang and McAuley, ICDM 2018) as the method uses it: one post-norm transformer layer.

Legend: B users, L history positions, D width.
"""

from __future__ import annotations

from torch import Tensor

from solid.models.layers import last_real, mask_of
from solid.models.transformer import TransformerLayer


class SASRec(TransformerLayer):
    """Hidden states to user state: self-attention read at the last real position.

    Only the last position asks, since only its output is used; that makes causal and full attention the same.
    """

    def forward(self, hidden_BLD: Tensor, items_BL: Tensor) -> Tensor:
        """Return the user state [B, D]."""
        last_B1D = last_real(hidden_BLD, items_BL).unsqueeze(1)
        return self.attend(last_B1D, hidden_BLD, mask_of(items_BL)).squeeze(1)
