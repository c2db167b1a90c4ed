"""The scores that `--score` names. Comes in: a name. Goes out: a function from a Subject to a number; higher is better."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass

from stages.scores.evidence import evidence
from stages.scores.hamming import sahd
from stages.scores.paths import conv_count, longest_path
from stages.scores.structure import structure
from stages.scores.subject import Subject
from targets.errors import ConfigurationError


@dataclass(frozen=True)
class Score:
    """A training-free score by name."""

    name: str
    summary: str
    rate: Callable[[Subject], float]
    #: Whether it grows with width and bits; a score of cells alone leaves them to the `capacity` of the default.
    sees_capacity: bool = False


SCORES = (
    Score("evidence", "structure, spikes and capacity in points of accuracy (default)", evidence, sees_capacity=True),
    Score("structure", "depth with diminishing returns and thresholds, from the graph alone", structure),
    Score("sahd", "sparsity-aware Hamming distance, as in SNASNet and SpikeNAS", sahd),
    Score("longest_path", "most convolutions on one path", longest_path),
    Score("conv_count", "number of convolutions on any path", conv_count),
)


def score_named(name: str) -> Score:
    """The score of that name.

    Raises:
        ConfigurationError: there is none (with the nearest names).
    """
    for score in SCORES:
        if score.name == name:
            return score
    near = difflib.get_close_matches(name, [score.name for score in SCORES], n=2, cutoff=0.4)
    known = ", ".join(score.name for score in SCORES)
    raise ConfigurationError(f"unknown score {name!r}", f"did you mean {' or '.join(near)}?" if near else known)
