"""Work beyond one machine: an `Executor` on a running Ray cluster.

Comes in: the cluster's address. Goes out: scores of candidates and of an analysis' repetitions, and whole targets, computed on
its nodes and equal to those computed here, because the same functions run there on the same code; nodes with other code are
refused. Ray does again what a lost worker was at. It moves arguments and results between our own processes by pickle; nothing
that a user hands over is ever unpickled.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

from pipeline.sources import closure
from targets.errors import ConfigurationError, ToolMissingError

#: Items of one task: large enough to hide its overhead, small enough to be lost.
CHUNK = 8
#: So often Ray begins a task again whose worker or node was lost.
RETRIES = 5

Shared = TypeVar("Shared")
Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def cluster(address: str) -> Iterator[RayExecutor]:
    """The cluster at an address (`auto`, or HOST:PORT), left again at the end.

    Raises:
        ToolMissingError: Ray is not installed.
        ConfigurationError: no cluster answers there.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray = importlib.import_module("ray")
    except ImportError as error:
        hint = "pip install -c constraints.txt 'spikeport[ray]', here and on every node"
        raise ToolMissingError("--ray needs Ray, which is not installed", hint) from error
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", configure_logging=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        hint = "start one with `ray start --head`, and give the address that it prints"
        raise ConfigurationError(
            f"--ray {address}: no Ray cluster answers there ({_first_line(error)})", hint
        ) from error
    try:
        yield RayExecutor(ray)
    finally:
        ray.shutdown()


class RayExecutor:
    """A `stages.searching.workers.Executor` on the cluster that this process is connected with."""

    def __init__(self, ray: Any, chunk: int = CHUNK) -> None:
        self.ray, self.chunk = ray, chunk

    def map(self, work: Callable[[Shared, Item], Result], shared: Shared, items: Sequence[Item]) -> Iterator[Result]:
        """Results in order, computed wherever there is a free core.

        Raises:
            ConfigurationError: a node runs other code than this process.
        """
        reference = self.ray.put(shared)
        task = self.ray.remote(num_cpus=1, max_retries=RETRIES)(_on_a_node)
        chunks = [list(items[first : first + self.chunk]) for first in range(0, len(items), self.chunk)]
        open_ = [task.remote(code_hash(), work, [reference], chunk) for chunk in chunks]
        try:
            while open_:
                found = self.ray.get(open_[0])
                if isinstance(found, str):
                    raise ConfigurationError(found, "install the same version of spikeport on every node")
                open_.pop(0)
                yield from found
        finally:
            for each in open_:
                self.ray.cancel(each)


def _on_a_node(
    code: str, work: Callable[[Any, Any], Any], reference: list[Any], items: Sequence[Any]
) -> list[Any] | str:
    """One task, in a worker process of Ray; a sentence in the place of results where they could differ from the driver's."""
    if code != code_hash():
        return f"the node {os.uname().nodename} runs other code, or other versions of the libraries, than this process"
    shared = _fetched(reference[0])
    return [work(shared, item) for item in items]


_SHARED: dict[str, Any] = {}


def _fetched(reference: Any) -> Any:
    """What tasks share, fetched once per process rather than once per task."""
    name = reference.hex()
    if name not in _SHARED:
        _SHARED.clear()
        _SHARED[name] = importlib.import_module("ray").get(reference)
    return _SHARED[name]


@cache
def code_hash() -> str:
    """One hash over the code that scores and over the versions of the libraries it uses."""
    code = closure(("stages.searching.workers", "stages.scores.catalog"))
    return hashlib.sha256(json.dumps([dict(code.files), code.tools()], sort_keys=True).encode()).hexdigest()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
