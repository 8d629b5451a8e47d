"""A small Amazon-like data set, the same bytes from the same seed on any machine.

Shoppers walk from kind to kind of product (a camera, then a tripod, then a bag), keep a few interests that drift, and
have a taste for cheap or dear brands; within a kind a few products sell much and most sell little. Products of a kind
share words and picture, so what an item *is* tells what sells next even where its own history is short.

Only integer arithmetic and integer draws decide what is written: nothing here depends on a math library.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from solid.data.sample_kinds import BRAND_COLOURS, DEPARTMENTS, Department, Kind
from solid.storage.local import whole_file, whole_folder

USERS = 1100
ITEMS_OF_A_KIND = 14
BARE = 3  # items without metadata, and as many without picture
SIDE = 32  # of a picture, pixels
KINDS = tuple(kind for department in DEPARTMENTS for kind in department.kinds)
FOLLOWING = tuple(
    tuple(row for name in kind.then for row, other in enumerate(KINDS) if other.category == name) for kind in KINDS
)
DAY = 86_400
FIRST_DAY = 16_071  # 2014-01-01, in days since 1970
START_DAYS = 1200  # shoppers begin within so many days

# Weights of the next step: on to a kind that follows, another of the same kind, back to an interest, anything
FOLLOW, STAY, RETURN, WANDER = range(4)
STEP_WEIGHTS = (60, 14, 18, 8)
THEN_WEIGHTS = (3, 1)  # the first of two following kinds against the second
RANK_WEIGHTS = tuple(120 // (rank + 2) for rank in range(ITEMS_OF_A_KIND))  # how products of a kind sell
TASTE = 5  # a brand to one's taste sells so many times more
INTERESTS = 3
DRIFT = 4  # one in so many returns finds an interest replaced
LENGTHS = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 17, 21, 26)  # events of a shopper ...
LENGTH_WEIGHTS = (1, 1, 2, 16, 18, 18, 15, 12, 10, 8, 6, 4, 3, 2)  # ... and how common they are

OPINIONS = {  # stars -> how a review begins; in the order of OPINION_WEIGHTS
    5: ("Love this", "Best I have had", "Just right", "Would buy again"),
    4: ("Good", "Does its job", "Pleased with it"),
    3: ("It is all right", "Nothing special"),
    2: ("Expected more", "Not for me"),
    1: ("Broke in a week", "Sent it back"),
}
OPINION_WEIGHTS = (60, 22, 9, 5, 4)
SUMMARIES = {5: "Five Stars", 4: "Four Stars", 3: "Three Stars", 2: "Two Stars", 1: "One Star"}

T = TypeVar("T")
Pixels = npt.NDArray[np.int64]


class Item(NamedTuple):
    """A product; ``brand`` counts the brands of its department, from cheapest to dearest."""

    asin: str
    department: Department
    kind: Kind
    brand: int
    title: str
    traits: tuple[str, ...]


class Purchase(NamedTuple):
    """One review to come: who, what, and on which day since 1970."""

    reviewer: str
    item: Item
    day: int


def write_sample(out: Path, seed: int) -> None:
    """Write the data set in the 2018 layout of Amazon reviews.

    ``Sample.json`` holds about 10,000 reviews, ``meta_Sample.json`` the metadata of 336 items less ``BARE``, and
    ``images/<asin>.png`` their pictures (32 x 32 RGB). Like the real files, reviews are grouped by product.

    Args:
        out: folder to write; an older one is replaced once the new one is whole.
        seed: of all draws.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    items = _draw_items(rng)
    purchases = _draw_purchases(rng, items)
    purchases.sort(key=lambda purchase: (purchase.item.asin, purchase.day, purchase.reviewer))
    shuffled = [items[row] for row in rng.permutation(len(items))]
    described, pictured = shuffled[BARE:], shuffled[:-BARE]
    with whole_folder(out, holds="Sample.json") as folder:
        _write_lines(folder / "Sample.json", (_review(rng, purchase) for purchase in purchases))
        _write_lines(folder / "meta_Sample.json", (_metadata(rng, item) for item in described))
        (folder / "images").mkdir()
        for item in pictured:
            picture = _draw_picture(rng, item.kind, item.brand)
            (folder / "images" / f"{item.asin}.png").write_bytes(_png(picture))


