"""search: an architecture whose estimated footprint fits the target, found without training.

Comes in: a dataset, a profile, and what analyze kept. Goes out: the best architecture with its score and footprint, why it is
not larger, and the log of every candidate. Footprints come from the target's own estimator; a candidate that does not fit is
refused before it is scored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from stages.analyze import Analysis
from stages.data.dataset import Dataset
from stages.progress import Progress
from stages.scores.catalog import score_named
from stages.scores.subject import batch_of
from stages.searching import cell_by_cell, evolutionary, random_search
from stages.searching.algorithm import Algorithm, Task, best_of, rank
from stages.searching.baseline import proven
from stages.searching.candidates import Candidate, CandidateLog, Evaluator
from stages.searching.config import AlgorithmName, SearchConfig
from stages.searching.limits import StoppedBy, does_not_fit, hopeless, smallest_networks, use_of, why_not_wider
from stages.searching.macro import LADDER, MacroChoices
from stages.searching.pareto import ParetoPoint, pareto_front
from stages.searching.short_training import Finalist, halved
from stages.searching.space import CellSpace
from stages.snn.architecture import Architecture
from stages.training.plan import MANY_IMAGES
from targets.errors import ConfigurationError
from targets.profile import Profile

#: The candidate log in the folder of a search, JSON lines.
LOG = "candidates.jsonl"


class SearchResult(BaseModel):
    """What was found, and what it took."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: Architecture
    #: Points by the score named here; only differences mean something.
    score: float
    score_name: str
    #: Estimated bytes of the architecture by region, and what the budget is.
    region_bytes: Mapping[str, int]
    budget_bytes: Mapping[str, int]
    #: Upper bound on synaptic operations of one inference.
    synaptic_operations: int
    #: Distinct architectures: all that were sized, those among them that the target has no room for, those that were scored.
    candidates_considered: int
    candidates_over_budget: int
    candidates_scored: int
    #: What keeps the architecture from being wider, and a sentence that says so.
    stopped_by: StoppedBy
    stopped_because: str
    #: Candidates that nothing smaller beats, per region; the region that the architecture fills most comes first.
    pareto: tuple[ParetoPoint, ...]
    #: Candidates that were trained, the winner first; empty unless asked for.
    finalists: tuple[Finalist, ...]


def search(
    dataset: Dataset, profile: Profile, analysis: Analysis, config: SearchConfig, folder: Path, progress: Progress
) -> SearchResult:
    """Searches within the operations that analyze kept; the log in `folder` makes a killed search resumable.

    Raises:
        DoesNotFitError: no architecture fits; names the region, the shortage and the smallest network possible.
        ConfigurationError: an unknown score, weight bits that the profile does not take, an unwritable folder.
    """
    score = score_named(config.score)
    macro = macro_choices(dataset, profile, config)
    space = CellSpace.of(config.nodes, with_thresholds(analysis.kept, config.thresholds), feedback_on(profile, config))
    batch = batch_of(dataset, config.images, timesteps=config.timesteps, seed=config.seed)
    depends_on = {
        "dataset": dataset.digest(),
        "profile": hashlib.sha256(profile.model_dump_json().encode()).hexdigest(),
        "score": config.score,
        "seed": config.seed,
        "timesteps": config.timesteps,
        "images": config.images,
    }
    log = CandidateLog(folder / LOG, depends_on)
    evaluator = Evaluator(profile, batch, score, log=log)
    task = Task(space, macro, config.cell_counts, evaluator, config.seed, config.trials, progress)
    try:
        if not hopeless(task):
            algorithm_named(config.algorithm)(task)
        if best_of(evaluator.candidates) is None:  # chance missed it, or nothing fits
            evaluator.rated([c.architecture for c in smallest_networks(task)[:1]], progress, "smallest network")
        best, finalists = decided(task, dataset, profile, config, folder / "finalists")
    finally:
        log.close()
    return result(best, finalists, task, profile)


