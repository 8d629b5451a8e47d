"""The training loop: shuffled targets, fresh negatives each epoch, early stopping on validation UAUC.

All randomness of an epoch derives from (seed, epoch), so a resumed training needs no generator state
and ends with the same bytes as one that was never interrupted.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from solid.data.dataset import Dataset
from solid.errors import SolidError
from solid.evaluation.measure import value_of
from solid.evaluation.scoring import View
from solid.metrics.catalogue import metric
from solid.models.recommender import Recommender
from solid.settings.schema import TrainingSettings
from solid.training.state import TrainingState

_EVALUATION_USERS = 1024


def fit(
    model: Recommender,
    dataset: Dataset,
    settings: TrainingSettings,
    state: TrainingState,
    on_epoch: Callable[[TrainingState], None],
) -> None:
    """Train ``model`` in place until validation UAUC stops rising, then load its best weights.

    Args:
        model: on the device to train on.
        dataset: whose training targets are learned and whose validation candidates decide when to stop (those of
            the test with ``settings.selection`` test).
        settings: of the loop.
        state: a fresh state, or one to resume from; it is kept up to date.
        on_epoch: called after every epoch, for saving and logging.

    Raises:
        SolidError: there is nothing to train on, or the loss is no longer a number.
    """
    device = next(model.parameters()).device
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    state.restore(model, optimizer)
    sequences, length = dataset.sequences, model.config.length
    events = sequences.targets("train")
    if settings.selection == "test":  # the released protocol knows no validation events
        events = np.sort(np.concatenate([events, sequences.targets("valid")]))
    if not len(events):
        raise SolidError("no training targets: every user has just three events; lower prepare.k_core or add data")
    histories = max(1, settings.batch_size // (1 + settings.negatives))
    while not state.finished(settings):
        epoch = state.epoch + 1
        rng = np.random.default_rng([settings.seed, epoch])
        torch.manual_seed(int(rng.integers(2**31)))
        order = rng.permutation(events)
        sums: dict[str, float] = {}
        model.train()
        started = time.perf_counter()
        with tqdm(
            total=len(order) * (1 + settings.negatives), desc=f"epoch {epoch}", unit="row", unit_scale=True,
            disable=None, leave=False, file=sys.stderr,
        ) as bar:  # fmt: skip
            for start in range(0, len(order), histories):
                batch = order[start : start + histories]
                users = sequences.users_of(batch)
                candidates = np.column_stack(
                    [sequences.items[batch], sequences.sample_negatives(users, settings.negatives, rng)]
                )
                losses = _losses(
                    model,
                    torch.from_numpy(sequences.windows(batch, length)).to(device),
                    torch.from_numpy(candidates.astype(np.int64)).to(device),
                )
                optimizer.zero_grad()
                torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_clip)
                optimizer.step()
                for name, value in losses.items():
                    sums[name] = sums.get(name, 0.0) + value.item() * len(batch)
                bar.update(candidates.size)
                bar.set_postfix(loss=f"{sums['bce'] / (start + len(batch)):.4f}", refresh=False)
        seconds = time.perf_counter() - started
        means = {name: total / len(order) for name, total in sums.items()}
        if not math.isfinite(sum(means.values())):
            raise SolidError(
                f"epoch {epoch}: the loss is not a number any more; lower training.learning_rate or fusion.t"
            )
        means |= model.head.figures()
        uauc = value_of(model, View.of(model, dataset, settings.selection), metric("uauc"), _EVALUATION_USERS)
        state.advance(model, optimizer, {"epoch": epoch, **means, state.score: uauc})
        state.rows_per_second = len(order) * (1 + settings.negatives) / seconds
        on_epoch(state)
    model.load_state_dict(state.best_weights)
    model.eval()


def _losses(model: Recommender, histories_BL: Tensor, candidates_BC: Tensor) -> dict[str, Tensor]:
    """Binary cross-entropy over the candidates (column 0 is the positive) and the head's own terms."""
    user = model.encode(histories_BL)
    logits_BC = model.score(user, candidates_BC)
    labels_BC = torch.zeros_like(logits_BC)
    labels_BC[:, 0] = 1.0
    return {"bce": functional.binary_cross_entropy_with_logits(logits_BC, labels_BC), **user.losses}
