"""The training loop: shuffled pieces of users' sequences, one update a batch, early stopping on a named metric.

All randomness of an epoch derives from (seed, epoch), so a resumed training needs no generator state
and ends with the same bytes as one that was never interrupted.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from solid.data.dataset import Dataset
from solid.errors import SolidError
from solid.kinds import BACKBONES, LOSSES
from solid.models.recommender import Recommender
from solid.settings.schema import TrainingSettings
from solid.training.batches import Group, Pieces
from solid.training.learned import Learned
from solid.training.losses.base import Asked, Loss
from solid.training.selection import Selection
from solid.training.state import TrainingState


def fit(
    model: Recommender,
    dataset: Dataset,
    settings: TrainingSettings,
    state: TrainingState,
    on_epoch: Callable[[TrainingState], None],
) -> None:
    """Train ``model`` in place until the metric stops rising, then load its best weights.

    Args:
        model: on the device to train on.
        dataset: whose training targets are learned and whose validation events decide when to stop (those of the test
            with ``settings.selection`` test).
        settings: of the loop.
        state: a fresh state, or one to resume from; it is kept up to date.
        on_epoch: called after every epoch, for saving and logging.

    Raises:
        SolidError: there is nothing to train on, or the loss is no longer a number.
        SettingsError: the loss does not go with these data.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    has_trunk = len(trained) < len(list(model.parameters()))
    optimizer = torch.optim.AdamW(trained, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True)
    state.restore(model, optimizer)
    learned = Learned.of(dataset.sequences, settings)
    selection = Selection(dataset, settings)
    name = BACKBONES[model.config.model.backbone].loss if settings.loss == "auto" else settings.loss
    loss: Loss = LOSSES[name].load()(settings, learned)
    cut = Pieces.windows if settings.targets == "windows" else Pieces.whole
    # Room for the answer, or for the mask in its place.
    pieces = cut(learned.sequences, learned.targets, model.config.length - 1 + model.backbone.answers)
    if has_trunk and not state.history:  # what is added to it may turn out to be worse than nothing
        state.advance(model, optimizer, {"epoch": 0, state.score: selection.value(model)})
        on_epoch(state)
    while not state.finished(settings):
        epoch = state.epoch + 1
        rng = np.random.default_rng([settings.seed, epoch])
        torch.manual_seed(int(rng.integers(2**31)))
        sums: dict[str, float] = {}
        done = 0
        model.train()
        started = time.perf_counter()
        with tqdm(
            total=len(learned.targets), desc=f"epoch {epoch}", unit="target", unit_scale=True, disable=None,
            leave=False, file=sys.stderr,
        ) as bar:  # fmt: skip
            for batch in pieces.batches(settings.batch_size, rng):
                with model.items.held() if loss.scores_all else nullcontext():
                    losses, n = _of_batch(model, batch, name, loss, rng)
                    optimizer.zero_grad()
                    torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(trained, settings.gradient_clip)
                optimizer.step()
                done += n
                for term, value in losses.items():
                    sums[term] = sums.get(term, 0.0) + value.item() * n
                bar.update(n)
                bar.set_postfix(loss=f"{sums[name] / done:.4f}", refresh=False)
        seconds = time.perf_counter() - started
        means = {term: total / done for term, total in sums.items()}
        if not math.isfinite(sum(means.values())):
            raise SolidError(
                f"epoch {epoch}: the loss is not a number any more; lower training.learning_rate or fusion.t"
            )
        means |= model.head.figures()
        state.advance(model, optimizer, {"epoch": epoch, **means, state.score: selection.value(model)})
        state.targets_per_second = done / seconds
        on_epoch(state)
    model.load_state_dict(state.best_weights)
    model.eval()


def _of_batch(
    model: Recommender, batch: list[Group], name: str, loss: Loss, rng: np.random.Generator
) -> tuple[dict[str, Tensor], int]:
    """The mean losses over all rows of a batch, and their number."""
    parts = list(_of_groups(model, batch, name, loss, rng))
    rows = sum(n for _, n in parts)
    return {term: torch.stack([part[term] * (n / rows) for part, n in parts]).sum() for term in parts[0][0]}, rows


def _of_groups(
    model: Recommender, batch: list[Group], name: str, loss: Loss, rng: np.random.Generator
) -> Iterator[tuple[dict[str, Tensor], int]]:
    for group in batch:
        sequences, asked = (torch.from_numpy(part).to(model.device) for part in (group.items_BL, group.asked_BL))
        task = model.backbone.task(sequences, asked)
        user = model.read(task.items_BL, task.rows)
        users_R = group.users_B[task.rows.user_R.cpu().numpy()]
        yield {name: loss(Asked(model, user, task.targets_R, users_R), rng), **user.losses}, len(task.targets_R)
