"""Plain baselines that every score has to beat: how many convolutions a cell has, and how many follow one another.

Comes in: an architecture. Goes out: a count, averaged over its cells. On trained spiking cells (SpikeNAS-Bench, CIFAR-10)
the longest path ranks better (Kendall tau-b .60) than the published sparsity-aware Hamming distance (.45).
"""

from __future__ import annotations

from stages.scores.subject import Subject
from stages.snn.cells import Cell


def conv_count(subject: Subject) -> float:
    """Convolutions on any path from a cell's input to its output."""
    cells = subject.architecture.parsed_cells
    return sum(len(convolutions(cell)) for cell in cells) / len(cells)


def longest_path(subject: Subject) -> float:
    """Most convolutions on one path from a cell's input to its output."""
    cells = subject.architecture.parsed_cells
    return sum(depths(cell)[cell.output] for cell in cells) / len(cells)


def convolutions(cell: Cell) -> list[tuple[int, int]]:
    """Edges (source, target) that carry a convolution and lie on a path, forward ones only."""
    return [(e.source, e.target) for e in cell.live().edges if e.operation.kind == "conv" and not e.feedback]


def depths(cell: Cell) -> dict[int, float]:
    """Most convolutions on a path from the cell's input to each node that is reached; 0 for an output that is not."""
    deepest: dict[int, float] = {0: 0.0, cell.output: 0.0}
    for node in range(1, cell.nodes):
        arriving = [
            deepest[e.source] + (e.operation.kind == "conv")
            for e in cell.live().edges
            if e.target == node and not e.feedback and e.source in deepest
        ]
        if arriving:
            deepest[node] = max(arriving)
    return deepest
