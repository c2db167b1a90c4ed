"""How one target of a regeneration ended, and which exit code stands for many.

Comes in: events of a worker. Goes out: frozen records that the table, JUnit and Markdown are written from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.report.contract import Report
from pipeline.request import Request

#: Exit codes from best to worst: a missing tool says the least about the model, a fault of spikeport's own the most.
_SEVERITY = (0, 5, 2, 3, 4, 1)
Key = tuple[str, str]
FIRST_RUN = "there is no earlier result"


@dataclass(frozen=True)
class Redone:
    """A stage that ran, and why."""

    stage: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """One target on one dataset."""

    #: Name of the profile; what was asked for where no profile could be read.
    target: str
    dataset: str
    #: BUILD/TARGET/DATASET.
    folder: Path
    exit_code: int
    #: What went wrong, and what to do about it; empty where nothing did.
    error: str = ""
    hint: str = ""
    #: Stages that ran, in order; empty if nothing had changed.
    redone: tuple[Redone, ...] = ()
    #: Wall-clock time.
    seconds: float = 0.0
    #: None where the chain did not come to its end.
    report: Report | None = None

    @property
    def name(self) -> str:
        """Target and dataset, as people are told."""
        return f"{self.target} · {self.dataset}"

    @property
    def verdict(self) -> str:
        """A word or two."""
        if self.exit_code == 0:
            return "fits and verified"
        if self.report is not None:
            return "does not fit" if not self.report.fits else "not verified"
        return {2: "bad input", 3: "does not fit", 4: "not verified", 5: "a tool is missing"}.get(
            self.exit_code, "failed"
        )

    def done(self) -> str:
        """What was done, in a few words."""
        if not self.redone:
            return "nothing had changed" if self.report else ""
        stages = ", ".join(each.stage for each in self.redone)
        causes = list(dict.fromkeys(reason for each in self.redone for reason in each.reasons if reason != FIRST_RUN))
        if not causes:
            return f"made {stages}"
        more = f" and {len(causes) - 1} more" if len(causes) > 1 else ""
        return f"made {stages} anew: {causes[0]}{more}"


def key(request: Request) -> Key:
    """What tells one request of a regeneration from the others: target and dataset as they were asked for."""
    return request.target, request.dataset


def worst(codes: Iterable[int]) -> int:
    """The exit code that stands for all; an unknown one, such as that of a signal, counts as an internal error."""
    known = (code if code in _SEVERITY else 1 for code in codes)
    return max(known, key=_SEVERITY.index, default=0)
