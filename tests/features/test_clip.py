"""CLIP from a folder: a tiny model with random weights takes the same path as a real one."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from solid.errors import DataError, SolidError
from solid.features.clip import ClipImage, ClipText
from solid.settings.schema import FeatureSettings

transformers = pytest.importorskip("transformers")
WIDTH = 8  # of the projected vectors
LENGTH = 6  # tokens the model takes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A saved CLIP: byte-level words, two layers of nothing learned, 16 x 16 pictures."""
    folder = tmp_path_factory.mktemp("clip")
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(letter + "</w>" for letter in letters)]
    tokenizer = transformers.CLIPTokenizer(vocab={token: i for i, token in enumerate(tokens)}, merges=[])
    tokenizer.save_pretrained(folder)
    transformers.CLIPImageProcessorPil(
        size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}
    ).save_pretrained(folder)
    tower = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {"vocab_size": len(tokens), "max_position_embeddings": LENGTH, "bos_token_id": 0, "eos_token_id": 1}
    vision = {"image_size": 16, "patch_size": 8}
    config = transformers.CLIPConfig(
        text_config={**tower, **text}, vision_config={**tower, **vision}, projection_dim=WIDTH
    )
    torch.manual_seed(0)
    transformers.CLIPModel(config).save_pretrained(folder)
    return folder


@pytest.fixture
def items(tmp_path):
    """Four items: one complete, one without anything, one with a broken picture, one with a long text."""
    rng = np.random.default_rng(0)
    for name in ("a", "d"):
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "broken.png").write_bytes(b"no picture at all")
    images = [str(tmp_path / "a.png"), "", str(tmp_path / "broken.png"), str(tmp_path / "d.png")]
    return pd.DataFrame({"item_id": list("abcd"), "text": ["lens", "", "tripod", "drill " * 50], "image": images})


def test_texts_as_the_model_itself_encodes_them(folder, items):
    vectors = ClipText(FeatureSettings(clip=str(folder), batch_size=2)).encode(items)
    assert vectors.shape == (4, WIDTH)
    assert vectors.dtype == np.float32
    assert not vectors[1].any()
    model = transformers.CLIPModel.from_pretrained(folder).eval()
    letters = [2 + ord(letter) - ord("a") for letter in "len"]
    for row, ids in {0: [0, *letters, 28 + ord("s") - ord("a"), 1], 3: [0, 5, 19, 10, 13, 1]}.items():
        with torch.no_grad():
            expected = model.get_text_features(torch.tensor([ids])).pooler_output[0].numpy()
        np.testing.assert_allclose(vectors[row], expected, atol=1e-5)


def test_pictures_as_the_model_itself_encodes_them(folder, items, capsys):
    vectors = ClipImage(FeatureSettings(clip=str(folder), batch_size=2)).encode(items)
    assert vectors.shape == (4, WIDTH)
    assert not vectors[1:3].any()
    assert "1 pictures cannot be read" in capsys.readouterr().err
    model = transformers.CLIPModel.from_pretrained(folder).eval()
    processor = transformers.CLIPImageProcessorPil.from_pretrained(folder)
    with torch.no_grad():
        pixels = processor(Image.open(items["image"][3]), return_tensors="pt")["pixel_values"]
        expected = model.get_image_features(pixels).pooler_output[0].numpy()
    np.testing.assert_allclose(vectors[3], expected, atol=1e-5)


@pytest.mark.parametrize("encoder", [ClipText, ClipImage])
def test_the_batch_size_changes_nothing(folder, items, encoder):
    one, many = (encoder(FeatureSettings(clip=str(folder), batch_size=size)).encode(items) for size in (1, 64))
    np.testing.assert_allclose(one, many, atol=1e-5)


def test_pickled_weights_are_refused(folder, items, tmp_path):
    pickled = tmp_path / "pickled"
    shutil.copytree(folder, pickled)
    torch.save({}, pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()
    with pytest.raises(DataError, match="safetensors"):
        ClipText(FeatureSettings(clip=str(pickled), batch_size=2)).encode(items)


def test_weights_that_would_be_made_up_are_refused(folder, items, tmp_path):
    from safetensors.torch import load_file, save_file

    partial = tmp_path / "partial"
    shutil.copytree(folder, partial)
    state = load_file(partial / "model.safetensors")
    del state["text_projection.weight"]
    save_file(state, partial / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DataError, match=r"lacks weights of CLIP \(text_projection.weight"):
        ClipText(FeatureSettings(clip=str(partial), batch_size=2)).encode(items)


@pytest.mark.parametrize("lost", ["config.json", "preprocessor_config.json"])
def test_a_folder_without_a_part_is_named(folder, items, tmp_path, lost):
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / lost).unlink(missing_ok=True)
    (broken / "processor_config.json").unlink(missing_ok=True)
    with pytest.raises(DataError, match=str(broken)):
        ClipImage(FeatureSettings(clip=str(broken), batch_size=2)).encode(items)


def test_a_folder_without_a_vocabulary_is_named(folder, items, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    for file in broken.glob("*token*"):
        file.unlink()
    (broken / "vocab.json").unlink(missing_ok=True)
    with pytest.raises(DataError, match=str(broken)):
        ClipText(FeatureSettings(clip=str(broken), batch_size=2)).encode(items)


def test_weights_of_another_size_are_refused(folder, items, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    config = json.loads((other / "config.json").read_text())
    config["projection_dim"] = 4
    (other / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match=str(other)):
        ClipText(FeatureSettings(clip=str(other), batch_size=2)).encode(items)


def test_without_transformers_the_extra_is_named(items, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(SolidError, match=r'pip install "solid-rec\[clip\]"'):
        ClipText(FeatureSettings(clip="openai/clip-vit-base-patch32", batch_size=2)).encode(items)
