"""What was tried: one file a head, replaced whole after each trial, from which an interrupted search goes on."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import optuna
from optuna.distributions import BaseDistribution

from solid.errors import DataError
from solid.storage.local import read_json, whole_file, write_json
from solid.tuning.space import Values


@dataclass(frozen=True)
class Trial:
    """Settings that were tried, and how good they are.

    Attributes:
        values: a value for each section.key.
        score: the metric on validation; None where the training failed.
        why: it failed.
    """

    values: Values
    score: float | None
    why: str = ""


@dataclass
class Trials:
    """Those of one head.

    Attributes:
        place: the file.
        fingerprint: of data, settings and space; others' trials say nothing of these.
        done: in their order.
        run_id: of the tracked run that the search logs to.
    """

    place: Path
    fingerprint: str
    done: list[Trial]
    run_id: str | None = None

    @classmethod
    def load(cls, place: Path, fingerprint: str) -> Trials:
        """Read what an interrupted search has tried, or begin.

        Raises:
            DataError: the file is of another search.
        """
        if not place.is_file():
            return cls(place, fingerprint, [])
        found = read_json(place)
        if found.get("fingerprint") != fingerprint:
            raise DataError(
                f"{place}: made with other data, settings or another space; remove {place.parent.parent}, "
                "or name another --work"
            )
        return cls(place, fingerprint, [Trial(**trial) for trial in found["trials"]], found["run_id"])

    def add(self, trial: Trial) -> None:
        """Keep it."""
        self.done.append(trial)
        content = {
            "fingerprint": self.fingerprint, "run_id": self.run_id, "trials": [asdict(trial) for trial in self.done],
        }  # fmt: skip
        with whole_file(self.place) as partial:
            write_json(partial, content)

    @property
    def best(self) -> int | None:
        """Which of them is best, the first of equals; None where all failed."""
        scores = [(trial.score, -number) for number, trial in enumerate(self.done) if trial.score is not None]
        return -max(scores)[1] if scores else None

    def is_better(self, trial: Trial) -> bool:
        """Whether it is better than all that are done."""
        best = None if self.best is None else self.done[self.best].score
        return trial.score is not None and (best is None or trial.score > best)

    def propose(self, space: Mapping[str, BaseDistribution], seed: int, first: Values) -> Values:
        """What to try next: what the settings say, then what the tree-structured Parzen estimator makes of those done.

        It depends on the seed and on what was tried alone, so an interrupted search tries the same as another.
        (Bergstra, Bardenet, Bengio, Kégl, "Algorithms for hyper-parameter optimization", NeurIPS 2011.)
        """
        if not self.done:
            return first
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.TPESampler(seed=(seed + len(self.done)) % 2**32, n_startup_trials=5)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        for trial in self.done:
            state = optuna.trial.TrialState.FAIL if trial.score is None else optuna.trial.TrialState.COMPLETE
            with suppress(ValueError):  # the settings' own values may lie outside of the space
                study.add_trial(
                    optuna.trial.create_trial(
                        params=trial.values, distributions=dict(space), value=trial.score, state=state
                    )
                )
        values: Values = study.ask(dict(space)).params
        return values
