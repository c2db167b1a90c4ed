"""The default score: all evidence in points comparable to percent of accuracy, added up.

Comes in: an architecture. Goes out: points; only differences mean something.
"""

from __future__ import annotations

from stages.scores.capacity import capacity
from stages.scores.structure import structure
from stages.scores.subject import Subject


def evidence(subject: Subject) -> float:
    """Structure of the cells plus capacity of what is around them."""
    return structure(subject) + capacity(subject)
