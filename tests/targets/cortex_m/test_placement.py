"""Live buffers never overlap, and the verifier notices when they do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.cortex_m.placement import Buffer, Placement, live_bytes, place, verify
from targets.errors import InternalError


@st.composite
def buffers(draw: st.DrawFn) -> list[Buffer]:
    spans = draw(st.lists(st.tuples(st.integers(1, 300), st.integers(0, 12), st.integers(0, 12)), max_size=14))
    return [Buffer(f"b{i}", size, min(a, b), max(a, b)) for i, (size, a, b) in enumerate(spans)]


@given(buffers())
def test_no_live_buffers_share_a_byte(wanted: list[Buffer]) -> None:
    placement = place(wanted)
    for phase in range(13):
        taken: set[int] = set()
        for buffer in (b for b in wanted if b.first <= phase <= b.last):
            start = placement.offsets[buffer.name]
            own = set(range(start, start + buffer.size_bytes))
            assert not own & taken
            assert start + buffer.size_bytes <= placement.size_bytes
            taken |= own
    assert live_bytes(wanted) <= placement.size_bytes <= sum(b.size_bytes + 3 for b in wanted)


def test_a_chain_needs_no_more_than_its_largest_pair() -> None:
    chain = [Buffer("s1", 512, 0, 1), Buffer("p1", 128, 1, 2), Buffer("s2", 256, 2, 3), Buffer("p2", 64, 3, 4)]
    assert place(chain).size_bytes == 640


@pytest.mark.parametrize("offsets", [{"a": 0, "b": 4}, {"a": 0, "b": 12}, {"a": 2, "b": 8}])
def test_a_wrong_placement_is_refused(offsets: dict[str, int]) -> None:
    with pytest.raises(InternalError):
        verify([Buffer("a", 8, 0, 1), Buffer("b", 8, 1, 2)], Placement(offsets, 16))
