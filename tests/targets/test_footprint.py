"""Footprints: what is live together adds up, and a comparison can fail."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.errors import FootprintError
from targets.footprint import Footprint, Term, Tolerance, compare, describe

TOLERANCE = {"default": Tolerance(relative_high=0.03, relative_low=0.01), "code": Tolerance(absolute_low=16)}


def footprint(**sizes: int) -> Footprint:
    return Footprint(tuple(Term(name, "ram", size) for name, size in sizes.items()), "estimated", {})


def test_moments_do_not_add_up_but_what_is_resident_does() -> None:
    terms = (
        Term("weights", "ram", 100),
        Term("load", "ram", 50, "load"),
        Term("run", "ram", 30, "run"),
        Term("x", "flash", 7),
    )
    whole = Footprint(terms, "estimated", {})
    assert whole.regions == ("ram", "flash")
    assert (whole.region_bytes("ram"), whole.region_bytes("flash")) == (150, 7)


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_the_unsafe_side_is_held_tighter(estimated: int, measured: int) -> None:
    difference = (estimated - measured) / measured
    assert TOLERANCE["default"].allows(estimated, measured) == (-0.01 <= difference <= 0.03)


def test_terms_are_compared_one_by_one() -> None:
    good, bad = compare(footprint(weights=1000, code=100), footprint(weights=980, code=120), TOLERANCE)
    assert (good.ok, bad.ok) == (True, False)
    assert describe(bad) == "code (ram): estimated 100 B, measured 120 B, -20 B (-16.67%)"


@pytest.mark.parametrize(
    ("estimated", "measured", "sentence"),
    [
        (footprint(weights=1), footprint(weights=1, code=1), "only measured"),
        (footprint(weights=1, code=1), footprint(weights=1), "only estimated"),
        (footprint(weights=0), footprint(weights=0), "estimated as 0"),
        (footprint(), footprint(), "no terms"),
    ],
)
def test_what_compares_nothing_is_an_error(estimated: Footprint, measured: Footprint, sentence: str) -> None:
    with pytest.raises(FootprintError, match=sentence):
        compare(estimated, measured, TOLERANCE)
