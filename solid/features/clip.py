"""Texts and pictures by CLIP (Radford et al., 2021), through transformers; the optional extra ``clip``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from solid.console import progress
from solid.errors import DataError, SolidError
from solid.features.pictures import read_pictures
from solid.settings.schema import FeatureSettings

T = TypeVar("T")


class ClipText:
    """Projected text vectors; texts are cut to the length the model was trained for."""

    name = "clip"

    def __init__(self, settings: FeatureSettings) -> None:
        self.source, self.batch_size = settings.clip, settings.batch_size

    def encode(self, items: pd.DataFrame) -> NDArray[np.float32]:
        """Encode the column ``text``."""
        model, tokenizer = _load(self.source, "CLIPModel"), _load(self.source, "CLIPTokenizer")
        # without its files, transformers makes a tokenizer that knows special tokens alone
        if not len(tokenizer.all_special_tokens) < len(tokenizer) <= model.config.text_config.vocab_size:
            raise DataError(f"features.clip is {self.source}, which has no tokenizer, or not one of this model")
        length = model.config.text_config.max_position_embeddings
        matrix = np.zeros((len(items), model.config.projection_dim), dtype=np.float32)
        rows: list[int] = np.flatnonzero(items["text"] != "").tolist()
        for batch in _batches(progress(rows, "CLIP texts", unit="text"), self.batch_size):
            texts = items["text"].iloc[batch].tolist()
            tokens = tokenizer(texts, truncation=True, max_length=length, padding=True, return_tensors="pt")
            with torch.inference_mode():
                matrix[batch] = model.get_text_features(**tokens.to(model.device)).pooler_output.cpu().numpy()
        return matrix


class ClipImage:
    """Projected image vectors, of the model's own input size."""

    name = "clip"

    def __init__(self, settings: FeatureSettings) -> None:
        self.source, self.batch_size = settings.clip, settings.batch_size

    def encode(self, items: pd.DataFrame) -> NDArray[np.float32]:
        """Encode the pictures in the column ``image``."""
        model, processor = _load(self.source, "CLIPModel"), _load(self.source, "CLIPImageProcessorPil")
        matrix = np.zeros((len(items), model.config.projection_dim), dtype=np.float32)
        pictures = read_pictures(progress(items["image"], "CLIP pictures", unit="picture"))
        for batch in _batches(pictures, self.batch_size):
            rows = [row for row, _ in batch]
            pixels = processor([picture for _, picture in batch], return_tensors="pt")["pixel_values"]
            with torch.inference_mode():
                matrix[rows] = model.get_image_features(pixels.to(model.device)).pooler_output.cpu().numpy()
        return matrix


def _load(source: str, kind: str) -> Any:
    """A model or processor from the hub or a folder; weights from safetensors only, since pickles can run code."""
    try:
        import transformers
    except ImportError:
        raise SolidError('CLIP needs transformers; install it with: pip install "solid-rec[clip]"') from None
    loader = getattr(transformers, kind)
    try:
        if kind != "CLIPModel":
            return loader.from_pretrained(source)
        model, info = loader.from_pretrained(source, use_safetensors=True, output_loading_info=True)
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"features.clip is {source}, which cannot be read as CLIP in safetensors ({reason})") from None
    if info["missing_keys"]:  # transformers would make them up at random
        raise DataError(f"features.clip is {source}, which lacks weights of CLIP ({min(info['missing_keys'])}, ...)")
    return model.eval().to("cuda" if torch.cuda.is_available() else "cpu")


def _batches(values: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(values)
    while batch := list(islice(iterator, size)):
        yield batch
