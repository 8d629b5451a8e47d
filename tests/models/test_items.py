"""What an item is to a model: the sum of its parts, each as long as it has to be to be learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from solid.kinds import HEADS
from solid.models.items import ItemTable
from solid.settings.schema import ModelSettings
from solid.training.step import _vectors

VECTORS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.6, 0.8]])


def test_vectors_are_projected_with_the_length_of_an_embedding_of_unit_variance() -> None:
    items = ItemTable(2, 4, 1.0, ids=True, vectors={"text": VECTORS})
    with torch.no_grad():
        items.id.weight[1:] = torch.tensor([[1.0, 1, 1, 1], [2.0, 2, 2, 2]])
        items.projections["text"].weight.copy_(torch.tensor([[1.0, 0], [0, 1], [1, 1], [0, 0]]))
    expected = [[0, 0, 0, 0], [1 + 2 * 1, 1, 1 + 2 * 1, 1], [2 + 2 * 0.6, 2 + 2 * 0.8, 2 + 2 * 1.4, 2]]
    np.testing.assert_allclose(items(torch.arange(3)).detach(), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("head", "there", "expected"),
    [
        ("static", ("text", "image"), ["text"]),
        ("static", ("image",), ["image"]),
        ("static", (), []),
        ("transitions", ("text", "image"), ["text", "image"]),
    ],
)
def test_texts_come_before_pictures_but_counting_tries_both(
    tmp_path: Path, head: str, there: tuple[str, ...], expected: list[str]
) -> None:
    for kind in there:
        np.save(tmp_path / f"{kind}.npy", np.eye(3, dtype=np.float32))
    (tmp_path / "features.json").write_text('{"digest": "digest"}')
    vectors = _vectors(tmp_path, 3, "digest", HEADS[head], ModelSettings())
    assert list(vectors) == expected
