"""Why a search ended where it did: what keeps the winner from being wider, or why nothing fits at all.

Comes in: the winner, or a task that found none. Goes out: a reason with a sentence for people, or the error to raise; before a
search, whether it can find anything at all.
"""

from __future__ import annotations

from math import inf
from typing import Literal

from stages.searching.algorithm import Task
from stages.searching.baseline import PLAIN_CELL
from stages.searching.candidates import Candidate, Evaluator
from stages.searching.cell_by_cell import entry_cells
from stages.searching.macro import at_width, fills_words, gain_per_doubling
from targets.errors import DoesNotFitError
from targets.profile import Profile
from targets.sizes import format_size

#: Cells among which the smallest network is looked for.
LEANEST = 4
#: The share of the least bytes of plain chains that is taken to be needed by whatever a cell holds.
CERTAIN = 0.9
StoppedBy = Literal["memory", "score", "compute"]


def why_not_wider(best: Candidate, task: Task) -> tuple[StoppedBy, str]:
    """What the next wider versions of an architecture would exceed, up to the one whose channels fill words again."""
    macro, channels = task.macro, best.architecture.channels
    wider = [c for c in macro.channels if c > channels]
    if not wider:
        return "compute", f"{channels} channels are the most that the preset allows"
    last = next(filter(fills_words, wider), wider[0])
    for more in (c for c in wider if c <= last):
        candidate = task.evaluator.sized(at_width(best.architecture, more))
        if candidate.obstacles:
            return "memory", f"{more} channels would not fit: {candidate.obstacles[0]}"
    limit = macro.max_synaptic_operations
    if candidate.synaptic_operations > limit:
        needed = f"{candidate.synaptic_operations:,} synaptic operations an inference"
        return "compute", f"{last} channels would need {needed}, the preset allows {limit:,}"
    gain = gain_per_doubling(channels, last)
    return (
        "score",
        f"another doubling of the {channels} channels would gain {gain:.2f} points, the preset asks for {macro.min_gain:g}",
    )


def hopeless(task: Task) -> bool:
    """Whether some region is too small for every network of the space, known from a few sizes.

    A cell that hands its current on adds nothing of its own, so networks of such cells, at the fewest channels and whatever is
    chosen around them, bound all others. Each region has its own least one. The bound is the estimators' and not a theorem: a
    pool that is computed with the layer before it can cost the plain chain more working memory than a cell between both
    would. Therefore the least over all choices counts, and only `CERTAIN` of it. Nearer to the edge, and where a target's rules
    refuse one of these chains, the answer is False and the search finds out.
    """
    profile = task.evaluator.profile
    apart = Evaluator(profile, task.evaluator.batch, task.evaluator.score)  # what is sized here was not considered
    least: dict[str, int] = {}
    for count in task.cell_counts:
        for variant in reversed(task.macro.variants((PLAIN_CELL,) * count)):  # the least capable first: small, mostly
            chain = apart.sized(variant)
            if not chain.region_bytes:
                return False
            for region, used in chain.region_bytes.items():
                least[region] = min(used, least.get(region, used))
            if all(CERTAIN * used <= profile.memory[region].available_bytes for region, used in least.items()):
                return False
    return bool(least)


def smallest_networks(task: Task) -> list[Candidate]:
    """The leanest cells in every macro-architecture at the fewest channels, least excess over the target first."""
    cells = sorted(entry_cells(task.space), key=lambda c: sum(e.operation.kernel**2 for e in c.edges))[:LEANEST]
    architectures = [
        variant for cell in cells for count in task.cell_counts for variant in task.macro.variants((str(cell),) * count)
    ]
    return sorted((task.evaluator.sized(a) for a in architectures), key=lambda c: excess(c, task.evaluator.profile))


def excess(candidate: Candidate, profile: Profile) -> float:
    """Use of the fullest region as a fraction of what is available; infinite where the target cannot run the network."""
    return max((use_of(region, candidate, profile) for region in candidate.region_bytes), default=inf)


def use_of(region: str, candidate: Candidate, profile: Profile) -> float:
    """The fraction of what is available of a region that a candidate takes."""
    return candidate.region_bytes[region] / profile.memory[region].available_bytes


def does_not_fit(smallest: Candidate, profile: Profile) -> DoesNotFitError:
    """The error for a target on which nothing fits: the region, the shortage, and the smallest network possible."""
    if not smallest.region_bytes:
        reasons = "; ".join(smallest.obstacles[:3])
        return DoesNotFitError(
            f"{profile.name} runs no network of this space: {reasons}", "widen the profile's [network] table"
        )
    lines = [
        f"{region}: needs {format_size(used)}, {format_size(profile.memory[region].available_bytes)} available, "
        f"{format_size(used - profile.memory[region].available_bytes)} too much"
        for region, used in smallest.region_bytes.items()
        if used > profile.memory[region].available_bytes
    ]
    a = smallest.architecture
    network = f"{len(a.cells)} x {a.cells[0]}, {a.channels} channels, {a.weight_bits}-bit weights"
    enough = ", ".join(f"{region}={used}" for region, used in smallest.region_bytes.items())
    return DoesNotFitError(
        f"no network fits {profile.name}; the smallest possible ({network}) exceeds\n  - " + "\n  - ".join(lines),
        f"it would fit a budget of {enough} (bytes); fewer pixels, classes or time steps make it smaller",
    )
