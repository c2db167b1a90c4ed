"""What the graph of a cell tells without any image: depth with strongly diminishing returns, and when its neurons fire.

Comes in: an architecture. Goes out: points, comparable to percent of accuracy on CIFAR-10; 0 is unlimited depth and neutral
thresholds. The terms were read off spiking cells that were trained for 100 epochs (SpikeNAS-Bench, CIFAR-10: 2,000 cells with
convolutions of three thresholds and skips) and rounded; the ranking hardly moves when any constant does.

- depth: every further convolution on the longest path closes 70 % of the gap that is left, -7 * 0.3**depth.
- entry: neurons that turn the cell's input into spikes should be eager. Half a point per unit of threshold on the longest
  path, half of that beside it. Their input is the same at every step, a high threshold loses most of it for good.
- exit: neurons in front of the last convolutions should be reluctant, -0.5 / threshold, of which the best one counts: what
  they receive was normalised and fluctuates, a low threshold lets the noise through. A third of that in between.
- In a shallow cell (one convolution deep) every further edge helps; in a deep one skips and parallel convolutions help a
  little, and every population beyond the depth, a further way of turning the same currents into spikes, costs.

A convolution of another size counts by the context it adds, log10(1 + k*k) steps of depth: 0.3 for 1x1, 1.4 for 5x5, 1.7 for
7x7, with k no larger than the image. This extension is a decision, not a finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from math import log10

from stages.scores.capacity import maps
from stages.scores.subject import Subject
from stages.snn.cells import Cell, Edge

DEPTH_POINTS, DEPTH_LEFT = 7.0, 0.3
ENTRY_POINTS, SIDE_POINTS = 0.5, 0.25
EXIT_POINTS, MIDDLE_POINTS = 0.5, 0.17
SHALLOW_EDGE_POINTS, SKIP_POINTS, PARALLEL_POINTS, POPULATION_POINTS = 0.19, 0.09, 0.09, -0.15


def structure(subject: Subject) -> float:
    """Points of an architecture's cells, averaged over them."""
    a = subject.architecture
    points = [cell_structure(cell, min(shape)) for cell, shape in zip(a.parsed_cells, maps(a), strict=True)]
    return sum(points) / len(points)


@lru_cache(maxsize=100_000)
def cell_structure(cell: Cell, pixels: int) -> float:
    """Points of a live cell on an image of `pixels` rows."""
    before, after = _steps(cell, lambda edge: 1.0)
    context = _steps(cell, lambda edge: log10(1 + min(edge.operation.kernel, pixels) ** 2))[0].get(cell.output, 0.0)
    depth = before.get(cell.output, 0.0)
    convolutions = [e for e in cell.edges if e.operation.kind == "conv" and not e.feedback]
    firing = [e for e in convolutions if e.source in before and e.target in after]
    points = float(-DEPTH_POINTS * DEPTH_LEFT**context) + _thresholds(firing, before, after, depth)
    if depth <= 1:
        return points + SHALLOW_EDGE_POINTS * (min(len(cell.edges), 6) - 3)
    skips = min(2, sum(e.operation.kind == "skip" for e in cell.edges))
    populations = len({(e.source, e.operation.theta) for e in firing})
    return (
        points
        + SKIP_POINTS * skips
        + PARALLEL_POINTS * (len(firing) - depth)
        + POPULATION_POINTS * (populations - depth)
    )


def _thresholds(firing: list[Edge], before: dict[int, float], after: dict[int, float], depth: float) -> float:
    """Points for the thresholds of convolutions, by where they are in the cell."""
    entering = [e for e in firing if before[e.source] == 0]
    longest = [1 - e.operation.theta for e in entering if after[e.target] == depth - 1]
    beside = [1 - e.operation.theta for e in entering if after[e.target] < depth - 1]
    later = [e for e in firing if before[e.source] > 0]
    leaving = [1 - 1 / e.operation.theta for e in later if after[e.target] == 0]
    middle = [1 - 1 / e.operation.theta for e in later if after[e.target] > 0]
    return (
        ENTRY_POINTS * _mean(longest)
        + SIDE_POINTS * _mean(beside)
        + EXIT_POINTS * max(leaving, default=0.0)
        + MIDDLE_POINTS * _mean(middle)
    )


def _steps(cell: Cell, weight_of: Callable[[Edge], float]) -> tuple[dict[int, float], dict[int, float]]:
    """The heaviest path of convolutions from the input to each node, and from each node to the output."""
    forward = [e for e in cell.edges if not e.feedback]

    def weight(edge: Edge) -> float:
        return weight_of(edge) if edge.operation.kind == "conv" else 0.0

    before, after = {0: 0.0}, {cell.output: 0.0}
    for node in range(1, cell.nodes):
        reaching = [before[e.source] + weight(e) for e in forward if e.target == node and e.source in before]
        if reaching:
            before[node] = max(reaching)
    for node in reversed(range(cell.output)):
        leading = [after[e.target] + weight(e) for e in forward if e.source == node and e.target in after]
        if leading:
            after[node] = max(leading)
    return before, after


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed) if listed else 0.0
