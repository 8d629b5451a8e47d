"""Runs the jobs that are missing: in parallel, each after those it needs; a failure stops only what depends on it."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

from solid.compare.jobs import Job
from solid.compare.view import View
from solid.compare.worker import Order, run, start
from solid.console import say
from solid.errors import SolidError

_TICK = 0.5  # seconds between two looks at what runs
# Workers fork from one process that has imported what takes seconds; of PyTorch the last, which an optimiser imports.
_WORKERS = multiprocessing.get_context("forkserver")
_PRELOADED = ["solid.training", "solid.evaluation.score", "torch._inductor.config"]  # one that is not there is no error
_WORKERS.set_forkserver_preload(_PRELOADED)


def run_jobs(jobs: Mapping[str, Job], work: Path, lanes: int) -> dict[str, str]:
    """Run the jobs whose folder below ``work`` is missing.

    Stopped by a signal, or killed, it leaves finished folders, and trainings that go on from their last epoch.

    Args:
        jobs: by digest, each after those that it needs.
        work: folder of outputs and logs; no other run uses it at the same time.
        lanes: how many jobs at once.

    Returns:
        Digest -> why the job failed or was skipped.

    Raises:
        SolidError: another run uses ``work``.
    """
    work.mkdir(parents=True, exist_ok=True)
    with _alone(work):
        missing = {digest: job for digest, job in jobs.items() if not (work / job.folder).is_dir()}
        if not missing:
            return {}
        with View(missing.values(), len(jobs), lanes) as view:
            return _Run(missing, work, view).all(lanes)


@contextmanager
def _alone(work: Path) -> Iterator[None]:
    """Hold the work folder; the system lets go of it when the process ends, however it ends."""
    with (work / ".lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise SolidError(
                f"{work}: in use by process {file.read().strip()}; wait for it, or choose another --work"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


class _Run:
    def __init__(self, missing: dict[str, Job], work: Path, view: View) -> None:
        self.waiting = dict(missing)
        self.unfinished = set(missing)
        self.failures: dict[str, str] = {}
        self.work, self.view = work, view

    def all(self, lanes: int) -> dict[str, str]:
        """Run everything; stop the workers on the way out, whatever the reason."""
        free = [_pool() for _ in range(lanes)]  # a process each: one that dies takes no other job along
        busy: dict[Future[str | None], tuple[Job, ProcessPoolExecutor]] = {}
        try:
            while True:
                while free and (job := self._next()):
                    pool = free.pop()
                    self.view.begins(job, _log(self.work, job))
                    busy[pool.submit(run, _order(self.work, job))] = job, pool
                if not busy:
                    return self.failures
                done, _ = wait(busy, timeout=_TICK, return_when=FIRST_COMPLETED)
                self.view.tick()
                for future in done:
                    job, pool = busy.pop(future)
                    try:
                        failure = future.result()
                    except BrokenProcessPool:
                        failure = "its process died; was there enough memory?"
                        pool.shutdown()
                        pool = _pool()
                    free.append(pool)
                    self._ends(job, failure)
        except BaseException:
            self.view.close()
            say("stopping; the same command goes on from here")
            raise
        finally:
            for process in multiprocessing.active_children():
                process.terminate()
            for pool in [*free, *(pool for _, pool in busy.values())]:
                pool.shutdown(cancel_futures=True)

    def _next(self) -> Job | None:
        """The first job that lacks nothing."""
        for digest, job in self.waiting.items():
            if not any(need.digest in self.unfinished for need in job.needs):
                return self.waiting.pop(digest)
        return None

    def _ends(self, job: Job, failure: str | None) -> None:
        if failure is None:
            self.unfinished.remove(job.digest)
            self.view.ends(job)
            return
        self.failures[job.digest] = failure
        lost = [other for other in self.waiting.values() if self._is_lost(other)]
        for other in lost:
            del self.waiting[other.digest]
            self.failures[other.digest] = f"skipped, for {job.name} failed"
        self.view.fails(job, failure, lost)

    def _is_lost(self, job: Job) -> bool:
        return any(need.digest in self.failures or self._is_lost(need) for need in job.needs)


def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=_WORKERS, initializer=start)


def _order(work: Path, job: Job) -> Order:
    folders = {name: work / need.folder if need else None for name, need in job.inputs.items()}
    parts = {"parts": {name: work / part.folder for name, part in job.parts.items()}} if job.parts else {}
    return Order(job.step, work / job.folder, _log(work, job), job.settings, {**folders, **parts, **job.options})


def _log(work: Path, job: Job) -> Path:
    return work / "logs" / f"{job.step}-{job.folder.name}.log"