def decided(
    task: Task, dataset: Dataset, profile: Profile, config: SearchConfig, folder: Path
) -> tuple[Candidate, list[Finalist]]:
    """The candidate with the best score, or the one that wins when the best few are trained; and those that were."""
    best = best_of(task.evaluator.candidates)
    if best is None:
        raise does_not_fit(smallest_networks(task)[0], profile)
    if config.finalists > 1:
        scored = sorted((c for c in task.evaluator.candidates if c.score is not None), key=rank, reverse=True)
        chosen = scored[: config.finalists]
        finalists = halved(chosen, dataset, profile, config.finalist_epochs, config.seed, folder, task.progress)
        return next(c for c in chosen if c.architecture == finalists[0].architecture), finalists
    if config.baseline_images and len(dataset.train) >= MANY_IMAGES:
        return proven(best, task, dataset, config.baseline_images, profile, folder, task.progress)
    return best, []


def result(best: Candidate, finalists: Sequence[Finalist], task: Task, profile: Profile) -> SearchResult:
    """The winner with its circumstances."""
    rated: Sequence[Candidate] = task.evaluator.candidates
    stopped_by, because = why_not_wider(best, task)
    return SearchResult(
        architecture=best.architecture,
        score=best.score or 0.0,
        score_name=task.evaluator.score.name,
        region_bytes=best.region_bytes,
        budget_bytes={name: region.available_bytes for name, region in profile.memory.items()},
        synaptic_operations=best.synaptic_operations,
        candidates_considered=task.evaluator.considered,
        candidates_over_budget=task.evaluator.over_budget,
        candidates_scored=sum(c.score is not None for c in rated),
        stopped_by=stopped_by,
        stopped_because=because,
        pareto=pareto_front(rated, sorted(best.region_bytes, key=lambda name: -use_of(name, best, profile))),
        finalists=tuple(finalists),
    )


def macro_choices(dataset: Dataset, profile: Profile, config: SearchConfig) -> MacroChoices:
    """What may be chosen around the cells for this dataset on this target."""
    allowed = sorted(profile.network.weight_bits, reverse=True)
    bits = tuple(b for b in allowed if config.weight_bits is None or b in config.weight_bits)
    channels = tuple(c for c in LADDER if config.min_channels <= c <= config.max_channels) or (config.min_channels,)
    if not bits:
        raise ConfigurationError(
            f"{profile.name} takes weights of {', '.join(map(str, allowed))} bits, none of those asked for"
        )
    return MacroChoices(
        input_shape=dataset.input_shape,
        classes=dataset.classes,
        timesteps=config.timesteps,
        spiking_input=dataset.spiking,
        channels=channels,
        weight_bits=bits,
        head_pools=config.head_pools,
        stem_strides=config.stem_strides,
        hidden=config.hidden,
        max_synaptic_operations=config.most_operations(dataset.input_shape),
        min_gain=config.min_gain,
    )


def with_thresholds(operations: Sequence[str], thresholds: Sequence[float]) -> list[str]:
    """Each convolution at each threshold, the other operations as they are."""
    return [
        operation + ("" if theta == 1 or not operation.startswith("conv") else f"@{theta:g}")
        for operation in operations
        for theta in (thresholds if operation.startswith("conv") else (1.0,))
    ]


def feedback_on(profile: Profile, config: SearchConfig) -> bool:
    """Whether feedback edges are searched: asked for, and within what the target runs."""
    if config.feedback and "feedback" not in profile.network.operations:
        raise ConfigurationError(
            f"{profile.name} does not run feedback edges", "search without feedback for this target"
        )
    return config.feedback


def algorithm_named(name: AlgorithmName) -> Algorithm:
    """The function behind a name."""
    functions: dict[AlgorithmName, Algorithm] = {
        "cell_by_cell": cell_by_cell.search,
        "random": random_search.search,
        "evolutionary": evolutionary.search,
    }
    return functions[name]
