"""Profiles for tests: a shipped board with another core, schedule or compiler."""

from __future__ import annotations

from functools import cache
from typing import Any

from targets.profile import Profile, load_profile


@cache
def shipped(name: str) -> Profile:
    return load_profile(name)


def board(name: str = "nucleo_f446re", **settings: Any) -> Profile:
    """A shipped profile with some settings of its [cortex_m] table replaced."""
    profile = shipped(name)
    return profile.model_copy(update={"settings": profile.settings.model_copy(update=settings)})
