"""What the graph of a cell tells without any image: how deep it is, when its neurons fire, and what meets in its output.

Comes in: an architecture. Goes out: points, comparable to percent of accuracy on CIFAR-10; 0 is unlimited depth, neutral
thresholds and one current at the output.

- depth: every further convolution on the longest path closes almost three quarters of the gap that is left, -6.5 * 0.27**depth.
- entry: neurons that turn the cell's input into spikes should be eager, half a point per unit of threshold; of those on the
  longest path the most eager one counts. Their input is the same at every step, a high threshold loses most of it for good.
  Beside the longest path the mean counts, 0.22 a unit. Each further threshold on the input costs 0.2.
- exit: neurons in front of the last convolutions should be reluctant, -0.4 / threshold, of which the best one counts: what
  they receive was normalised and fluctuates, a low threshold lets the noise through.
- output: 0.15 * ln(currents), different ones that meet in the output: features of several depths reach the classifier.
- fresh input: 0.15 for each skip that brings the cell's input to neurons behind a convolution; they see what the first ones
  lost. In a shallow cell (one convolution deep) every further edge helps a little.

Decisions where no trained cells are at hand: a convolution of another size counts by the context it adds, log10(1 + k*k) steps of
depth (0.3 for 1x1, 1.4 for 5x5, 1.7 for 7x7), with k no larger than the image. One feedback edge is worth 0.3, two 0.4, each
beyond costs 0.1: SNASNet (arXiv 2201.10355) gains 0.6 points with feedback on CIFAR-10, finds one or two best and more harmful.

Where the constants come from: cells that were trained for 100 epochs (SpikeNAS-Bench, CIFAR-10, the 2,000 of the development
set), by generalised least squares, rounded; each term is at least three standard errors from zero. Equal graphs in that
benchmark tell that its runs of one period (ids below about 2,600, all with edge 2-3 zero) ended 0.8 points lower than equal
cells elsewhere, and that neighbouring ids share deviations of about 0.35. Both were fitted beside the structure and left
out of it, since they say when a cell was trained and not what it is. No term depends on how nodes are numbered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from math import log, log10

from stages.scores.capacity import maps
from stages.scores.subject import Subject
from stages.snn.cells import Cell, Edge

DEPTH_POINTS, DEPTH_LEFT = 6.5, 0.27
ENTRY_POINTS, BESIDE_POINTS, MIXED_POINTS = 0.5, 0.22, 0.2
EXIT_POINTS = 0.4
CURRENT_POINTS, FRESH_POINTS, SHALLOW_EDGE_POINTS = 0.15, 0.15, 0.08
FEEDBACK_POINTS, FEEDBACK_STEP = 0.4, 0.1

#: Heaviest path of convolutions by node.
_Steps = Mapping[int, float]


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
    points = float(-DEPTH_POINTS * DEPTH_LEFT**context) + _thresholds(cell, before, after)
    feedback = sum(edge.feedback for edge in cell.edges)
    points += CURRENT_POINTS * log(max(1, len(_currents(cell)[cell.output])))
    points += FRESH_POINTS * sum(_brings_fresh_input(edge, before, after) for edge in cell.edges)
    if before.get(cell.output, 0.0) <= 1:
        points += SHALLOW_EDGE_POINTS * (min(len(cell.edges) - feedback, 6) - 3)
    return points + (FEEDBACK_POINTS - FEEDBACK_STEP * abs(feedback - 2) if feedback else 0.0)


def _thresholds(cell: Cell, before: _Steps, after: _Steps) -> float:
    """Points for the thresholds of convolutions, by where they are in the cell."""
    depth = before.get(cell.output, 0.0)
    firing = [
        e
        for e in cell.edges
        if e.operation.kind == "conv" and not e.feedback and e.source in before and e.target in after
    ]
    entering = [e for e in firing if before[e.source] == 0]
    longest = [1 - e.operation.theta for e in entering if after[e.target] == depth - 1]
    beside = [1 - e.operation.theta for e in entering if after[e.target] < depth - 1]
    leaving = [1 - 1 / e.operation.theta for e in firing if before[e.source] > 0 and after[e.target] == 0]
    mixed = len({e.operation.theta for e in entering})
    return (
        ENTRY_POINTS * max(longest, default=0.0)
        + BESIDE_POINTS * _mean(beside)
        + EXIT_POINTS * max(leaving, default=0.0)
        - MIXED_POINTS * max(0, mixed - 1)
    )


def _brings_fresh_input(edge: Edge, before: _Steps, after: _Steps) -> bool:
    """Whether a skip carries the cell's input to neurons that also see convolved currents."""
    return (
        edge.operation.kind == "skip"
        and before.get(edge.source) == 0
        and before.get(edge.target, 0.0) > 0
        and after.get(edge.target, 0.0) > 0
    )


def _currents(cell: Cell) -> Mapping[int, frozenset[Edge | None]]:
    """The different currents that meet in each node, by the edge whose spikes made them; None is the cell's input."""
    found: dict[int, frozenset[Edge | None]] = {0: frozenset({None})}
    for node in range(1, cell.nodes):
        arriving: set[Edge | None] = set()
        for edge in (e for e in cell.edges if e.target == node and not e.feedback):
            arriving |= found[edge.source] if edge.operation.kind == "skip" else {edge}
        found[node] = frozenset(arriving)
    return found


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
