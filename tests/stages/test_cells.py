"""Genotypes: reading, writing and recognising equal cells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.snn.cells import SKIP, Cell, CellOperation, Edge, avgpool, conv, pairs, parse_cell
from targets.errors import ConfigurationError

operations = st.one_of(
    st.none(),
    st.just(SKIP),
    st.just(avgpool()),
    st.builds(conv, st.sampled_from([1, 3, 5, 7]), st.sampled_from([0.5, 1.0, 1.5])),
)


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    nodes = draw(st.integers(2, 5))
    chosen = [(s, t, draw(operations)) for s, t in pairs(nodes)]
    chosen += [(t, s, draw(st.one_of(st.none(), st.just(conv(3))))) for s, t in pairs(nodes) if s > 0]
    return Cell(nodes, tuple(sorted(Edge(s, t, op) for s, t, op in chosen if op is not None)))


@given(cells())
def test_a_genotype_reads_back_as_the_same_cell(cell: Cell) -> None:
    assert parse_cell(str(cell)) == cell


@given(cells())
def test_the_canonical_form_is_stable_and_keeps_connection(cell: Cell) -> None:
    canonical = cell.canonical()
    assert canonical.canonical() == canonical
    assert canonical.connected == cell.connected


def test_renamed_inner_nodes_are_the_same_cell() -> None:
    one = parse_cell("|conv3x3~0|+|conv5x5~0|zero~1|+|zero~0|skip~1|conv3x3~2|")
    other = parse_cell("|conv5x5~0|+|conv3x3~0|zero~1|+|zero~0|conv3x3~1|skip~2|")
    assert one != other
    assert one.canonical() == other.canonical()


def test_dead_edges_do_not_count() -> None:
    cell = parse_cell("|conv3x3~0|+|conv5x5~0|zero~1|+|zero~0|skip~1|zero~2|")
    assert cell.live().edges == (Edge(0, 1, CellOperation("conv", 3)), Edge(1, 3, SKIP))


@pytest.mark.parametrize(
    "text", ["|conv4x4~0|", "|conv~0|", "|skip3x3~0|", "|relu~0|", "|skip~0|skip~0|", "", "|skip~3|"]
)
def test_a_bad_genotype_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        parse_cell(text)