# What sells


def _draw_items(rng: np.random.Generator) -> list[Item]:
    """All products, kind by kind; within a kind the best seller first."""
    asins = iter(_draw_ids(rng, "B0", 10, ITEMS_OF_A_KIND * len(KINDS)))
    items: list[Item] = []
    for department in DEPARTMENTS:
        for kind in department.kinds:
            for number in rng.permutation(np.arange(10, 1000))[:ITEMS_OF_A_KIND]:
                brand = int(rng.integers(len(department.brands)))
                model = f"{kind.noun[0]}{kind.category[-2].upper()}{number}"
                title = f"{department.brands[brand]} {_one_of(rng, kind.variants)} {kind.noun} {model}"
                traits = tuple(kind.traits[i] for i in rng.permutation(len(kind.traits))[:3])
                items.append(Item(next(asins), department, kind, brand, title, traits))
    return items


def _draw_purchases(rng: np.random.Generator, items: Sequence[Item]) -> list[Purchase]:
    """The walks of all shoppers, one after another; nobody buys a product twice."""
    purchases = []
    for reviewer in _draw_ids(rng, "A", 14, USERS):
        taste = int(rng.integers(len(BRAND_COLOURS)))
        interests = [int(number) for number in rng.integers(len(KINDS), size=INTERESTS)]
        day = FIRST_DAY + int(rng.integers(START_DAYS))
        kind = interests[0]
        bought: set[int] = set()
        for _ in range(LENGTHS[_weighted(rng, LENGTH_WEIGHTS)]):
            row = _choose_item(rng, items, kind, taste, bought)
            bought.add(row)
            purchases.append(Purchase(reviewer, items[row], day))
            day += int(rng.integers(1, 40))  # a day apart at least, since days are all that the reviews tell
            kind = _next_kind(rng, kind, interests)
    return purchases


def _next_kind(rng: np.random.Generator, kind: int, interests: list[int]) -> int:
    """The kind (row of ``KINDS``) a shopper looks at next; an interest may drift."""
    step = _weighted(rng, STEP_WEIGHTS)
    if step == FOLLOW:
        return FOLLOWING[kind][_weighted(rng, THEN_WEIGHTS)]
    if step == STAY:
        return kind
    anything = int(rng.integers(len(KINDS)))
    if step == WANDER:
        return anything
    slot = int(rng.integers(INTERESTS))
    if rng.integers(DRIFT) == 0:
        interests[slot] = anything
    return interests[slot]


def _choose_item(rng: np.random.Generator, items: Sequence[Item], kind: int, taste: int, bought: set[int]) -> int:
    """Row of a product of the kind, by sales rank and taste; who has them all goes on to the kind that follows."""
    first = kind * ITEMS_OF_A_KIND
    weights = [
        0 if first + rank in bought else weight * (TASTE if items[first + rank].brand == taste else 1)
        for rank, weight in enumerate(RANK_WEIGHTS)
    ]
    if not any(weights):
        return _choose_item(rng, items, FOLLOWING[kind][0], taste, bought)
    return first + _weighted(rng, weights)


# What is written about it


def _review(rng: np.random.Generator, purchase: Purchase) -> dict[str, Any]:
    stars = list(OPINIONS)[_weighted(rng, OPINION_WEIGHTS)]
    noun = purchase.item.kind.noun.lower()
    return {
        "overall": float(stars),
        "verified": bool(rng.integers(10) > 0),
        "reviewerID": purchase.reviewer,
        "asin": purchase.item.asin,
        "reviewText": f"{_one_of(rng, OPINIONS[stars])}: {noun}, {_one_of(rng, purchase.item.traits)}.",
        "summary": SUMMARIES[stars],
        "unixReviewTime": purchase.day * DAY,
    }


