"""The space of cells: what is in it, once, and nothing else."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.searching.space import BASE_OPERATIONS, CellSpace, Representatives, operations_on
from stages.snn.architecture import Architecture, lower
from stages.snn.cells import Cell, Edge, conv, pairs, parse_cell, parse_operation
from targets.network import Network
from targets.profile import load_profile
from tests.stages.test_cells import cells

SMALL = CellSpace.of(4, ("zero", "skip", "conv3x3"))


def wiring(network: Network) -> tuple[object, ...]:
    """What a network computes, whatever its populations and weights are called: counts that equal cells must share."""
    return (
        network.parameters,
        sorted(p.shape for p in network.populations),
        sorted((type(c.operation).__name__, c.multiplier, c.delay) for c in network.connections),
    )


def lowered(cell: Cell) -> Network:
    return lower(
        Architecture(input_shape=(1, 6, 6), classes=3, cells=(str(cell),), channels=2), load_profile("jetson_nano")
    )


def test_every_connected_cell_is_in_the_space_exactly_once() -> None:
    listed = [cell.signature for cell in SMALL.cells()]
    assert len(listed) == len(set(listed))
    everything = {
        SMALL.cell(list(pairs(4)), chosen).signature
        for chosen in product(SMALL.choices, repeat=6)
        if SMALL.cell(list(pairs(4)), chosen).edges
    }
    assert set(listed) == everything


@given(cells())
def test_cells_of_one_signature_lower_to_one_wiring(cell: Cell) -> None:
    if not cell.connected:
        return
    order = list(range(1, cell.output))
    Random(str(cell)).shuffle(order)
    place = {0: 0, cell.output: cell.output, **dict(zip(range(1, cell.output), order, strict=True))}
    renamed = [Edge(place[e.source], place[e.target], e.operation) for e in cell.live().edges]
    if any(e.feedback and e.operation.kind != "conv" for e in renamed):
        return
    if any(new.feedback != old.feedback for new, old in zip(renamed, cell.live().edges, strict=True)):
        return
    other = Cell(cell.nodes, tuple(sorted(renamed)))
    assert other.signature == cell.signature
    assert wiring(lowered(other)) == wiring(lowered(cell))


def test_a_node_that_only_skips_is_its_source() -> None:
    copied = parse_cell("|skip~0|+|zero~0|conv3x3~1|+|zero~0|zero~1|conv5x5~2|")
    direct = parse_cell("|zero~0|+|conv3x3~0|zero~1|+|zero~0|zero~1|conv5x5~2|")
    assert copied.signature == direct.signature


@pytest.mark.parametrize(
    "other",
    [
        "|conv3x3~0|+|conv3x3~0|zero~1|+|zero~0|conv3x3~1|conv3x3~2|",
        "|conv3x3~0|+|zero~0|conv5x5~1|+|zero~0|zero~1|conv3x3~2|",
        "|conv3x3~0|+|zero~0|conv3x3@0.5~1|+|zero~0|zero~1|conv3x3~2|",
        "|conv3x3~0|+|zero~0|conv3x3~1|+|skip~0|zero~1|conv3x3~2|",
    ],
)
def test_different_cells_have_different_signatures(other: str) -> None:
    assert (
        parse_cell("|conv3x3~0|+|zero~0|conv3x3~1|+|zero~0|zero~1|conv3x3~2|").signature != parse_cell(other).signature
    )


@given(st.integers(0, 10_000), st.booleans())
def test_samples_and_neighbours_lie_in_the_space(seed: int, feedback: bool) -> None:
    space = CellSpace.of(4, BASE_OPERATIONS, feedback)
    cell = space.sample(Random(seed))
    assert cell.connected
    for other in space.neighbours(cell):
        assert other.connected
        assert other.signature != cell.signature
        assert {e.operation for e in other.edges} <= set(space.choices)
        assert feedback or not any(e.feedback for e in other.edges)


def test_feedback_edges_are_part_of_a_space_that_asks_for_them() -> None:
    space = CellSpace.of(3, ("zero", "conv3x3"), feedback=True)
    assert any(e.feedback for cell in space.cells() for e in cell.edges)
    assert not any(e.feedback for cell in CellSpace.of(3, ("zero", "conv3x3")).cells() for e in cell.edges)


def test_operations_that_the_target_lacks_are_refused_with_a_sentence() -> None:
    board = load_profile("jetson_nano")
    limits = board.network.model_copy(update={"operations": ("conv",), "kernel_sizes": (3,)})
    allowed, refused = operations_on(board.model_copy(update={"network": limits}), BASE_OPERATIONS)
    assert allowed == ["zero", "conv3x3"]
    assert [sentence.split(":")[0] for sentence in refused] == ["skip", "conv1x1", "avgpool3x3"]


def test_an_operation_reads_as_in_a_genotype() -> None:
    assert parse_operation("conv5x5@0.5") == conv(5, 0.5)


def test_renamed_and_copied_nodes_have_one_representative() -> None:
    names = Representatives()
    first = "|conv3x3~0|+|conv5x5~0|zero~1|+|zero~0|skip~1|conv3x3~2|"
    renamed = "|conv5x5~0|+|conv3x3~0|zero~1|+|zero~0|conv3x3~1|skip~2|"
    other = "|conv5x5~0|+|conv3x3~0|zero~1|+|zero~0|skip~1|conv3x3~2|"
    assert names.of(first) == names.of(renamed) == first
    assert names.of(other) == other
