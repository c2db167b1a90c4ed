"""Scores many architectures: in this process, in several, or wherever an `Executor` takes them.

Comes in: architectures, and what a score looks at. Goes out: one number each, in the same order and the same to the last bit
wherever it was computed: random weights depend on their names, and torch runs on one thread. That is also why a score that an
earlier stage or another target has already paid for may stand in; see `stages.searching.shared_scores`.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol, TypeVar

from stages.progress import Progress
from stages.scores.subject import Batch, Subject
from stages.searching.shared_scores import SharedScores
from stages.snn.architecture import Architecture
from targets.errors import InternalError
from targets.profile import Profile

#: Fewer architectures than this are scored here: starting processes that import torch takes seconds.
WORTH_PROCESSES = 32
#: So often in a row a pool may break before it is given up.
_MOST_BREAKS = 3
_CHUNK = 4

Shared = TypeVar("Shared")
Item = TypeVar("Item")
Result = TypeVar("Result")


class Executor(Protocol):
    """Where work is done. The work is a function of a module, so that it can be named to another process."""

    def map(self, work: Callable[[Shared, Item], Result], shared: Shared, items: Sequence[Item]) -> Iterator[Result]:
        """`work(shared, item)` of every item, in order. What a lost worker was at is done again."""


@dataclass(frozen=True)
class LocalProcesses:
    """An Executor of this machine."""

    jobs: int

    def map(self, work: Callable[[Shared, Item], Result], shared: Shared, items: Sequence[Item]) -> Iterator[Result]:
        """Processes for the time of this call; a pool that has lost one is replaced and goes on at the first open item."""
        done, breaks = 0, 0
        while done < len(items):
            context = multiprocessing.get_context("spawn")
            try:
                with ProcessPoolExecutor(self.jobs, context, _begin, (work, shared)) as pool:
                    for result in pool.map(_work, items[done:], chunksize=_CHUNK):
                        yield result
                        done, breaks = done + 1, 0
            except BrokenProcessPool as error:
                breaks += 1
                if breaks == _MOST_BREAKS:
                    told = f"worker processes died {breaks} times in a row"
                    raise InternalError(told, "they may lack memory: use fewer jobs") from error


@dataclass(frozen=True)
class Help:
    """What a run may use besides this process."""

    #: Where scores are computed; None for this process.
    executor: Executor | None = None
    #: Scores that are known already.
    scores: SharedScores | None = None


_HELP: ContextVar[Help] = ContextVar("help", default=Help())  # noqa: B039 - frozen


@contextmanager
def helped_by(help_: Help) -> Iterator[None]:
    """Within, all scoring uses it. It changes how long scoring takes and nothing else, hence it is no stage's setting."""
    token = _HELP.set(help_)
    try:
        yield
    finally:
        _HELP.reset(token)


def rate_all(
    architectures: Sequence[Architecture],
    profile: Profile,
    batch: Batch,
    rate: Callable[[Subject], float],
    progress: Progress,
    what: str,
) -> Iterator[float]:
    """Scores one by one, as they become known."""
    help_ = _HELP.get()
    known = help_.scores.of(profile, batch, rate) if help_.scores else None
    missing = [a for a in architectures if known is None or a not in known]
    rates = _rates(missing, _Job(profile, batch, rate), help_.executor)
    open_ = set(missing)
    for done, architecture in enumerate(architectures, start=1):
        if known is None:
            value = next(rates)
        elif architecture in open_:
            open_.discard(architecture)
            value = known.add(architecture, next(rates))
        else:
            value = known[architecture]
        progress(what, done, len(architectures))
        yield value


@dataclass(frozen=True, eq=False)
class _Job:
    profile: Profile
    batch: Batch
    rate: Callable[[Subject], float]


def _rates(architectures: Sequence[Architecture], job: _Job, executor: Executor | None) -> Iterator[float]:
    if executor and len(architectures) >= WORTH_PROCESSES:
        job = replace(job, batch=replace(job.batch, known_rates={}))  # a copy without what this process remembers
        return executor.map(_rated, job, architectures)
    return (_rated(job, architecture) for architecture in architectures)


def _rated(job: _Job, architecture: Architecture) -> float:
    return float(job.rate(Subject(architecture, job.profile, job.batch)))


@lru_cache(maxsize=1)
def _current() -> list[Any]:
    """The work of this worker process, and what it shares."""
    return []


def _begin(work: Callable[[Any, Any], Any], shared: object) -> None:
    _current()[:] = [work, shared]


def _work(item: Any) -> Any:
    work, shared = _current()
    return work(shared, item)
