"""What an interrupted training resumes from: one safetensors file, replaced whole after every epoch."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from solid.console import say
from solid.models.recommender import Recommender
from solid.settings.schema import TrainingSettings
from solid.storage.local import whole_file


@dataclass
class TrainingState:
    """Progress of a training: history so far, current and best weights, and the optimizer's moments."""

    fingerprint: str
    """Of every setting, input and version that decides the result; a state of another one is not resumed."""
    score: str
    """The column of the history whose highest value picks the epoch."""
    history: list[dict[str, float]] = field(default_factory=list)
    """One row an epoch: epoch, losses, the score; before the first one epoch 0, where there is a trunk to start as."""
    run_id: str | None = None
    """Of the tracked run that this training logs to."""
    weights: dict[str, Tensor] = field(default_factory=dict)
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    moments: dict[str, Tensor] = field(default_factory=dict)
    """Optimizer state by "<parameter index>.<name>"."""
    targets_per_second: float = 0.0
    """Trained in the last epoch; shown to people, never stored."""

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return int(self.history[-1]["epoch"]) if self.history else 0

    @property
    def best(self) -> dict[str, float]:
        """History row of the epoch with the highest score, the earliest of equals."""
        return max(self.history, key=lambda row: row[self.score])

    def finished(self, settings: TrainingSettings) -> bool:
        """Whether all epochs are done or the best one lies ``patience`` epochs back, on a trunk a third of that."""
        if not self.history:
            return False
        started_trained = self.history[0]["epoch"] == 0
        patience = -(-settings.patience // 3) if started_trained else settings.patience
        return self.epoch >= settings.epochs or self.epoch - self.best["epoch"] >= patience

    def restore(self, model: Recommender, optimizer: torch.optim.Optimizer) -> None:
        """Put the stored weights and moments back; a fresh state leaves both as they are."""
        if not self.history:
            return
        model.load_state_dict(self.weights)
        device = next(model.parameters()).device
        stored: dict[int, dict[str, Tensor]] = {}
        for name, tensor in self.moments.items():
            index, key = name.split(".", 1)
            stored.setdefault(int(index), {})[key] = tensor.to(device)
        optimizer.load_state_dict({**optimizer.state_dict(), "state": stored})

    def advance(self, model: Recommender, optimizer: torch.optim.Optimizer, row: dict[str, float]) -> None:
        """Take in the epoch just done."""
        self.history.append(row)
        self.weights = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
        self.moments = {
            f"{index}.{key}": tensor.detach().cpu().clone()
            for index, values in optimizer.state_dict()["state"].items()
            for key, tensor in values.items()
        }
        if self.best is row:
            self.best_weights = self.weights

    def save(self, path: Path) -> None:
        """Write the state, whole or not at all."""
        parts = {"weights": self.weights, "best_weights": self.best_weights, "moments": self.moments}
        tensors = {
            f"{part}/{name}": t.contiguous().clone() for part, group in parts.items() for name, t in group.items()
        }
        about = {"fingerprint": self.fingerprint, "history": self.history, "run_id": self.run_id}
        with whole_file(path) as partial:
            partial.write_bytes(save(tensors, metadata={"state": json.dumps(about)}))

    @classmethod
    def load(cls, path: Path, fingerprint: str, score: str) -> TrainingState:
        """Read the state an interrupted training of the same fingerprint left, or give a fresh one."""
        if not path.is_file():
            return cls(fingerprint, score)
        try:
            with safe_open(path, "pt") as file:
                about = json.loads(file.metadata()["state"])
                state = cls(about["fingerprint"], score, about["history"], about["run_id"])
                for key in file.keys():  # noqa: SIM118 - not a dict
                    part, name = key.split("/", 1)
                    getattr(state, part)[name] = file.get_tensor(key)
        except (SafetensorError, AttributeError, KeyError, TypeError, ValueError) as error:
            say(f"{path}: unreadable ({error}); starting from the first epoch")
            return cls(fingerprint, score)
        if state.fingerprint != fingerprint:
            say(f"{path}: left by a training with other settings or inputs; starting from the first epoch")
            return cls(fingerprint, score)
        return state
