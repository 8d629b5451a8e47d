"""The offline encoders, on inputs small enough to check by hand."""

from __future__ import annotations

import struct

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from threadpoolctl import threadpool_limits

from solid.data.readers import Vectors
from solid.errors import DataError
from solid.features.encoders import choose_encoder
from solid.features.pictures import read_pictures
from solid.features.pixels import Pixels, describe
from solid.features.precomputed import Precomputed
from solid.features.tfidf import Tfidf
from solid.settings.schema import FeatureSettings

BOTH = pd.DataFrame({"item_id": ["a", "b"], "text": ["red", ""], "image": ["", "b.png"]})
BARE = pd.DataFrame({"item_id": ["a"], "text": [""], "image": [""]})
VECTORS = Vectors(["b", "x", "a"], np.array([[1, 2], [3, 4], [5, 6]], dtype=np.float32))


def texts(*values):
    return pd.DataFrame({"text": values})


def cosine(a, b):
    return a @ b / np.sqrt((a @ a) * (b @ b))


# choice


@pytest.mark.parametrize(
    ("modality", "items", "vectors", "expected"),
    [
        ("text", BOTH, VECTORS, "tfidf"),
        ("text", BOTH, None, "tfidf"),
        ("text", BARE, VECTORS, "precomputed"),
        ("image", BOTH, None, "pixels"),
        ("text", BARE, None, None),
        ("image", BARE, VECTORS, "precomputed"),
    ],
)
def test_the_default_takes_the_first_that_can_run(modality, items, vectors, expected):
    encoder = choose_encoder(modality, items, vectors, FeatureSettings())
    assert (encoder and encoder.name) == expected


@pytest.mark.parametrize(
    ("items", "vectors", "expected"),
    [(BOTH, VECTORS, "precomputed"), (BOTH, None, "tfidf"), (BARE, VECTORS, "precomputed"), (BARE, None, None)],
)
def test_auto_takes_texts_last(items, vectors, expected):
    encoder = choose_encoder("text", items, vectors, FeatureSettings(text="auto"))
    assert (encoder and encoder.name) == expected


@pytest.mark.parametrize(("modality", "name"), [("text", "tfidf"), ("text", "clip"), ("image", "pixels")])
def test_an_encoder_with_nothing_to_encode_is_refused(modality, name):
    with pytest.raises(DataError, match=f"features.{modality} is {name}, but no item has any {modality}"):
        choose_encoder(modality, BARE, None, FeatureSettings(**{modality: name}))


def test_precomputed_without_vectors_is_refused():
    with pytest.raises(DataError, match=r"features.image is precomputed, but the data has no such vectors"):
        choose_encoder("image", BOTH, None, FeatureSettings(image="precomputed"))


def test_none_leaves_out_and_clip_knows_its_modality():
    assert choose_encoder("text", BOTH, VECTORS, FeatureSettings(text="none")) is None
    chosen = choose_encoder("image", BOTH, VECTORS, FeatureSettings(image="clip", clip="some/model", batch_size=3))
    assert (type(chosen).__name__, chosen.source, chosen.batch_size) == ("ClipImage", "some/model", 3)


# precomputed


def test_precomputed_vectors_go_to_their_items():
    items = pd.DataFrame({"item_id": ["a", "none", "b"]})
    np.testing.assert_array_equal(Precomputed(VECTORS).encode(items), [[5, 6], [0, 0], [1, 2]])


# tf-idf


def test_tfidf_keeps_angles_between_texts():
    """With all dimensions kept the SVD is a rotation. "red" is in 2 of 3 texts, the others in 1."""
    vectors = Tfidf(FeatureSettings(dim=8)).encode(texts("red lamp", "red drill", "", "red lamp"))
    assert vectors.dtype == np.float32
    assert vectors.shape == (4, 2)  # three words: ARPACK finds one fewer
    assert not vectors[2].any()
    idf_lamp, idf_drill, idf_red = (np.log(5 / (1 + n)) + 1 for n in (2, 1, 3))
    expected = idf_red**2 / np.sqrt((idf_red**2 + idf_lamp**2) * (idf_red**2 + idf_drill**2))
    np.testing.assert_array_equal(vectors[0], vectors[3])
    assert cosine(vectors[0], vectors[1]) == pytest.approx(expected, abs=1e-4)


def test_tfidf_brings_texts_together_that_share_words():
    kinds = ["oak desk drawer", "oak desk lamp", "oak desk shelf", "drill battery", "drill charger"]
    vectors = Tfidf(FeatureSettings(dim=2)).encode(texts(*kinds))
    assert cosine(vectors[0], vectors[1]) > 0.99
    assert cosine(vectors[3], vectors[4]) > 0.99
    zero = [[False, True]] * 3 + [[True, False]] * 2  # exactly, though the solver leaves 1e-17 of either sign
    np.testing.assert_array_equal(vectors == 0, zero)
    assert not np.signbit(vectors[vectors == 0]).any()


