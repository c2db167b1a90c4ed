"""Verdicts, causes in a few words, and which exit code stands for many."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.regeneration.outcome import FIRST_RUN, Outcome, Redone, worst


@pytest.mark.parametrize(
    ("codes", "expected"),
    [([], 0), ([0, 0], 0), ([0, 3], 3), ([5, 2], 2), ([4, 3, 2], 4), ([4, 1, 3], 1), ([0, 143], 1)],
)
def test_the_worst_code_stands_for_all(codes: list[int], expected: int) -> None:
    assert worst(codes) == expected


def test_what_was_done_names_the_first_cause() -> None:
    redone = (Redone("export", ("source changed",)), Redone("verify", ("source changed", "results changed")))
    done = Outcome("board", "digits", Path(), 0, redone=redone).done()
    assert done == "made export, verify anew: source changed and 1 more"
    first = Outcome("board", "digits", Path(), 0, redone=(Redone("analyze", (FIRST_RUN,)),))
    assert first.done() == "made analyze"
