"""Pictures by their pixels: where which colour is, how much of it, and which way edges run. No model, no download."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from solid.console import progress
from solid.features.pictures import read_pictures
from solid.settings.schema import FeatureSettings

SIDE = 32  # pictures are shrunk to SIDE x SIDE
COLOUR_CELLS = 8  # the layout of colours is seen on 8 x 8 cells,
EDGE_CELLS = 4  # that of edges on 4 x 4,
LEVELS = 4  # and colours are counted in 4 levels of red, green and blue
DIRECTIONS = np.array([[7, 0], [0, 7], [5, 5], [5, -5]])  # of edges (right, down), as good as equally long

Integers = NDArray[np.int64]


class Pixels:
    """Three parts of length 1 each: colour layout [192], colour histogram [64], edge directions [64].

    All sums are of integers, so the bytes are the same on every machine.
    """

    name = "pixels"
    dim = 3 * COLOUR_CELLS**2 + LEVELS**3 + len(DIRECTIONS) * EDGE_CELLS**2

    def __init__(self, settings: FeatureSettings) -> None:
        del settings  # none is read

    def encode(self, items: pd.DataFrame) -> NDArray[np.float32]:
        """Describe the pictures in the column ``image``."""
        matrix = np.zeros((len(items), self.dim), dtype=np.float32)
        for row, picture in read_pictures(progress(items["image"], "pictures", unit="picture")):
            matrix[row] = describe(picture)
        return matrix


def describe(picture: Image.Image) -> NDArray[np.float32]:
    """The descriptor [320] of an RGB picture."""
    pixels = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX)).astype(np.int64)
    parts = (_colour_layout(pixels), _colour_histogram(pixels), _edges(pixels.sum(axis=2)))
    return np.concatenate([_unit(part.ravel()) for part in parts]).astype(np.float32)


def _colour_layout(pixels: Integers) -> Integers:
    """How much darker than white, the usual ground of product pictures, each cell is in red, green and blue."""
    return _per_cell(255 - pixels, COLOUR_CELLS)


def _colour_histogram(pixels: Integers) -> NDArray[np.float64]:
    """Roots of counts, so that a large plain ground does not drown the rest."""
    red, green, blue = np.moveaxis(pixels * LEVELS // 256, 2, 0)
    return np.sqrt(np.bincount(((red * LEVELS + green) * LEVELS + blue).ravel(), minlength=LEVELS**3))


def _edges(grey: Integers) -> Integers:
    """How strong edges are in each cell, by the direction nearest to each gradient; up and down are one direction."""
    right, down = np.zeros_like(grey), np.zeros_like(grey)
    right[:, 1:-1] = grey[:, 2:] - grey[:, :-2]
    down[1:-1] = grey[2:] - grey[:-2]
    along = np.abs(np.stack([right, down], axis=2) @ DIRECTIONS.T)
    nearest = along.argmax(axis=2)[..., None] == np.arange(len(DIRECTIONS))
    return _per_cell(np.where(nearest, along, 0), EDGE_CELLS)


def _per_cell(values: Integers, cells: int) -> Integers:
    """Sum values [SIDE, SIDE, C] over cells x cells squares: [cells, cells, C]."""
    size = SIDE // cells
    summed: Integers = values.reshape(cells, size, cells, size, -1).sum(axis=(1, 3))
    return summed


def _unit(part: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.float64]:
    """The part at length 1; nothing at all stays zero."""
    length = np.sqrt(part @ part)
    return part / length if length else part.astype(np.float64)
