"""A toy metric: one over the first rank that the held-out item may have."""

from solid.metrics.base import PerUser
from solid.metrics.ties import Float, TieGroups


def toy(groups: TieGroups) -> Float:
    """The value of each user [U]."""
    return groups.by_user(groups.positives / (1 + groups.above))


TOY = PerUser("toy", "Toy", "one over the best rank of the held-out item", of=toy)
