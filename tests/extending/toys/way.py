"""A toy way to count: how many touched an item, squared."""

from solid.counting.method import Grid
from solid.counting.methods import Popular
from solid.counting.reading import Table
from solid.counting.search import Picked


class Tally(Popular):
    """Popularity in which twice as many count four times."""

    def grid(self) -> Grid:
        """Nothing to try."""
        return super().grid() | {"power": (2,)}

    def table(self, picked: Picked) -> Table:
        """Squares, that sum to one."""
        table = super().table(picked)
        squares = table.popularity ** picked["power"]
        return Table(table.matrix, squares / squares.sum())
