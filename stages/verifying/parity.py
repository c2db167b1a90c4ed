"""Compares two executions of one network value by value and names the first difference.

Comes in: two Traces of the same inputs, the golden one first. Goes out: counts that add up over batches, and where the two
part: the earliest step, there the earliest population in the order of computation, there the membrane potential before the
spike that it causes. That is the place to look for the fault; all later differences may only follow from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, NonNegativeInt

from targets.errors import ParityError
from targets.network import Network
from targets.reference import Trace

Array = NDArray[np.integer[Any]]


class Difference(BaseModel):
    """One value that differs."""

    model_config = ConfigDict(frozen=True)

    quantity: str
    population: str
    step: NonNegativeInt
    #: Index within the population's shape.
    neuron: tuple[NonNegativeInt, ...]
    sample: NonNegativeInt
    expected: int
    actual: int

    def __str__(self) -> str:
        place = f"population {self.population!r}, step {self.step}, neuron {list(self.neuron)}, sample {self.sample}"
        return f"{self.quantity} at {place}: expected {self.expected}, got {self.actual}"


class Parity(BaseModel):
    """Counts over all samples, steps and populations. Scores are what the executor returns, not its last membranes."""

    model_config = ConfigDict(frozen=True)

    samples: NonNegativeInt = 0
    steps: NonNegativeInt = 0
    spikes_compared: NonNegativeInt = 0
    #: How many of the compared spikes are 1 in the golden run: comparing zeros alone proves nothing.
    spikes_fired: NonNegativeInt = 0
    spikes_differing: NonNegativeInt = 0
    membranes_compared: NonNegativeInt = 0
    membranes_differing: NonNegativeInt = 0
    scores_differing: NonNegativeInt = 0
    predictions_differing: NonNegativeInt = 0
    first_difference: Difference | None = None

    @property
    def holds(self) -> bool:
        """Whether nothing differs."""
        return not (
            self.spikes_differing or self.membranes_differing or self.scores_differing or self.predictions_differing
        )

    def plus(self, other: Parity) -> Parity:
        """The counts of two batches, this one the earlier."""
        return Parity(
            steps=max(self.steps, other.steps),
            first_difference=self.first_difference or other.first_difference,
            **{name: getattr(self, name) + getattr(other, name) for name in _SUMMED},
        )


_SUMMED = tuple(name for name in Parity.model_fields if name not in ("steps", "first_difference"))


def compare_traces(network: Network, golden: Trace, actual: Trace, first_sample: int = 0) -> Parity:
    """Counts of one batch, whose first sample has the index `first_sample` in the whole set.

    Raises:
        ParityError: the actual trace lacks a population or has another shape, so that nothing can be compared.
    """
    problems = list(_shape_problems(golden, actual))
    if problems:
        raise ParityError("traces cannot be compared: " + "; ".join(problems), "the family's execute door is at fault")
    spikes = {name: golden.spikes[name] != actual.spikes[name] for name in golden.spikes}
    membranes = {name: golden.membranes[name] != actual.membranes[name] for name in golden.membranes}
    return Parity(
        samples=len(golden.scores),
        steps=network.timesteps,
        spikes_compared=sum(different.size for different in spikes.values()),
        spikes_fired=sum(int(fired.sum(dtype=np.int64)) for fired in golden.spikes.values()),
        spikes_differing=_count(spikes),
        membranes_compared=sum(different.size for different in membranes.values()),
        membranes_differing=_count(membranes),
        scores_differing=int((golden.scores != actual.scores).sum()),
        predictions_differing=int((golden.predictions != actual.predictions).sum()),
        first_difference=_first(network, golden, actual, first_sample),
    )


def require_parity(parity: Parity) -> None:
    """Raises:
    ParityError: anything differs.
    """
    if not parity.holds:
        raise ParityError(
            f"the artifact differs from the trained network in {parity.spikes_differing:,} of {parity.spikes_compared:,} spikes, "
            f"{parity.membranes_differing:,} of {parity.membranes_compared:,} membrane potentials and "
            f"{parity.predictions_differing:,} of {parity.samples:,} predictions",
            f"first: {parity.first_difference}",
        )


def _shape_problems(golden: Trace, actual: Trace) -> Iterator[str]:
    for quantity in ("spikes", "membranes"):
        expected, found = getattr(golden, quantity), getattr(actual, quantity)
        for name in expected:
            if name not in found:
                yield f"{quantity} of {name!r} are missing"
            elif expected[name].shape != found[name].shape:
                yield f"{quantity} of {name!r} have shape {found[name].shape}, not {expected[name].shape}"
    if golden.scores.shape != actual.scores.shape:
        yield f"scores have shape {actual.scores.shape}, not {golden.scores.shape}"


def _count(differing: dict[str, NDArray[np.bool_]]) -> int:
    return sum(int(different.sum()) for different in differing.values())


def _first(network: Network, golden: Trace, actual: Trace, first_sample: int) -> Difference | None:
    for step in range(network.timesteps):
        for population in network.populations:
            name = population.name
            for quantity in ("membranes", "spikes"):
                if name not in getattr(golden, quantity):
                    continue
                expected, found = (getattr(trace, quantity)[name][step] for trace in (golden, actual))
                if not np.array_equal(expected, found):
                    return _difference(quantity, name, step, expected, found, first_sample)
    if not np.array_equal(golden.scores, actual.scores):
        last = network.timesteps - 1
        return _difference("scores", network.readout.name, last, golden.scores, actual.scores, first_sample)
    return None


def _difference(quantity: str, name: str, step: int, expected: Array, found: Array, first_sample: int) -> Difference:
    place = tuple(int(index) for index in np.argwhere(expected != found)[0])
    return Difference(
        quantity=quantity.removesuffix("s"),
        population=name,
        step=step,
        neuron=place[1:],
        sample=first_sample + place[0],
        expected=int(expected[place]),
        actual=int(found[place]),
    )
