"""What the graph of a cell tells without any image: depth with strongly diminishing returns, and when its neurons fire.

Comes in: an architecture. Goes out: points, comparable to percent of accuracy on CIFAR-10.

Found on trained spiking cells (SpikeNAS-Bench, CIFAR-10), where it ranks better than any published score:

- Each further convolution on the longest path closes four fifths of the gap that is left: -6.7 * 0.2**depth.
- Eager first neurons, reluctant later ones: a low threshold where the cell's input becomes spikes keeps information, a
  high threshold behind a convolution keeps activity sparse. A quarter of a point for half a unit of threshold, each.
- In a shallow cell more edges help; in a deep one they do not matter.

A convolution of another size counts by the context it adds, log(1 + k*k): that of 1x1 is 0.3, of 5x5 1.4, of 7x7 1.7 steps of
depth, and no more than the image has room for. This extension is a decision, not a finding.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import log

from stages.scores.subject import Subject
from stages.snn.cells import Cell, Edge


def structure(subject: Subject) -> float:
    """Points of an architecture's cells, averaged over them."""
    cells = subject.architecture.parsed_cells
    return sum(cell_structure(cell) for cell in cells) / len(cells)


def cell_structure(cell: Cell) -> float:
    """Points of one cell; 0 is a cell of unlimited depth and neutral thresholds."""
    cell = cell.live()
    deepest = context_depths(cell)
    depth = deepest.get(cell.output, 0.0)
    firing = [e for e in cell.edges if e.operation.kind == "conv"]
    first = [1 - e.operation.theta for e in firing if deepest.get(e.source, 0.0) == 0]
    later = [e.operation.theta - 1 for e in firing if deepest.get(e.source, 0.0) > 0]
    edges = len(cell.edges) if depth <= 1 else 2
    return float(-6.7 * 0.2**depth + 0.5 * _mean(first) + 0.5 * _mean(later) + 0.1 * edges)


def context_depths(cell: Cell) -> dict[int, float]:
    """Most convolutions on a path from the cell's input to each node that is reached, each counted by its kernel."""
    deepest = {0: 0.0}
    for node in range(1, cell.nodes):
        arriving = [
            deepest[e.source] + _context(e)
            for e in cell.edges
            if e.target == node and not e.feedback and e.source in deepest
        ]
        if arriving:
            deepest[node] = max(arriving)
    return deepest


def _context(edge: Edge) -> float:
    return log(1 + edge.operation.kernel**2, 10) if edge.operation.kind == "conv" else 0.0


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed) if listed else 0.0
