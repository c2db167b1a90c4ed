"""SNASNet's search: random cells, the best score wins. The baseline of every other algorithm.

Comes in: a Task. Goes out: `trials` random candidates, rated. As in SNASNet all cells of a candidate are the same cell. Unlike
there, equal cells are scored once and those over the budget not at all.
"""

from __future__ import annotations

from random import Random

from stages.searching.algorithm import Task


def search(task: Task) -> None:
    """Draws cells and numbers of cells independently."""
    random = Random(task.seed)  # noqa: S311 - a search, not a secret
    drawn = []
    for _ in range(task.trials):
        cell = str(task.space.sample(random))
        drawn.append((cell,) * random.choice(task.cell_counts))
    task.candidates(drawn, "random cells")
