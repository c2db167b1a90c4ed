"""Names and shapes at the border of the graph: what a caller feeds, reads back and may look at."""

from __future__ import annotations

from typing import Literal

from targets.network import Shape

Form = Literal["step", "whole"]
FORMS: tuple[Form, ...] = ("step", "whole")
SCORES = "scores"


def layout(shape: Shape) -> tuple[int, ...]:
    """Shape of one sample inside the graph: [1, C, H, W]; a vector of N is [1, N, 1, 1], so that nothing is reshaped."""
    return (1, *shape, *(1,) * (3 - len(shape)))


def membrane(population: str) -> str:
    """State input of the step form: membrane potentials after the last step."""
    return f"{population}.membrane"


def previous_spikes(population: str) -> str:
    """State input of the step form: spikes of the last step, where a delayed connection needs them."""
    return f"{population}.previous"


def spikes(population: str) -> str:
    """Spikes of this step, as 0 and 1 in uint8."""
    return f"{population}.spikes"


def potential(population: str) -> str:
    """Membrane potential of this step before the reset."""
    return f"{population}.potential"


def following(state: str) -> str:
    """The output of the step form that is fed to the input `state` in the next step."""
    return f"{state}.next"
