"""SpikeNAS's search: cell by cell, each candidate within the memory budget or refused.

Comes in: a Task. Goes out: rated candidates in its evaluator.

What is known of SpikeNAS (arXiv 2402.11322, IEEE TAI 2025): only significant operations are searched; cells are searched one
at a time, "individually", from the second one on, and what is found is applied to all cells before it; candidates over the
memory budget are dropped before they are scored. Its text leaves the rest open. Decided here:

1. For each number of cells, every cell of the space stands in all places at once (found for the last, applied to those before).
2. From the last place to the first, each place alone tries the best cells of step 1 and all neighbours of the cell that
   stands there; an improvement stays. Passes repeat until one changes nothing.
3. A space too large to enumerate is entered through its coarse part: zero, skip and one convolution between as many nodes as
   can be enumerated. Step 2 then brings in kernel sizes, thresholds, further nodes and feedback, edge by edge.
4. Each candidate is sized and scored at the width that fills the budget around it, so that a lean cell may win by the
   channels that it leaves room for.
"""

from __future__ import annotations

from dataclasses import replace

from stages.searching.algorithm import Task, best_of, rank
from stages.searching.candidates import Candidate
from stages.searching.space import CellSpace
from stages.snn.cells import Cell, parse_cell

#: Raw sizes up to which a space is enumerated.
ENUMERABLE = 1_000
#: Cells of step 1 that step 2 tries in every place.
SHORT_LIST = 8
MAX_PASSES = 4


def search(task: Task) -> None:
    """Steps 1 to 4; see the module."""
    cells = [str(cell) for cell in entry_cells(task.space)]
    first = task.candidates([(cell,) * count for count in task.cell_counts for cell in cells], "same cell everywhere")
    best = best_of(first)
    if best is None:
        return
    short_list = short_listed(first)
    for index in range(MAX_PASSES):
        improved = one_pass(task, best, short_list, f"pass {index + 1}")
        if improved is best:
            return
        best = improved


def one_pass(task: Task, best: Candidate, short_list: list[str], what: str) -> Candidate:
    """Each place alone, from the last to the first."""
    for place in reversed(range(len(best.architecture.cells))):
        standing = best.architecture.cells
        alternatives = dict.fromkeys([*short_list, *map(str, task.space.neighbours(parse_cell(standing[place])))])
        lists = [(*standing[:place], cell, *standing[place + 1 :]) for cell in alternatives]
        tried = task.candidates(lists, f"{what}, cell {place + 1}")
        found = best_of(tried)
        if found is not None and rank(found) > rank(best):
            best = found
    return best


def short_listed(candidates: list[Candidate]) -> list[str]:
    """The cells of the best candidates, each once."""
    scored = sorted((c for c in candidates if c.score is not None), key=rank, reverse=True)
    return list(dict.fromkeys(c.architecture.cells[-1] for c in scored))[:SHORT_LIST]


def entry_cells(space: CellSpace) -> list[Cell]:
    """The cells of the space's coarse part, as cells of the space: their output is the last node."""
    return [space.embedded(cell) for cell in coarse(space).cells()]


def coarse(space: CellSpace) -> CellSpace:
    """The space itself if it can be enumerated; else zero, skip, and the one convolution nearest to 3x3 at threshold 1."""
    if space.raw_size <= ENUMERABLE:
        return space
    convolutions = [choice for choice in space.choices if choice is not None and choice.kind == "conv"]
    plain = sorted(convolutions, key=lambda op: (abs(op.theta - 1), abs(op.kernel - 3), op.kernel))[:1]
    without_weights = [choice for choice in space.choices if choice is None or choice.kind == "skip"]
    found = CellSpace(space.nodes, (*without_weights, *plain))
    while found.nodes > 2 and found.raw_size > ENUMERABLE:
        found = replace(found, nodes=found.nodes - 1)
    return found
