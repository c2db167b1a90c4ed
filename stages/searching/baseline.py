"""What a search has to beat: a plain chain of convolutions, trained briefly beside its winner.

Comes in: a finished search. Goes out: the chain and the winner with their validation accuracies. The chain is the stem at full
resolution and convolutions of stride 2 down to about a quarter of the rows, each with its neurons, as wide as target and compute
limit allow: cells without an operation of their own. Scores that need no training rate what happens inside of cells;
they were not made to compare it with what the convolutions between cells do.
"""

from __future__ import annotations

from pathlib import Path

from stages.data.dataset import Dataset
from stages.progress import Progress
from stages.searching.algorithm import Task
from stages.searching.candidates import Candidate
from stages.searching.macro import widest
from stages.searching.short_training import Finalist, halved
from stages.snn.architecture import Architecture
from targets.profile import Profile

#: A cell that hands its current on.
PLAIN_CELL = "|skip~0|"
EPOCHS, VALIDATION_IMAGES = 2, 2_000


def plain_chain(task: Task) -> Architecture | None:
    """The widest chain that fits; None if none does."""
    macro = task.macro
    cells = (PLAIN_CELL,) * 3
    variant = macro.architecture(cells, max(macro.weight_bits), pool=1, stride=1, hidden=0)
    return widest(variant, macro.worthwhile, macro.max_synaptic_operations, task.evaluator)


def proven(
    winner: Candidate, task: Task, dataset: Dataset, images: int, profile: Profile, folder: Path, progress: Progress
) -> tuple[Candidate, list[Finalist]]:
    """The better one of the winner and the plain chain after a short training on some of the training images."""
    chain = plain_chain(task)
    if chain is None or chain == winner.architecture:
        return winner, []
    (challenger,) = task.evaluator.rated([chain], progress, "plain chain")
    few = Dataset(
        dataset.name,
        dataset.train.first(images),
        dataset.validation.first(VALIDATION_IMAGES),
        dataset.test,
        dataset.class_names,
        dataset.spiking,
        dataset.mirrors,
    )
    finalists = halved([winner, challenger], few, profile, EPOCHS, task.seed, folder, progress)
    return (winner if finalists[0].architecture == winner.architecture else challenger), finalists
