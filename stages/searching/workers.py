"""Scores many architectures, in this process or in several.

Comes in: architectures, and what a score looks at. Goes out: one number each, in the same order and the same to the last bit
for any number of jobs: random weights depend on their names, and torch runs on one thread.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache

from stages.progress import Progress
from stages.scores.subject import Batch, Subject
from stages.snn.architecture import Architecture
from targets.profile import Profile

#: Fewer architectures than this are scored here: starting processes that import torch takes seconds.
WORTH_PROCESSES = 32


def rate_all(
    architectures: Sequence[Architecture],
    profile: Profile,
    batch: Batch,
    rate: Callable[[Subject], float],
    jobs: int,
    progress: Progress,
    what: str,
) -> Iterator[float]:
    """Scores one by one, as they become known."""
    if jobs > 1 and len(architectures) >= WORTH_PROCESSES:
        context = multiprocessing.get_context("spawn")
        job = _Job(profile, replace(batch, known_rates={}), rate)  # a copy without what this process remembers
        with ProcessPoolExecutor(jobs, context, _begin, (job,)) as pool:
            results: Iterator[float] = pool.map(_work, architectures, chunksize=4)
            yield from _counted(results, len(architectures), progress, what)
    else:
        rates = (rate(Subject(architecture, profile, batch)) for architecture in architectures)
        yield from _counted(rates, len(architectures), progress, what)


def _counted(rates: Iterator[float], total: int, progress: Progress, what: str) -> Iterator[float]:
    for done, value in enumerate(rates, start=1):
        progress(what, done, total)
        yield value


@dataclass(frozen=True, eq=False)
class _Job:
    profile: Profile
    batch: Batch
    rate: Callable[[Subject], float]


@lru_cache(maxsize=1)
def _current() -> list[_Job]:
    """The one job of this worker process."""
    return []


def _begin(job: _Job) -> None:
    _current().append(job)


def _work(architecture: Architecture) -> float:
    job = _current()[-1]
    return float(job.rate(Subject(architecture, job.profile, job.batch)))