def _metadata(rng: np.random.Generator, item: Item) -> dict[str, Any]:
    brand = item.department.brands[item.brand]
    cents = 100 * int(rng.integers(9, 30)) * (item.brand + 1) + 99
    return {
        "category": [item.department.name, item.kind.category],
        "description": [
            f"{item.kind.noun} by {brand}: {item.traits[0]}, {item.traits[1]}",
            f"Also: {item.traits[2]}",
        ],
        "title": item.title,
        "brand": brand,
        "price": f"${cents // 100}.{cents % 100:02}",
        "asin": item.asin,
    }


def _write_lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    with whole_file(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)


# What it looks like


def _draw_picture(rng: np.random.Generator, kind: Kind, brand: int) -> Pixels:
    """A product picture [SIDE, SIDE, 3]: the kind's drawing, moved, mirrored and tinted a little, on a pale ground."""
    y, x = np.mgrid[:SIDE, :SIDE]
    x, y = x - rng.integers(-1, 2), y - rng.integers(-1, 2)
    if rng.integers(2):
        x = SIDE - 1 - x
    main = np.array(kind.colour) + rng.integers(-20, 21, size=3)
    inks = {"main": main, "dark": main // 2, "pale": (main + 3 * 250) // 4, "brand": np.array(BRAND_COLOURS[brand])}
    picture = np.empty((SIDE, SIDE, 3), dtype=np.int64)
    picture[:] = rng.integers(226, 250, size=3)
    for stroke in kind.picture.split(", "):
        ink, shape, *numbers = stroke.split()
        picture[_inside(shape, x, y, *map(int, numbers))] = inks[ink]
    light = 4 * (SIDE // 2 - y)[..., None] // 3  # from above
    lit: Pixels = picture + light + rng.integers(-5, 6, size=picture.shape)
    return lit.clip(0, 255)


def _inside(shape: str, x: Pixels, y: Pixels, *numbers: int) -> npt.NDArray[np.bool_]:
    """Which points (x, y) a shape covers."""
    if shape == "box":
        left, top, right, bottom = numbers
        return (left <= x) & (x <= right) & (top <= y) & (y <= bottom)
    if shape == "disc":
        across, down, radius = numbers
        return (x - across) ** 2 + (y - down) ** 2 <= radius * (radius + 1)
    x0, y0, x1, y1, width = numbers  # a line: points between its ends, within half its width
    along, length = (x - x0) * (x1 - x0) + (y - y0) * (y1 - y0), (x1 - x0) ** 2 + (y1 - y0) ** 2
    aside = (x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)
    return (along >= 0) & (along <= length) & (4 * aside**2 <= width**2 * length)


def _png(picture: Pixels) -> bytes:
    """An RGB PNG file, stored without compression: builds of zlib differ in how they compress, never in this."""
    height, width, _ = picture.shape
    rows = np.zeros((height, 1 + 3 * width), dtype=np.uint8)  # each row begins with its filter, 0: none
    rows[:, 1:] = picture.reshape(height, -1)
    data = rows.tobytes()
    stored = b"\x78\x01\x01" + struct.pack("<HH", len(data), len(data) ^ 0xFFFF) + data  # zlib: one stored block
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", stored + struct.pack(">I", zlib.adler32(data))),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


# Draws


def _draw_ids(rng: np.random.Generator, prefix: str, length: int, count: int) -> list[str]:
    """Distinct ids like Amazon's: the prefix, then capitals and digits."""
    letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    ids: dict[str, None] = {}
    while len(ids) < count:
        drawn = rng.integers(len(letters), size=length - len(prefix))
        ids[prefix + "".join(letters[i] for i in drawn)] = None
    return list(ids)


def _weighted(rng: np.random.Generator, weights: Sequence[int]) -> int:
    """An index, drawn with integer weights."""
    left = int(rng.integers(sum(weights)))
    for index, weight in enumerate(weights):
        left -= weight
        if left < 0:
            return index
    raise AssertionError("the weights add up to more than was drawn")


def _one_of(rng: np.random.Generator, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]
