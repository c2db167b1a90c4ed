"""Cells, the unit of the search: a few nodes, an operation on every edge, a node being the sum of its edges (SNASNet, SpikeNAS).

Comes in and goes out: a genotype, written as NAS-Bench-201 writes it, node by node with `operation~source`:

    |conv3x3~0|+|skip~0|conv3x3~1|+|zero~0|skip~1|conv5x5@0.5~2|

Node 0 is the cell's input, the last node its output. A convolution is [LIF, Conv, BN] and carries the threshold of its LIF
(1.0 unless written `@0.5`); avgpool is [LIF, AvgPool]; skip passes the current of its source on, so that it shares the
weights that made it. A source that is not an earlier node is a feedback edge: its spikes arrive one step later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import permutations
from typing import Literal

from targets.errors import ConfigurationError

Kind = Literal["skip", "conv", "avgpool"]
_EDGE = re.compile(
    r"(?P<kind>zero|skip|conv|avgpool)(?:(?P<kernel>\d+)x(?P=kernel))?(?:@(?P<theta>\d+(?:\.\d+)?))?~(?P<source>\d+)"
)


@dataclass(frozen=True, order=True)
class CellOperation:
    """What an edge does. The kernel is 0 for a skip; theta is the threshold of the LIF in front."""

    kind: Kind
    kernel: int = 0
    theta: float = 1.0

    def __str__(self) -> str:
        size = f"{self.kernel}x{self.kernel}" if self.kernel else ""
        return f"{self.kind}{size}" + (f"@{self.theta:g}" if self.theta != 1.0 else "")


SKIP = CellOperation("skip")

#: What `Cell.signature` returns: edges (source, target, operation, feedback) with renamed nodes.
Signature = tuple[tuple[int, int, CellOperation, bool], ...]


def conv(kernel: int, theta: float = 1.0) -> CellOperation:
    """[LIF, Conv kernel x kernel, BN]."""
    return CellOperation("conv", kernel, theta)


def avgpool(kernel: int = 3) -> CellOperation:
    """[LIF, AvgPool kernel x kernel, stride 1]."""
    return CellOperation("avgpool", kernel)


@dataclass(frozen=True, order=True)
class Edge:
    """An operation from one node into another; a source that is not earlier than the target is feedback."""

    source: int
    target: int
    operation: CellOperation

    @property
    def feedback(self) -> bool:
        """Whether spikes arrive one step later."""
        return self.source >= self.target


@dataclass(frozen=True)
class Cell:
    """A directed graph on `nodes` nodes. Edges that the genotype calls zero are absent."""

    nodes: int
    edges: tuple[Edge, ...]

    def __post_init__(self) -> None:
        problems = [
            f"edge {e.source} -> {e.target} leaves the nodes 0 to {self.nodes - 1}"
            for e in self.edges
            if not (0 <= e.source < self.nodes and 0 < e.target < self.nodes)
        ]
        problems += [
            f"feedback edge {e.source} -> {e.target} is a {e.operation.kind}; only convolutions can feed back"
            for e in self.edges
            if e.feedback and e.operation.kind != "conv"
        ]
        if problems:
            raise ConfigurationError.from_problems("cell", problems)

    def __str__(self) -> str:
        def incoming(node: int) -> str:
            here = {e.source: e.operation for e in self.edges if e.target == node and not e.feedback}
            forward = [f"{here.get(source, 'zero')}~{source}" for source in range(node)]
            return "|".join(
                forward + [f"{e.operation}~{e.source}" for e in self.edges if e.target == node and e.feedback]
            )

        return "+".join(f"|{incoming(node)}|" for node in range(1, self.nodes))

    @property
    def output(self) -> int:
        """The last node."""
        return self.nodes - 1

    @property
    def connected(self) -> bool:
        """Whether anything reaches the output."""
        return bool(self.live().edges)

    def live(self) -> Cell:
        """The cell without edges that lie on no path from the input to the output."""
        forward, backward = {0}, {self.output}
        for _ in range(self.nodes):
            forward |= {e.target for e in self.edges if e.source in forward}
            backward |= {e.source for e in self.edges if e.target in backward}
        if self.output not in forward:
            return Cell(self.nodes, ())
        kept = tuple(sorted(e for e in self.edges if e.source in forward and e.target in backward))
        return Cell(self.nodes, kept)

    @cached_property
    def signature(self) -> Signature:
        """Equal for two cells exactly when they are the same graph but for dead edges, names of nodes, and copies.

        A node that only skips from one other node is a copy of it and is replaced by it (feedback into or out of it keeps
        it). What remains is written with the inner nodes in the order that gives the least tuple.
        """
        edges = [(e.source, e.target, e.operation) for e in self.live().edges]
        for node in range(1, self.output):
            entering = [edge for edge in edges if edge[1] == node]
            loops = any(s >= t and node in (s, t) for s, t, _ in edges)
            if len(entering) == 1 and entering[0][2] == SKIP and not loops:
                origin = entering[0][0]
                edges = [(origin if s == node else s, t, op) for s, t, op in edges if t != node]
        inner = sorted({node for s, t, _ in edges for node in (s, t)} - {0, self.output})
        forms = []
        for order in permutations(range(1, len(inner) + 1)):
            place = {0: 0, self.output: len(inner) + 1, **dict(zip(inner, order, strict=True))}
            forms.append(tuple(sorted((place[s], place[t], op, s >= t) for s, t, op in edges)))
        return min(forms)

    def canonical(self) -> Cell:
        """One representative of all cells that compute the same: live edges, inner nodes in the least order possible."""
        live = self.live()
        inner = range(1, self.output)
        best = live
        for order in permutations(inner):
            place = {0: 0, self.output: self.output, **dict(zip(inner, order, strict=True))}
            edges = tuple(sorted(Edge(place[e.source], place[e.target], e.operation) for e in live.edges))
            same_direction = all(
                new.feedback == old.feedback
                for old, new in ((e, Edge(place[e.source], place[e.target], e.operation)) for e in live.edges)
            )
            if same_direction and edges < best.edges:
                best = Cell(self.nodes, edges)
        return best


def pairs(nodes: int) -> Iterator[tuple[int, int]]:
    """Forward edges (source, target) in the order of the genotype: (0,1), (0,2), (1,2), (0,3) ..."""
    return ((source, target) for target in range(1, nodes) for source in range(target))


def parse_operation(text: str) -> CellOperation:
    """Reads one operation as genotypes write it, such as conv3x3@0.5 or skip; zero is no operation.

    Raises:
        ConfigurationError: not an operation.
    """
    cell = parse_cell(f"|{text}~0|")
    if len(cell.edges) != 1:
        raise ConfigurationError(f"{text!r} is not an operation", "write skip, conv3x3, conv3x3@0.5 or avgpool3x3")
    return cell.edges[0].operation


@lru_cache(maxsize=100_000)
def parse_cell(genotype: str) -> Cell:
    """Reads a genotype.

    Raises:
        ConfigurationError: not of the form above; every bad edge is named.
    """
    edges, problems = [], []
    nodes = genotype.strip().split("+")
    for target, node in enumerate(nodes, start=1):
        seen: set[int] = set()
        for text in node.strip("| ").split("|"):
            match = _EDGE.fullmatch(text.strip())
            if match is None:
                problems.append(f"{text!r} is not operation~source")
                continue
            kind, kernel, theta = match["kind"], int(match["kernel"] or 0), float(match["theta"] or 1.0)
            source = int(match["source"])
            if source in seen:
                problems.append(f"node {target} has two edges from node {source}")
            seen.add(source)
            if (kind in ("conv", "avgpool")) != (kernel > 0) or (kernel and kernel % 2 == 0) or theta <= 0:
                problems.append(
                    f"{text!r} needs an odd kernel for conv and avgpool, none for zero and skip, theta above 0"
                )
            elif kind != "zero":
                edges.append(Edge(source, target, CellOperation(kind, kernel, theta)))  # type: ignore[arg-type]
    if problems:
        raise ConfigurationError.from_problems(f"genotype {genotype!r}", problems)
    return Cell(len(nodes) + 1, tuple(sorted(edges)))
