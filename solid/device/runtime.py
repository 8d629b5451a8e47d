"""ONNX Runtime in the place of PyTorch: a scorer like any other, so that whatever measures models measures graphs.

Legend: B users, L history positions, C candidates, N items.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor

from solid.device.graphs import CANDIDATES, HISTORY, SCORES
from solid.models.config import BaseConfig
from solid.models.recommender import Recommender

_CELLS = 1 << 24  # what scores of candidates cost at once, in floats: 64 MiB


@dataclass(frozen=True)
class OnDevice:
    """What a device has of B users.

    Attributes:
        history: item numbers [B, L].
        weights: what was generated for them, by the names of the device's inputs.
    """

    history: NDArray[np.int64]
    weights: Mapping[str, NDArray[Any]]

    @property
    def bytes(self) -> int:
        """Of one user's weights."""
        return sum(array.nbytes for array in self.weights.values()) // len(self.history)


class GraphScorer:
    """Scores items by a device's graph; the weights are made by the cloud's, where there is one."""

    def __init__(self, model: Recommender, device: Path, cloud: Path | None, stale: int = 0) -> None:
        """Open the graphs, to be run in one thread.

        Args:
            model: that they were made of.
            device: file of the device's graph.
            cloud: file of the cloud's graph; None of a model that generates nothing.
            stale: how many items the history has grown by since the weights were made.
        """
        self._config, self._cells, self._stale = model.config, model.backbone.cells(model.config.length), stale
        self._device = _session(device)
        self._cloud = None if cloud is None else _session(cloud)
        self._given = [one.name for one in self._device.get_inputs() if one.name not in (HISTORY, CANDIDATES)]

    @property
    def config(self) -> BaseConfig:
        """Of the model."""
        return self._config

    @property
    def device(self) -> torch.device:
        """The CPU."""
        return torch.device("cpu")

    def weights(self, history_BL: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """What the cloud generates of histories."""
        if self._cloud is None:
            return {}
        return dict(zip(self._given, self._cloud.run(self._given, {HISTORY: history_BL}), strict=True))

    def encode(self, items_BL: Tensor) -> OnDevice:
        """Have the weights generated from what the history was when they were made."""
        history_BL = items_BL.numpy()
        if not self._stale:
            return OnDevice(history_BL, self.weights(history_BL))
        then_B1 = np.maximum((history_BL > 0).sum(axis=1, keepdims=True) - self._stale, 0)
        return OnDevice(history_BL, self.weights(np.where(np.arange(history_BL.shape[1]) < then_B1, history_BL, 0)))

    def score_same(self, user: OnDevice, candidates_C: NDArray[np.int64]) -> NDArray[np.float32]:
        """The scores [B, C] of candidates of all users; in parts where each candidate costs what a user costs."""
        at_once = max(1, _CELLS // (len(user.history) * self._cells)) if self._cells else len(candidates_C)
        parts = np.split(candidates_C, range(at_once, len(candidates_C), at_once))
        given = {HISTORY: user.history, **user.weights}
        return np.concatenate([self._device.run([SCORES], {**given, CANDIDATES: part})[0] for part in parts], axis=1)

    def score_all(self, user: OnDevice) -> Tensor:
        """The scores [B, N] of all items."""
        return torch.from_numpy(self.score_same(user, np.arange(1, self._config.n_items + 1)))

    def score(self, user: OnDevice, candidates_BC: Tensor) -> Tensor:
        """The scores [B, C] of each user's candidates."""
        return self.score_all(user).gather(1, candidates_BC - 1)


def _session(graph: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors alone
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
