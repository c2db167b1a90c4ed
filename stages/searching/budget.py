"""A user's own budget in place of a profile's memory. Comes in: a profile and bytes by region. Goes out: a profile."""

from __future__ import annotations

from collections.abc import Mapping

from targets.errors import ConfigurationError
from targets.profile import Profile


def with_budget(profile: Profile, budget: Mapping[str, int]) -> Profile:
    """The profile with `budget[region]` bytes available in each region that the budget names.

    Raises:
        ConfigurationError: a region that the profile does not have, or a size that is not positive; all at once.
    """
    problems = [
        f"{region} is not a memory region of {profile.name}, which has {', '.join(profile.memory)}"
        for region in budget
        if region not in profile.memory
    ]
    problems += [f"{region}: {size} bytes is no budget" for region, size in budget.items() if size <= 0]
    if problems:
        raise ConfigurationError.from_problems("budget", problems)
    memory = {
        name: region.model_copy(update={"total": budget[name] + region.reserved}) if name in budget else region
        for name, region in profile.memory.items()
    }
    return profile.model_copy(update={"memory": memory})
