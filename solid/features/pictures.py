"""Pictures from files that nobody vouches for."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterable, Iterator

from PIL import Image, ImageOps

from solid.console import say

UNREADABLE = (  # what Pillow raises for broken files, and for those too large to open
    OSError,
    SyntaxError,
    ValueError,
    struct.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "WEBP")


def read_pictures(paths: Iterable[str]) -> Iterator[tuple[int, Image.Image]]:
    """Open pictures one by one and yield each with its position among the paths; "" is passed over.

    Pictures are RGB, upright, and on white where they are transparent. What cannot be read (broken, of another format,
    or a decompression bomb) is passed over too, and said at the end.
    """
    unreadable = []
    for position, path in enumerate(paths):
        if path:
            try:
                picture = _read(path)
            except UNREADABLE:
                unreadable.append(path)
                continue
            yield position, picture
    if unreadable:
        say(f"{len(unreadable)} pictures cannot be read and count as missing, first {unreadable[0]}")


def _read(path: str) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(path, formats=FORMATS) as file:
            picture = ImageOps.exif_transpose(file)
            if not picture.has_transparency_data:
                return picture.convert("RGB")
            ground = Image.new("RGBA", picture.size, "white")
            ground.alpha_composite(picture.convert("RGBA"))
            return ground.convert("RGB")
