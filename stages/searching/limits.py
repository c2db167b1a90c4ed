"""Why a search ended where it did: what keeps the winner from being wider, or why nothing fits at all.

Comes in: the winner, or a task that found none. Goes out: a reason with a sentence for people, or the error to raise.
"""

from __future__ import annotations

from typing import Literal

from stages.searching.algorithm import Task
from stages.searching.candidates import Candidate
from stages.searching.macro import gain_per_doubling
from targets.errors import DoesNotFitError
from targets.profile import Profile
from targets.sizes import format_size

StoppedBy = Literal["memory", "score", "compute"]


def why_not_wider(best: Candidate, task: Task) -> tuple[StoppedBy, str]:
    """What the next wider version of an architecture would exceed."""
    macro, channels = task.macro, best.architecture.channels
    wider = next((c for c in macro.channels if c > channels), None)
    if wider is None:
        return "compute", f"{channels} channels are the most that the preset allows"
    candidate = task.evaluator.sized(best.architecture.model_copy(update={"channels": wider}))
    if candidate.obstacles:
        return "memory", f"{wider} channels would not fit: {candidate.obstacles[0]}"
    limit = macro.max_synaptic_operations
    if candidate.synaptic_operations > limit:
        needed = f"{candidate.synaptic_operations:,} synaptic operations an inference"
        return "compute", f"{wider} channels would need {needed}, the preset allows {limit:,}"
    gain = gain_per_doubling(channels, wider)
    return (
        "score",
        f"another doubling of the {channels} channels would gain {gain:.2f} points, the preset asks for {macro.min_gain:g}",
    )


def does_not_fit(task: Task, profile: Profile) -> DoesNotFitError:
    """The error for a target on which nothing fits: the region, the shortage, and the smallest network possible."""
    small = [c for c in task.evaluator.candidates if c.region_bytes]
    if not small:
        reasons = sorted({obstacle for c in task.evaluator.candidates for obstacle in c.obstacles})
        return DoesNotFitError(
            f"{profile.name} runs no network of this space: {'; '.join(reasons[:3])}",
            "widen the profile's [network] table",
        )

    def shortage(candidate: Candidate) -> float:
        return max(used / profile.memory[region].available_bytes for region, used in candidate.region_bytes.items())

    smallest = min(small, key=shortage)
    lines = [
        f"{region}: needs {format_size(used)}, {format_size(profile.memory[region].available_bytes)} available, "
        f"{format_size(used - profile.memory[region].available_bytes)} too much"
        for region, used in smallest.region_bytes.items()
        if used > profile.memory[region].available_bytes
    ]
    a = smallest.architecture
    network = f"{len(a.cells)} cell {a.cells[0]}, {a.channels} channels, {a.weight_bits}-bit weights"
    what_would = ", ".join(f"{region}={used}" for region, used in smallest.region_bytes.items())
    return DoesNotFitError(
        f"no network fits {profile.name}; the smallest possible ({network}) exceeds\n  - " + "\n  - ".join(lines),
        f"it would fit a budget of {what_would} (bytes); fewer pixels, classes or time steps make it smaller",
    )
