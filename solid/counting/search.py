"""Settings picked on validation: one list at a time, from the first value of each, until a pass changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Picked = dict[str, Any]
_PASSES = 2


def pick(
    grid: Mapping[str, Sequence[Any]], judge: Callable[[Picked], float], tell: Callable[[Picked, float], object]
) -> tuple[Picked, float]:
    """The settings of the best value found, and that value; of equal ones the first.

    Args:
        grid: the values of each setting, the one to begin with first.
        judge: higher is better.
        tell: is told of everything that was tried.
    """
    best = {name: values[0] for name, values in grid.items()}
    value = judge(best)
    tell(best, value)
    for _ in range(_PASSES):
        before = best
        for name, values in grid.items():
            for other in values:
                tried = best | {name: other}
                if other != best[name]:
                    new = judge(tried)
                    tell(tried, new)
                    if new > value:
                        best, value = tried, new
        if best == before:
            break
    return best, value
