"""Backbones, heads, losses and encoders by name: what each reads, and where its code is.

The one place that knows, for whoever trains, records, plans or draws a model. Free of torch, so that the command line,
the pipelines and the plans of a comparison can ask without loading it.
"""

from solid.kinds.backbones import BACKBONES as BACKBONES
from solid.kinds.encoders import ENCODERS as ENCODERS
from solid.kinds.encoders import encoders as encoders
from solid.kinds.heads import BASELINES as BASELINES
from solid.kinds.heads import GENERATORS as GENERATORS
from solid.kinds.heads import HEADS as HEADS
from solid.kinds.heads import MAKES_THE_MODEL as MAKES_THE_MODEL
from solid.kinds.heads import SECTIONS as SECTIONS
from solid.kinds.heads import TRUNK as TRUNK
from solid.kinds.heads import HeadKind as HeadKind
from solid.kinds.heads import has_trunk as has_trunk
from solid.kinds.losses import LOSSES as LOSSES
from solid.kinds.settings import IDS as IDS
from solid.kinds.settings import Ids as Ids
