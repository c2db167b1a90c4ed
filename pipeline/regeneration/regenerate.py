"""Makes every asked target on every asked dataset, and tells how each of them ended.

Comes in: requests. Goes out: outcomes in the order of the requests. What has not changed is found out here, in one process and
in moments; the rest is made by workers in parallel.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.chain import Job
from pipeline.cluster import cluster
from pipeline.deploy import unchanged
from pipeline.regeneration.cluster_fleet import ClusterFleet
from pipeline.regeneration.events import Event
from pipeline.regeneration.fleet import Fleet
from pipeline.regeneration.outcome import Key, Outcome, Redone, key
from pipeline.regeneration.view import View
from pipeline.report import files
from pipeline.report.assemble import assemble
from pipeline.request import Request
from targets.errors import ConfigurationError, SpikeportError


@dataclass
class _Record:
    """What is known about one request so far."""

    began: float
    redone: list[Redone] = field(default_factory=list)


class Regeneration:
    """One call of `spikeport regenerate`."""

    def __init__(self, requests: Sequence[Request], view: View) -> None:
        """Raises:
        ConfigurationError: two requests would share a run folder.
        """
        self.requests, self.view = requests, view
        _require_distinct(requests)
        self._outcomes: dict[Key, Outcome] = {}
        self._records: dict[Key, _Record] = {}

    def run(self, jobs: int, ray: str | None = None) -> list[Outcome]:
        """All outcomes; one target's failure does not stop the others. On the cluster at `ray`, if one is named."""
        waiting = [request for request in self.requests if not self._settled(request)]
        if waiting and ray is not None:
            with cluster(ray) as executor:
                self._make(ClusterFleet(executor), waiting)
        elif waiting:
            self._make(Fleet(min(jobs, len(waiting))), waiting)
        return [self._outcomes[key(request)] for request in self.requests]

    def _make(self, fleet: Fleet | ClusterFleet, waiting: Sequence[Request]) -> None:
        with closing(fleet.run(waiting, self._listen)) as ended:
            for request, last in ended:
                self._end(request, self._of_worker(request, last))

    def _settled(self, request: Request) -> bool:
        """Whether there is nothing to make: all is kept, or the request cannot be used."""
        record = self._records[key(request)] = _Record(time.monotonic())
        try:
            job = Job.of(request)
            manifests = unchanged(job)
            if manifests is None:
                return False
            report = assemble(job, manifests)
            files.write(job.folder.path, report)
            seconds = time.monotonic() - record.began
            outcome = Outcome(report.target, report.dataset, job.folder.path, 0, seconds=seconds, report=report)
        except SpikeportError as error:
            outcome = self._outcome(request, error.exit_code, error.message, error.hint)
        self._end(request, outcome)
        return True

    def _listen(self, request: Request, event: Event) -> None:
        if event.kind == "started":
            self._records[key(request)].redone.append(Redone(event.stage, event.reasons))
        self.view.listen(request, event)

    def _of_worker(self, request: Request, last: Event) -> Outcome:
        outcome = self._outcome(request, last.code, last.text, last.hint)
        return replace(outcome, report=files.read(outcome.folder)) if last.reported else outcome

    def _outcome(self, request: Request, code: int, message: str, hint: str) -> Outcome:
        record, name = self._records[key(request)], profile_name(request)
        folder = request.build / name / request.dataset
        seconds = time.monotonic() - record.began
        return Outcome(name, request.dataset, folder, code, message, hint, tuple(record.redone), seconds)

    def _end(self, request: Request, outcome: Outcome) -> None:
        self._outcomes[key(request)] = outcome
        self.view.ended(request, outcome)


def profile_name(request: Request) -> str:
    """The name of the asked profile, whether or not it can be read."""
    return Path(request.target).stem if request.target.endswith(".toml") else request.target


def _require_distinct(requests: Sequence[Request]) -> None:
    counted = Counter((profile_name(request), request.dataset) for request in requests)
    problems = [f"{name} on {dataset} is asked for {n} times" for (name, dataset), n in counted.items() if n > 1]
    if problems:
        hint = "name each target and dataset once; profiles of the same file name would share a folder"
        raise ConfigurationError.from_problems("targets", problems, hint)
