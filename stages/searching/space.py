"""The space of cells as data: how many nodes, and which operations an edge may carry.

Comes in: nodes and operations. Goes out: every cell once, random cells, and the cells one change away. Cells that compute
the same (`Cell.signature`) are one cell here, so nothing is scored twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, product
from random import Random

from stages.snn.cells import Cell, CellOperation, Edge, Signature, pairs, parse_cell, parse_operation
from targets.profile import Profile

#: None stands for zero: no edge.
Choice = CellOperation | None
#: The operations of SNASNet and SpikeNAS, in the words of genotypes.
BASE_OPERATIONS = ("zero", "skip", "conv1x1", "conv3x3", "avgpool3x3")


@dataclass(frozen=True)
class CellSpace:
    """All cells of `nodes` nodes whose forward edges carry one of `choices`, and whose feedback edges one of `feedback`."""

    nodes: int
    choices: tuple[Choice, ...]
    #: Choices of an edge from a later node to an earlier one; (None,) for no feedback.
    feedback: tuple[Choice, ...] = (None,)

    @classmethod
    def of(cls, nodes: int, operations: Iterable[str], feedback: bool = False) -> CellSpace:
        """The space of operations written as in genotypes; feedback edges carry its convolutions."""
        choices = tuple(None if text == "zero" else parse_operation(text) for text in operations)
        backward = tuple(choice for choice in choices if choice and choice.kind == "conv") if feedback else ()
        return cls(nodes, choices, (None, *backward))

    @property
    def raw_size(self) -> int:
        """Number of ways to label all edges, before equal cells are merged."""
        forward = self.nodes * (self.nodes - 1) // 2
        backward = len(self.backward_pairs) if len(self.feedback) > 1 else 0
        return int(len(self.choices) ** forward * len(self.feedback) ** backward)

    @property
    def places(self) -> list[tuple[int, int]]:
        """All edges (source, target) that a cell may have."""
        return [*pairs(self.nodes), *(self.backward_pairs if len(self.feedback) > 1 else [])]

    @property
    def backward_pairs(self) -> list[tuple[int, int]]:
        """Feedback edges (source, target): from a later node to an earlier one, never into the cell's input."""
        return [(later, earlier) for earlier, later in pairs(self.nodes) if earlier > 0]

    def cells(self) -> Iterator[Cell]:
        """Every connected cell once, in a fixed order."""
        seen = set()
        for chosen in product(*[self.choices if s < t else self.feedback for s, t in self.places]):
            cell = self.cell(self.places, chosen)
            if cell.edges and cell.signature not in seen:
                seen.add(cell.signature)
                yield cell

    def cell(self, places: Iterable[tuple[int, int]], chosen: Iterable[Choice]) -> Cell:
        """The live cell with these choices at these places."""
        edges = (Edge(s, t, choice) for (s, t), choice in zip(places, chosen, strict=True) if choice is not None)
        return Cell(self.nodes, tuple(sorted(edges))).live()

    def embedded(self, cell: Cell) -> Cell:
        """A cell of no more nodes as one of this space: its output becomes the last node."""
        place = {cell.output: self.nodes - 1}
        edges = (Edge(place.get(e.source, e.source), place.get(e.target, e.target), e.operation) for e in cell.edges)
        return Cell(self.nodes, tuple(sorted(edges)))

    def sample(self, random: Random) -> Cell:
        """A random connected cell; edges are drawn independently and unconnected draws rejected."""
        places = self.places
        while True:
            chosen = [random.choice(self.choices if s < t else self.feedback) for s, t in places]
            cell = self.cell(places, chosen)
            if cell.edges:
                return cell

    def neighbours(self, cell: Cell) -> Iterator[Cell]:
        """Connected cells that differ from a cell in one edge or by one node on an edge, each once, without the cell itself."""
        seen = {cell.signature}
        for other in chain(self._with_another_edge(cell), self._with_another_node(cell)):
            if other.edges and other.signature not in seen:
                seen.add(other.signature)
                yield other

    def _with_another_edge(self, cell: Cell) -> Iterator[Cell]:
        here = {(e.source, e.target): e.operation for e in cell.edges}
        for place in self.places:
            for choice in self.choices if place[0] < place[1] else self.feedback:
                changed = here | {place: choice}
                yield self.cell(changed.keys(), changed.values())

    def _with_another_node(self, cell: Cell) -> Iterator[Cell]:
        """A free node, if there is one, put behind the source of an edge: the edge leads to it, any operation leads on."""
        used = sorted({0, cell.output, *(node for e in cell.edges for node in (e.source, e.target))})
        if len(used) == self.nodes:
            return
        place = {node: index for index, node in enumerate(used)}
        edges = [Edge(place[e.source], place[e.target], e.operation) for e in cell.live().edges]
        for split in (e for e in edges if not e.feedback):
            new = split.source + 1

            def moved(node: int, new: int = new) -> int:
                return node + (node >= new)

            kept = [Edge(moved(e.source), moved(e.target), e.operation) for e in edges if e != split]
            for choice in (c for c in self.choices if c is not None):
                onward = Edge(new, moved(split.target), choice)
                grown = (*kept, Edge(split.source, new, split.operation), onward)
                yield self.embedded(Cell(len(used) + 1, tuple(sorted(grown))))


class Representatives:
    """One genotype for all cells that compute the same: the first that was asked about."""

    def __init__(self) -> None:
        self._first: dict[Signature, str] = {}
        self._known: dict[str, str] = {}

    def of(self, genotype: str) -> str:
        """The genotype itself, or an earlier one with the same signature."""
        if genotype not in self._known:
            self._known[genotype] = self._first.setdefault(parse_cell(genotype).signature, genotype)
        return self._known[genotype]


def operations_on(profile: Profile, operations: Iterable[str]) -> tuple[list[str], list[str]]:
    """The operations that a target runs, and a sentence for each that it does not."""
    allowed, refused = [], []
    for text in operations:
        operation = None if text == "zero" else parse_operation(text)
        if operation is not None and operation.kind not in profile.network.operations:
            refused.append(f"{text}: {profile.name} does not run {operation.kind}")
        elif operation is not None and operation.kernel and operation.kernel not in profile.network.kernel_sizes:
            sizes = ", ".join(str(size) for size in profile.network.kernel_sizes)
            refused.append(f"{text}: {profile.name} runs kernels of {sizes}")
        else:
            allowed.append(text)
    return allowed, refused
