"""SASRec (Kang and McAuley, ICDM 2018): self-attention over what came before.

In the released form it is one post-norm layer. Only the last position asks there, since only its output is used; that
makes causal and full attention the same.
"""

from __future__ import annotations

from typing import ClassVar

from solid.models.backbones.transformer import Transformer


class SASRec(Transformer):
    """Hidden states to user states: causal attention."""

    causal: ClassVar[bool] = True
