"""The sample data set: the same bytes everywhere, and the structure it promises."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from solid.data.sample import (
    BARE,
    ITEMS_OF_A_KIND,
    KINDS,
    LENGTHS,
    SIDE,
    _choose_item,
    _draw_items,
    _inside,
    _png,
    _weighted,
    write_sample,
)
from solid.errors import DataError
from solid.storage.local import folder_digest

DIGEST = "283dea513f59d332587ed268c69f0afe.dir"  # of seed 0; a change here is a new version of data.dvc


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("sample") / "data"
    write_sample(out, 0)
    return out


@pytest.fixture(scope="module")
def reviews(folder):
    return pd.DataFrame(map(json.loads, (folder / "Sample.json").read_text("utf-8").splitlines()))


@pytest.fixture(scope="module")
def metadata(folder):
    return pd.DataFrame(map(json.loads, (folder / "meta_Sample.json").read_text("utf-8").splitlines()))


def test_bytes_follow_from_the_seed_alone(folder, tmp_path):
    assert folder_digest(folder) == DIGEST
    write_sample(tmp_path / "other", 1)
    assert folder_digest(tmp_path / "other") != DIGEST


def test_an_older_folder_is_replaced(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "left.txt").write_text("over")
    with pytest.raises(DataError, match="is no older output"):
        write_sample(tmp_path / "data", 0)
    (tmp_path / "data" / "Sample.json").write_text("older")
    write_sample(tmp_path / "data", 0)
    assert folder_digest(tmp_path / "data") == DIGEST


def test_size(folder, reviews, metadata):
    assert 9_000 <= len(reviews) <= 12_000
    assert 1_000 <= reviews["reviewerID"].nunique() <= 1_200
    assert 320 <= reviews["asin"].nunique() <= 350
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) < 3.5e6
    assert metadata["asin"].is_unique
    assert metadata["title"].is_unique


def test_most_users_and_items_have_five_events_and_some_have_fewer(reviews):
    for column in ("reviewerID", "asin"):
        few = (reviews[column].value_counts() < 5).mean()
        assert 0 < few < 0.05


def test_nobody_reviews_twice_a_day_or_an_item_twice(reviews):
    assert not reviews.duplicated(["reviewerID", "asin"]).any()
    assert not reviews.duplicated(["reviewerID", "unixReviewTime"]).any()


def test_users_are_interleaved(reviews):
    assert reviews["asin"].is_monotonic_increasing
    assert (reviews["reviewerID"] != reviews["reviewerID"].shift()).mean() > 0.99


def test_few_items_lack_metadata_and_others_a_picture(folder, reviews, metadata):
    sold = set(reviews["asin"])
    pictured = {path.stem for path in (folder / "images").iterdir()}
    assert len(sold - set(metadata["asin"])) == len(sold - pictured) == BARE
    assert set(metadata["asin"]) | pictured == sold


def test_categories_are_the_kinds(metadata):
    kinds = metadata["category"].str[1]
    assert set(kinds) == {kind.category for kind in KINDS}
    words = metadata.set_index(kinds)["title"]
    assert all(kind.noun in title for kind in KINDS for title in words[kind.category])


def test_every_kind_leads_to_other_kinds():
    names = {kind.category for kind in KINDS}
    for kind in KINDS:
        assert set(kind.then) <= names - {kind.category}


def test_pictures_open_and_look_like_their_kind(folder, metadata):
    """The nearest other picture, by mean colour of 4 x 4 cells, mostly shows the same kind."""
    table = metadata[[(folder / "images" / f"{asin}.png").is_file() for asin in metadata["asin"]]]
    pictures = [Image.open(folder / "images" / f"{asin}.png") for asin in table["asin"]]
    assert {(picture.size, picture.mode) for picture in pictures} == {((SIDE, SIDE), "RGB")}
    cells = np.array([np.asarray(picture.resize((8, 8), Image.Resampling.BOX), float).ravel() for picture in pictures])
    distance = ((cells[:, None] - cells[None]) ** 2).sum(axis=2)
    np.fill_diagonal(distance, np.inf)
    kinds = table["category"].str[1].to_numpy()
    assert (kinds[distance.argmin(axis=1)] == kinds).mean() > 0.9


def test_kinds_say_more_about_the_next_purchase_than_sales_do(reviews, metadata):
    """AUC of the last purchase against all others: transitions between kinds beat popularity by far."""
    items = sorted(set(metadata["asin"]))
    row = {asin: number for number, asin in enumerate(items)}
    category = metadata.set_index("asin").loc[items, "category"].str[1]
    kind = pd.factorize(category)[0]
    events = reviews[reviews["asin"].isin(row)].sort_values(["reviewerID", "unixReviewTime"])
    sequences = [group.map(row).to_numpy() for _, group in events.groupby("reviewerID")["asin"] if len(group) > 2]
    sold, moved = np.zeros(len(items)), np.zeros((len(KINDS), len(KINDS)))
    for sequence in sequences:
        np.add.at(sold, sequence[:-1], 1)
        np.add.at(moved, (kind[sequence[:-2]], kind[sequence[1:-1]]), 1)

    def auc(scores):
        return np.mean([(scores(s[-2])[s[-1]] > scores(s[-2])).mean() for s in sequences])

    assert auc(lambda _: sold) < 0.7
    assert auc(lambda last: moved[kind[last]][kind] * sold) > 0.8


def test_who_has_all_of_a_kind_goes_on_to_the_next():
    rng = np.random.default_rng(0)
    items, bought = _draw_items(rng), set(range(ITEMS_OF_A_KIND))
    row = _choose_item(rng, items, 0, 0, bought)
    assert items[row].kind.category == KINDS[0].then[0]
    assert max(LENGTHS) <= 2 * ITEMS_OF_A_KIND  # so that there is always something left


def test_png_holds_the_pixels(tmp_path):
    picture = np.arange(2 * 3 * 3).reshape(2, 3, 3) * 14
    (tmp_path / "tiny.png").write_bytes(_png(picture))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "tiny.png")), picture)


@pytest.mark.parametrize(
    ("shape", "drawn"),
    [
        (("box", 1, 0, 2, 1), ["..##.", "..##.", ".....", "....."]),
        (("disc", 2, 1, 1), ["..###", "..###", "..###", "....."]),
        (("line", 1, 1, 3, 1, 1), [".....", "..###", ".....", "....."]),
    ],
)
def test_strokes(shape, drawn):
    y, x = np.mgrid[:4, -1:4]  # x counts from -1, as in a picture moved to the right
    covered = _inside(shape[0], x, y, *shape[1:])
    assert ["".join(".#"[int(inside)] for inside in line) for line in covered] == drawn


def test_weighted_draws_follow_the_weights():
    class Fixed:
        def __init__(self):
            self.left = iter(range(6))

        def integers(self, high):
            assert high == 6
            return next(self.left)

    fixed = Fixed()
    assert [_weighted(fixed, (1, 0, 2, 3)) for _ in range(6)] == [0, 2, 2, 3, 3, 3]