def test_tfidf_bytes_do_not_depend_on_threads():
    rng = np.random.default_rng(0)
    words = np.array([f"word{n}" for n in range(400)])
    corpus = texts(*(" ".join(rng.choice(words, 12)) for _ in range(300)))
    with threadpool_limits(1):
        one = Tfidf(FeatureSettings(dim=32)).encode(corpus)
    with threadpool_limits(2):
        two = Tfidf(FeatureSettings(dim=32)).encode(corpus)
    assert one.shape == (300, 32)
    assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize("values", [("lamp", "lamp lamp"), ("! ?", "-")])
def test_texts_without_words_to_compare_are_refused(values):
    with pytest.raises(DataError, match="too few different words"):
        Tfidf(FeatureSettings(dim=4)).encode(texts(*values))


# pixels


def test_pixels_of_a_plain_picture():
    """Red lacks all green and blue: (0, 255, 255) in each of 64 cells, one bin of colour, no edge."""
    vector = describe(Image.new("RGB", (50, 40), (255, 0, 0)))
    assert vector.dtype == np.float32
    np.testing.assert_allclose(vector[:192], np.tile([0, 1, 1], 64) / np.sqrt(128), rtol=1e-6)
    assert np.flatnonzero(vector[192:256]).tolist() == [3 * 16]
    assert vector[192 + 48] == 1
    assert not vector[256:].any()


def test_white_has_no_colour_layout_but_is_not_nothing():
    vector = describe(Image.new("RGB", (32, 32), "white"))
    assert not vector[:192].any()
    assert vector[192 + 63] == 1


@pytest.mark.parametrize(
    ("inside", "direction"),
    [
        (lambda x, y: x < 16, 0),
        (lambda x, y: y < 16, 1),
        (lambda x, y: x + y < 32, 2),
        (lambda x, y: x - y < 0, 3),
    ],
)
def test_edges_fall_into_their_direction(inside, direction):
    y, x = np.mgrid[:32, :32]
    picture = np.where(inside(x, y)[..., None], np.uint8(0), np.full(3, 255, dtype=np.uint8))
    strength = describe(Image.fromarray(picture))[256:].reshape(4, 4, 4).sum(axis=(0, 1))
    assert strength.argmax() == direction
    assert strength[direction] > 0.8 * strength.sum()


def test_the_colour_layout_is_by_place():
    picture = np.full((32, 32, 3), 255, dtype=np.uint8)
    picture[4:8, 28:] = [255, 255, 0]  # the cell in row 1, column 7, lacks blue
    layout = describe(Image.fromarray(picture))[:192].reshape(8, 8, 3)
    assert np.argwhere(layout).tolist() == [[1, 7, 2]]


def test_items_without_a_picture_get_a_zero_row(tmp_path, capsys):
    Image.new("RGB", (8, 8), "blue").save(tmp_path / "blue.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "blue.png").read_bytes()[:40])
    items = pd.DataFrame({"image": ["", str(tmp_path / "blue.png"), str(tmp_path / "cut.png")]})
    vectors = Pixels(FeatureSettings()).encode(items)
    assert vectors.shape == (3, Pixels.dim)
    assert vectors.any(axis=1).tolist() == [False, True, False]
    said = capsys.readouterr().err
    assert "1 pictures cannot be read" in said
    assert "cut.png" in said


# pictures


def test_pictures_are_upright_rgb_on_white(tmp_path):
    clear = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    clear.putpixel((1, 0), (10, 20, 30, 255))
    clear.save(tmp_path / "clear.png")
    lying = Image.new("RGB", (6, 3))
    exif = lying.getexif()
    exif[0x0112] = 6  # orientation: turned by 90 degrees
    lying.save(tmp_path / "lying.png", exif=exif)
    Image.new("L", (2, 2), 7).save(tmp_path / "grey.gif")
    names = ("clear.png", "lying.png", "grey.gif")
    pictures = dict(read_pictures([str(tmp_path / name) for name in names]))
    assert np.asarray(pictures[0]).tolist() == [[[255, 255, 255], [10, 20, 30]]]
    assert pictures[1].size == (3, 6)
    assert np.asarray(pictures[2]).tolist() == [[[7, 7, 7]] * 2] * 2


def test_a_decompression_bomb_is_not_opened(tmp_path, monkeypatch, capsys):
    Image.new("RGB", (30, 30)).save(tmp_path / "bomb.png")
    for limit in (600, 100):  # above the limit Pillow only warns, above twice the limit it refuses
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        assert list(read_pictures([str(tmp_path / "bomb.png")])) == []
        assert "bomb.png" in capsys.readouterr().err


def test_other_formats_are_not_opened(tmp_path, capsys):
    Image.new("RGB", (4, 4)).save(tmp_path / "scan.png", format="TIFF")
    assert list(read_pictures([str(tmp_path / "scan.png")])) == []
    assert "scan.png" in capsys.readouterr().err


def test_a_picture_with_a_broken_structure_is_passed_over(tmp_path, monkeypatch, capsys):
    def fail(*_, **__):
        raise struct.error("unpack requires a buffer of 4 bytes")

    monkeypatch.setattr(Image, "open", fail)
    assert list(read_pictures([str(tmp_path / "cut.png")])) == []
    assert "cut.png" in capsys.readouterr().err
