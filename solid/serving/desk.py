"""Where requests wait for the model: a bounded queue, whose requests are answered together where several have gathered.

A model answers a few questions in a millisecond or two, in the thread that reads requests, too: handing them to another
thread and back takes as long again, for only one of them runs at a time. What takes longer has a thread of its own, so
that probes are answered meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from solid.registry.asking import Answer, Question, answer
from solid.registry.explaining import Reason, explain
from solid.registry.loading import Loaded
from solid.serving.following import Follower
from solid.serving.limits import Limits
from solid.serving.metrics import Metrics
from solid.serving.refusals import Refusal

T = TypeVar("T")
_AT_ONCE = 32  # questions of several requests that are answered together
_FEW = 8  # questions that may be answered between two readings of requests
_QUICK = 0.005  # seconds that this may take


@dataclass(frozen=True)
class _Job:
    questions: Sequence[Question]
    work: Callable[[Loaded], Any] | None
    done: asyncio.Future[Any]


class Desk:
    """Gives work to the model, and never more than it can hold."""

    def __init__(self, follower: Follower, limits: Limits, metrics: Metrics) -> None:
        self._follower, self._limits, self._metrics = follower, limits, metrics
        self._jobs: deque[_Job] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._busy: asyncio.Task[None] | None = None
        self._took = float("inf")  # by the last that were few

    async def ask(self, questions: Sequence[Question]) -> tuple[Loaded, list[Answer]]:
        """Answer questions, all by the same version, which is said.

        Raises:
            Refusal: too many are waiting (429), or it takes too long (503).
        """
        loaded, answers = await self._wait(questions, None)
        self._count(answers)
        return loaded, answers

    async def explain(self, question: Question) -> tuple[Loaded, list[Answer], list[list[Reason]]]:
        """Answer a question and say why; otherwise like :meth:`ask`."""

        def both(loaded: Loaded) -> tuple[list[Answer], list[list[Reason]]]:
            [one] = answer(loaded.catalogue, [question])
            return [one], explain(loaded.catalogue, question.history, one.items)

        loaded, (answers, reasons) = await self.do(both)
        self._count(answers)
        return loaded, answers, reasons

    async def do(self, work: Callable[[Loaded], T]) -> tuple[Loaded, T]:
        """Do other work with the model; otherwise like :meth:`ask`."""
        loaded, result = await self._wait((), work)
        return loaded, result

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=False)

    def _count(self, answers: list[Answer]) -> None:
        self._metrics.histories.inc(len(answers))
        self._metrics.unknown.inc(sum(bool(one.unknown) for one in answers))
        self._metrics.cold.inc(sum(one.cold for one in answers))

    async def _wait(self, questions: Sequence[Question], work: Callable[[Loaded], Any] | None) -> tuple[Loaded, Any]:
        if len(self._jobs) >= self._limits.waiting:
            raise Refusal(429, f"{len(self._jobs)} requests are waiting already; try again", retry_after=1)
        job = _Job(questions, work, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self._metrics.waiting.set(len(self._jobs))
        if self._busy is None:
            self._busy = asyncio.create_task(self._work())
        try:
            found: tuple[Loaded, Any] = await asyncio.wait_for(job.done, self._limits.seconds)
        except TimeoutError:
            raise Refusal(503, f"not answered within {self._limits.seconds:g} s; try again", retry_after=1) from None
        return found

    async def _work(self) -> None:
        """Answer until nobody waits. While some are answered, others gather and are answered together."""
        loop = asyncio.get_running_loop()
        while jobs := self._gathered():
            few = jobs[0].work is None and sum(len(job.questions) for job in jobs) <= _FEW
            at_once = few and self._took < _QUICK
            began = time.perf_counter()
            try:
                if at_once:
                    results = _answer(self._follower.current, jobs)
                else:
                    results = await loop.run_in_executor(self._thread, _answer, self._follower.current, jobs)
            except Exception as error:
                results = [error] * len(jobs)
            if few:
                self._took = time.perf_counter() - began
            for job, result in zip(jobs, results, strict=True):
                if job.done.done():  # nobody waits any more
                    continue
                if isinstance(result, Exception):
                    job.done.set_exception(result)
                else:
                    job.done.set_result(result)
            if at_once:
                await asyncio.sleep(0)  # for answers to go out, and others to come in
        self._busy = None  # nothing was awaited since the queue was found empty, so nobody can have joined it

    def _gathered(self) -> list[_Job]:
        """The next jobs that nobody has given up: one of any kind, or some with few questions each."""
        jobs: list[_Job] = []
        size = 0
        while self._jobs:
            job = self._jobs[0]
            alone = job.work is not None
            if jobs and (alone or size + len(job.questions) > _AT_ONCE):
                break
            self._jobs.popleft()
            if job.done.done():
                continue
            jobs.append(job)
            size += len(job.questions)
            if alone:
                break
        self._metrics.waiting.set(len(self._jobs))
        return jobs


def _answer(loaded: Loaded, jobs: list[_Job]) -> list[Any]:
    """Results of jobs, in the thread of the model."""
    if jobs[0].work is not None:
        return [(loaded, jobs[0].work(loaded))]
    answers = answer(loaded.catalogue, [question for job in jobs for question in job.questions])
    results, place = [], 0
    for job in jobs:
        results.append((loaded, answers[place : place + len(job.questions)]))
        place += len(job.questions)
    return results
