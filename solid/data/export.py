"""The layout of the released data, for tools that read it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from solid.console import say
from solid.data.dataset import Dataset, read_classes
from solid.data.sequences import Ints
from solid.errors import DataError
from solid.settings.schema import ModelSettings
from solid.storage.local import read_json, whole_folder

LENGTH = 10  # the released files have no other
ROWS_AT_ONCE = 200_000
COLUMNS = pa.schema(
    [
        ("user", pa.int64()),
        ("target", pa.string()),
        ("trigger", pa.string()),
        ("click", pa.string()),
        ("label", pa.int8()),
    ]
)
LAYOUT = csv.WriteOptions(include_header=False, delimiter=";", quoting_style="none")
BACKBONE = ModelSettings().backbone


def export(prepared: Path, semantics: tuple[Path, ...], out: Path, negatives: int, seed: int) -> None:
    """Write train.txt and test.txt of the items, and of the classes of each semantic table.

    ::

        out/id/train.txt                     items
        out/<modality>/<backbone>/train.txt  the same rows with classes in the place of items

    A row is ``user;target;trigger_seq;click_seq;label``: users from 0, items and classes from 1, ``click_seq`` the ten
    items before the target and ``trigger_seq`` the ten before the event before it, oldest first and right-padded with
    0. A target is followed by its negatives with label 0. Training targets are a user's second event up to the last
    but one, for this layout has no validation set; test targets are the last events with their stored candidates.

    Args:
        prepared: output of prepare.
        semantics: outputs of assign.
        out: folder to write.
        negatives: negatives a training target, drawn once.
        seed: seed of these draws.

    Raises:
        DataError: a semantic table does not fit the prepared data, or two have the same modality.
    """
    dataset = Dataset.load(prepared)
    words = {"id": pa.array(range(dataset.n_items + 1)).cast(pa.string())}
    for folder in semantics:
        place = f"{read_json(folder / 'quality.json')['modality']}/{BACKBONE}"
        if place in words:
            raise DataError(f"{folder}: a second table of the modality {place.split('/')[0]}; export them one by one")
        words[place] = pa.array(read_classes(folder, dataset.n_items, dataset.stats["digest"])[:, 0]).cast(pa.string())
    with whole_folder(out, holds="id/train.txt") as partial:
        for place in words:
            (partial / place).mkdir(parents=True, exist_ok=True)
        for file, groups in (("train.txt", _train(dataset, negatives, seed)), ("test.txt", _test(dataset))):
            with ExitStack() as stack:
                writers = {
                    place: stack.enter_context(csv.CSVWriter(partial / place / file, COLUMNS, write_options=LAYOUT))
                    for place in words
                }
                for group in groups:
                    for place, writer in writers.items():
                        writer.write_table(group.rows(words[place]))
    say(f"{out}: train.txt and test.txt written in {', '.join(words)}")


@dataclass(frozen=True)
class _Groups:
    """Targets with what else stands in their rows: users [B], items [B, 1 + n] (positive first), windows [B, 10]."""

    users: Ints
    items: Ints
    trigger: Ints
    click: Ints

    def rows(self, words: pa.Array) -> pa.Table:
        """The rows of these targets, B (1 + n), where item i reads ``words[i]``."""
        size = self.items.shape[1]
        group = pa.array(np.repeat(np.arange(len(self.users)), size))
        labels = np.tile(np.arange(size) == 0, len(self.users)).astype(np.int8)
        return pa.table(
            [
                pa.array(self.users).take(group),
                words.take(pa.array(self.items.ravel())),
                _joined(words, self.trigger).take(group),
                _joined(words, self.click).take(group),
                pa.array(labels),
            ],
            schema=COLUMNS,
        )


def _joined(words: pa.Array, windows: Ints) -> pa.Array:
    return pc.binary_join_element_wise(*(words.take(pa.array(column)) for column in windows.T), ",")


def _train(dataset: Dataset, negatives: int, seed: int) -> Iterator[_Groups]:
    sequences, rng = dataset.sequences, np.random.default_rng(seed)
    untouched = sequences.untouched()
    targets = np.sort(np.concatenate([sequences.targets("train"), sequences.targets("valid")]))
    for events in _batches(targets, 1 + negatives):
        yield _groups(dataset, events, untouched.sample(sequences.users_of(events), negatives, rng))


def _test(dataset: Dataset) -> Iterator[_Groups]:
    candidates = dataset.candidates["test"]
    for events in _batches(dataset.sequences.targets("test"), 1 + candidates.shape[1]):
        yield _groups(dataset, events, candidates[dataset.sequences.users_of(events)].astype(np.int64))


def _batches(events: Ints, rows_each: int) -> Iterator[Ints]:
    size = max(1, ROWS_AT_ONCE // rows_each)
    return (events[start : start + size] for start in range(0, len(events), size))


def _groups(dataset: Dataset, events: Ints, negatives: Ints) -> _Groups:
    sequences = dataset.sequences
    return _Groups(
        users=sequences.users_of(events),
        items=np.column_stack([sequences.items[events], negatives]).astype(np.int64),
        trigger=sequences.windows(events - 1, LENGTH),
        click=sequences.windows(events, LENGTH),
    )
