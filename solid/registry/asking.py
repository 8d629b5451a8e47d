"""A question to a model, a history in original ids with what is wanted, and its answer: the same whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from solid.registry.catalogue import Catalogue, Ints


@dataclass(frozen=True)
class Question:
    """What somebody did, and which items may be recommended.

    Attributes:
        history: original ids, oldest first and of any length; the last ones that the model knows count.
        k: how many items.
        exclude_seen: whether items of the history are left out.
        exclude: original ids of further items to leave out.
        categories: items of these alone; None: of any.
    """

    history: Sequence[str]
    k: int = 10
    exclude_seen: bool = True
    exclude: Sequence[str] = ()
    categories: Sequence[str] | None = None


@dataclass(frozen=True)
class Answer:
    """The best items, best first; fewer than were asked for where no more are left.

    Attributes:
        items: original ids.
        titles: "" where unknown.
        scores: logits; logarithms of shares of all interactions where it is cold.
        unknown: ids of the history that the model does not know, as often as they stand there.
        cold: whether the history has no item that the model knows, so that this is what is popular.
    """

    items: list[str]
    titles: list[str]
    scores: list[float]
    unknown: list[str]
    cold: bool


def answer(catalogue: Catalogue, questions: Sequence[Question]) -> list[Answer]:
    """Answer all questions at once; an answer does not depend on what else is asked."""
    if not questions:
        return []
    given = [catalogue.numbers(question.history) for question in questions]
    ends = np.cumsum([len(numbers) for numbers in given])
    starts = np.append(0, ends[:-1])
    seen_too = [numbers if question.exclude_seen else _NONE for question, numbers in zip(questions, given, strict=True)]
    omitted = [
        np.concatenate([seen, *_omitted(catalogue, question)])
        for question, seen in zip(questions, seen_too, strict=True)
    ]
    owners = np.repeat(np.arange(len(questions)), [len(numbers) for numbers in omitted])
    k = max(question.k for question in questions)
    top = catalogue.top(np.concatenate(given), starts, ends, k, omit=(owners, np.concatenate(omitted)))
    ids, titles, left = catalogue.ids[top.rows], catalogue.titles[top.rows], top.left
    answers = []
    for row, (question, numbers) in enumerate(zip(questions, given, strict=True)):
        n = min(question.k, int(left[row]))
        answers.append(
            Answer(
                ids[row, :n].tolist(),
                titles[row, :n].tolist(),
                top.scores[row, :n].tolist(),
                [question.history[place] for place in np.flatnonzero(numbers == 0).tolist()],
                bool(top.cold[row]),
            )
        )
    return answers


_NONE = np.zeros(0, dtype=np.int64)


def _omitted(catalogue: Catalogue, question: Question) -> list[Ints]:
    """Numbers of items that the question rules out, whatever was seen; 0 for those that the model does not know."""
    omitted = [catalogue.numbers(question.exclude)] if question.exclude else []
    if question.categories is not None:
        omitted.append(catalogue.outside(question.categories))
    return omitted
