"""Makes targets on the nodes of a Ray cluster: the same worker processes as here, each started by a task on some node.

Comes in: requests. Goes out: the last event of each, as from `pipeline.regeneration.fleet.Fleet`. Run folders are files, so every
node must see the working directory and the dataset under the same paths, as clusters with a shared file system do; a node that
does not is told apart from a failure of the target. A lost task begins again and goes on from what its stages have finished.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path

from pipeline.cluster import RETRIES, RayExecutor, code_hash
from pipeline.failures import from_system
from pipeline.regeneration.events import Event
from pipeline.regeneration.fleet import Fleet, Listener
from pipeline.regeneration.worker import REQUEST
from pipeline.request import Request


class ClusterFleet:
    """As many targets at a time as the cluster has free cores."""

    def __init__(self, executor: RayExecutor) -> None:
        self.ray = executor.ray

    def run(self, requests: Sequence[Request], listen: Listener) -> Generator[tuple[Request, Event]]:
        """Yields each request with its last event; what happened before is told when the target has ended."""
        task = self.ray.remote(num_cpus=1, max_retries=RETRIES)(_make)
        here = str(Path.cwd())
        waiting = {task.remote(code_hash(), here, REQUEST.dump_json(request)): request for request in requests}
        try:
            while waiting:
                (ended, *_), _ = self.ray.wait(list(waiting), num_returns=1)
                *before, last = self._events(ended)
                request = waiting.pop(ended)
                for event in before:
                    listen(request, event)
                yield request, last
        finally:
            for each in waiting:
                self.ray.cancel(each)

    def _events(self, ended: object) -> list[Event]:
        try:
            return [Event.model_validate_json(line) for line in self.ray.get(ended)]
        except self.ray.exceptions.RayError as error:
            text = f"its task was lost {RETRIES + 1} times: {str(error).strip().splitlines()[0]}"
            return [Event(kind="ended", code=1, text=text, hint="the same command goes on from where it was")]


def _make(code: str, folder: str, asked: bytes) -> list[bytes]:
    """One target in a task of Ray: the lines of its events, without those of mere progress."""
    refused = _refusal(code, folder)
    if refused is not None:
        return [refused.line()]
    os.chdir(folder)
    events: list[Event] = []
    with closing(Fleet(1).run([REQUEST.validate_json(asked)], lambda _, event: events.append(event))) as running:
        events += [last for _, last in running]
    return [event.line() for event in events if event.kind != "progress"]


def _refusal(code: str, folder: str) -> Event | None:
    """Why this node cannot do it."""
    node = os.uname().nodename
    if code != code_hash():
        text = f"the node {node} runs other code, or other versions of the libraries"
        return Event(kind="ended", code=2, text=text, hint="install the same version of spikeport on every node")
    try:
        next(Path(folder).iterdir(), None)
    except OSError as error:
        told = from_system(error)
        text = told.message if told else f"{folder}: not on the node {node}"
        return Event(
            kind="ended", code=2, text=text, hint="give all nodes the working directory, on a shared file system"
        )
    return None
