"""Sizing and scoring of candidates, and their log.

Comes in: architectures. Goes out: candidates with bytes per region, synaptic operations, what keeps them off the target,
and, only for those that fit, a score. The footprint comes from the target's own estimator. Every candidate is one line of the
log, in an order that depends on the seed alone; a killed search reads its scores from there and goes on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from stages.progress import Progress
from stages.scores.catalog import Score
from stages.scores.subject import Batch
from stages.searching.cost import synaptic_operations
from stages.searching.workers import rate_all
from stages.snn.architecture import Architecture, lower
from targets.errors import ConfigurationError, UnsupportedOperationError
from targets.families import family_named
from targets.fit import findings, footprint_fits_every_region
from targets.footprint import Footprint
from targets.network_file import write_atomically
from targets.profile import Profile

_NO_TERMS = Footprint((), "estimated", {})


class Candidate(BaseModel):
    """One architecture that was considered."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    architecture: Architecture
    #: Estimated bytes by memory region; empty where the target cannot run the architecture at all.
    region_bytes: Mapping[str, int]
    #: Upper bound on synaptic operations of one inference.
    synaptic_operations: int
    #: What keeps it off the target, one sentence each; empty if it fits.
    obstacles: tuple[str, ...] = ()
    #: Points by the score in use; None where it was not scored.
    score: float | None = None

    @property
    def fits(self) -> bool:
        """Whether the target can run it within its memory."""
        return not self.obstacles


class Evaluator:
    """Sizes and scores each architecture once."""

    def __init__(self, profile: Profile, batch: Batch, score: Score, *, log: CandidateLog | None = None) -> None:
        self.profile, self.batch, self.score = profile, batch, score
        self.log = log
        self.family = family_named(profile.family)
        self._sized: dict[Architecture, Candidate] = {}
        self._scored: dict[Architecture, Candidate] = {}
        self._operations: dict[Architecture, int] = {}

    def sized(self, architecture: Architecture) -> Candidate:
        """Bytes and operations from shapes alone."""
        known = self._sized.get(architecture)
        if known is None:
            known = self._sized[architecture] = self._size(architecture)
        return known

    def roomy(self, architecture: Architecture) -> bool:
        """Whether it fits with half of every region to spare, so that a few channels more need no estimate of their own."""
        sized, memory = self.sized(architecture), self.profile.memory
        return sized.fits and all(2 * used <= memory[name].available_bytes for name, used in sized.region_bytes.items())

    def operations(self, architecture: Architecture) -> int:
        """Synaptic operations alone, which cost much less to know than bytes."""
        same = architecture.model_copy(update={"weight_bits": 8})  # bits do not change the count
        known = self._operations.get(same)
        if known is None:
            known = self._operations[same] = synaptic_operations(lower(architecture, self.profile))
        return known

    def _size(self, architecture: Architecture) -> Candidate:
        network = lower(architecture, self.profile)
        operations = synaptic_operations(network)
        found = findings(network, self.profile, _NO_TERMS)  # the rules alone, without a footprint
        region_bytes: dict[str, int] = {}
        if not found:
            try:
                footprint = self.family.estimate(network, self.profile)
            except UnsupportedOperationError as error:
                return self._off(architecture, operations, [error.message])
            region_bytes = {region: footprint.region_bytes(region) for region in footprint.regions}
            found = list(footprint_fits_every_region(footprint, self.profile))
        return Candidate(
            architecture=architecture,
            region_bytes=region_bytes,
            synaptic_operations=operations,
            obstacles=tuple(str(finding) for finding in found),
        )

    def _off(self, architecture: Architecture, operations: int, obstacles: list[str]) -> Candidate:
        return Candidate(
            architecture=architecture, region_bytes={}, synaptic_operations=operations, obstacles=tuple(obstacles)
        )

    def rated(self, architectures: Sequence[Architecture], progress: Progress, what: str) -> list[Candidate]:
        """Candidates in the same order; those that fit have a score, the others were refused before they cost one."""
        candidates = [self.sized(architecture) for architecture in dict.fromkeys(architectures)]
        new = [c for c in candidates if c.architecture not in self._scored]
        fitting = [c.architecture for c in new if c.fits]
        known = {a: self.log.known[key_of(a)] for a in fitting if self.log and key_of(a) in self.log.known}
        missing = [a for a in fitting if a not in known]
        rates = rate_all(missing, self.profile, self.batch, self.score.rate, progress, what)
        pending = iter(zip(missing, rates, strict=False))
        for candidate in new:
            value: float | None = None
            if candidate.architecture in known:
                value = known[candidate.architecture]
            elif candidate.fits:
                _, value = next(pending)
            self._enter(candidate, value)
        return [self._scored[architecture] for architecture in architectures]

    def _enter(self, candidate: Candidate, value: float | None) -> None:
        entered = candidate.model_copy(update={"score": value})
        self._scored[candidate.architecture] = entered
        if self.log:
            self.log.append(entered)

    @property
    def candidates(self) -> Sequence[Candidate]:
        """Every distinct candidate that was offered for scoring, in that order; those that do not fit have no score."""
        return list(self._scored.values())

    @property
    def considered(self) -> int:
        """Distinct architectures whose operations or bytes were counted."""
        return len(self._sized.keys() | self._operations.keys())

    @property
    def over_budget(self) -> int:
        """Those of them that the target cannot run or has no room for."""
        return sum(not candidate.fits for candidate in self._sized.values())


def key_of(architecture: Architecture) -> str:
    """One line that names an architecture."""
    return architecture.model_dump_json()


class CandidateLog:
    """JSON lines: first what the scores depend on, then one candidate each."""

    def __init__(self, path: Path, depends_on: Mapping[str, object]) -> None:
        """Continues the log at `path` if it depends on the same things, else starts anew. A torn last line is cut off.

        Raises:
            ConfigurationError: the file cannot be written.
        """
        head = json.dumps(depends_on, sort_keys=True)
        self.path = path
        #: Scores by the key of their architecture.
        self.known: dict[str, float] = {}
        self._logged: set[str] = set()
        try:
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            lines = text[: text.rfind("\n") + 1].splitlines()
            lines = lines if lines and lines[0] == head else [head]
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, ("\n".join(lines) + "\n").encode())
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(
                f"candidate log {path}: {error.strerror}", "name a folder that can be written"
            ) from error
        for line in lines[1:]:
            candidate = Candidate.model_validate_json(line)
            key = key_of(candidate.architecture)
            self._logged.add(key)
            if candidate.score is not None:
                self.known[key] = candidate.score

    def append(self, candidate: Candidate) -> None:
        """Adds one line, at once visible to whoever resumes."""
        key = key_of(candidate.architecture)
        if key not in self._logged:
            self._logged.add(key)
            self._file.write(candidate.model_dump_json() + "\n")
            self._file.flush()

    def close(self) -> None:
        """Ends the log."""
        self._file.close()
