"""Evolutionary search for the whole front of score against memory at once: Optuna's NSGA-II with memory as a constraint.

Comes in: a Task. Goes out: `trials` candidates in its evaluator, generation by generation. Cells, their number, channels,
weight bits, pooling and stride evolve together. Objectives: the score up, the use of the fullest region down. A candidate that
exceeds a region or the compute limit is refused before it is scored and told by how much it exceeds, which is how NSGA-II
ranks it (constrained domination, Deb et al. 2002). Generations are asked and told as a whole, so that the result does not
depend on the number of jobs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.scores.capacity import maps
from stages.searching.algorithm import Task
from stages.searching.candidates import Candidate
from stages.searching.limits import excess
from stages.snn.architecture import Architecture
from targets.errors import ToolMissingError

if TYPE_CHECKING:
    from optuna.trial import Trial

POPULATION = 40
#: Score of a candidate that was refused; its violation ranks it, never this.
REFUSED = -1e6


def search(task: Task) -> None:
    """Evolves generations of `POPULATION` until `trials` candidates were considered.

    Raises:
        ToolMissingError: optuna is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise ToolMissingError("the evolutionary search needs optuna", "pip install optuna") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    size = min(POPULATION, task.trials)
    sampler = optuna.samplers.NSGAIISampler(population_size=size, seed=task.seed)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    for start in range(0, task.trials, size):
        asked = [study.ask() for _ in range(min(size, task.trials - start))]
        drawn = [architecture(trial, task) for trial in asked]
        possible = [a for a in drawn if a is not None and beyond(task.evaluator.sized(a), task) <= 0]
        rated = {
            c.architecture: c for c in task.evaluator.rated(possible, task.progress, f"generation {start // size}")
        }
        for trial, a in zip(asked, drawn, strict=True):
            known = None if a is None else task.evaluator.sized(a)
            trial.set_constraint("limits", 10.0 if known is None else beyond(known, task))
            score = rated[a].score if a in rated else None
            study.tell(trial, [REFUSED if score is None else score, 10.0 if known is None else fullest(known, task)])


def fullest(candidate: Candidate, task: Task) -> float:
    """Use of the fullest region, as a fraction of what is available; 10 where the target cannot run the network."""
    return min(10.0, excess(candidate, task.evaluator.profile))


def beyond(candidate: Candidate, task: Task) -> float:
    """By what fraction a candidate exceeds its fullest region or the compute limit; not positive where it exceeds neither."""
    compute = candidate.synaptic_operations / task.macro.max_synaptic_operations
    return max(fullest(candidate, task), compute) - 1


def architecture(trial: Trial, task: Task) -> Architecture | None:
    """The architecture that a trial stands for; None where a cell connects nothing or the image vanishes."""
    space, macro = task.space, task.macro
    count = trial.suggest_categorical("cells", task.cell_counts)
    cells = []
    for index in range(max(task.cell_counts)):
        chosen = [
            (space.choices if s < t else space.feedback)[
                trial.suggest_int(f"cell {index} edge {s}-{t}", 0, len(space.choices if s < t else space.feedback) - 1)
            ]
            for s, t in space.places
        ]
        cells.append(space.cell(space.places, chosen))
    bits = trial.suggest_categorical("bits", macro.weight_bits)
    pool = trial.suggest_categorical("pool", macro.head_pools)
    stride = trial.suggest_categorical("stride", macro.stem_strides)
    hidden = trial.suggest_categorical("hidden", macro.hidden)
    width = trial.suggest_int("channels", 0, len(macro.channels) - 1)
    if not all(cell.edges for cell in cells[:count]):
        return None
    genotypes = tuple(task.representatives.of(str(cell)) for cell in cells[:count])
    a = macro.architecture(genotypes, bits, pool, stride, hidden)
    a = a.model_copy(update={"channels": macro.channels[width]})
    return a if min(maps(a)[-1]) >= pool else None
