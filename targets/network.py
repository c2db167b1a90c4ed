"""The integer network: populations of neurons and the connections between them, with or without weight values.

Goes in: shapes, bits and, once trained, integers. Comes out: the one description that training computes, that every
estimator sizes and that every exporter writes. Why: all targets run this network and produce identical spikes.

One step of a population, for every neuron (`targets.reference` executes it, each exporter writes it):

    current = wrap((sum over connections of multiplier * operation(spikes)) << F)      wrap only where current_bits is set
    v       = clip(trunc0(v * keep / 2**keep_shift) + current + (bias << F), -limit, limit)
    spike   = v > (threshold << F)                                                     strict
    v       = 0 where spike                                                            hard reset

trunc0 rounds toward zero, limit is 2**(state_bits - 1) - 1. A population that does not fire (the readout) keeps v for ever:
its membrane potential after the last step is the score of its class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from targets.errors import ConfigurationError

Integers = NDArray[np.int32]
Shape = tuple[int, ...]
Stored = TypeVar("Stored", bound=np.integer)


@dataclass(frozen=True)
class Neuron:
    """The leaky integrate-and-fire arithmetic of a population: leak keep / 2**keep_shift, F fraction bits, state width."""

    keep: int = 32
    keep_shift: int = 7
    fraction_bits: int = 0
    state_bits: int = 24
    #: Width at which the synaptic current wraps (Loihi: 24); None where it cannot overflow.
    current_bits: int | None = None

    @property
    def limit(self) -> int:
        """Largest magnitude of a membrane potential; beyond it the potential saturates."""
        return int(2 ** (self.state_bits - 1) - 1)

    @property
    def remembers(self) -> bool:
        """Whether any membrane potential survives a step (keep 0 makes a neuron memoryless)."""
        return self.keep > 0

    def problems(self) -> Iterator[str]:
        """What makes this arithmetic impossible, one sentence each."""
        if not 0 <= self.keep <= 2**self.keep_shift:
            yield f"keep {self.keep} is not within 0 and 2**keep_shift = {2**self.keep_shift}"
        if not 0 <= self.keep_shift <= 12:
            yield f"keep_shift {self.keep_shift} is not within 0 and 12"
        if not 0 <= self.fraction_bits <= 8:
            yield f"fraction_bits {self.fraction_bits} is not within 0 and 8"
        if not 8 <= self.state_bits <= 32:
            yield f"state_bits {self.state_bits} is not within 8 and 32"


#: The readout integrates without leak, in the widest state.
READOUT = Neuron(keep=1, keep_shift=0, state_bits=32)


@dataclass(frozen=True)
class Input:
    """What the network is fed: uint8 pixels, held for all steps (direct coding), or 0/1 spikes that change each step.

    A pixel enters as `pixel >> shift`: fewer bits of a pixel keep a first layer's membrane narrow.
    """

    shape: Shape
    spiking: bool = False
    shift: int = 0

    @property
    def levels(self) -> int:
        """One more than the largest value that enters the network."""
        return 2 if self.spiking else 256 >> self.shift


@dataclass(frozen=True, eq=False)
class Weight:
    """Signed integers of `bits` bits that one or several connections share: [out, in / groups, kh, kw] or [out, in]."""

    name: str
    shape: Shape
    bits: int
    #: Real value of every weight where it is not trained (average pooling over 3x3: 1/9).
    constant: float | None = None
    values: NDArray[np.int8] | None = None

    @property
    def size(self) -> int:
        """Number of weights."""
        return prod(self.shape)


@dataclass(frozen=True)
class Conv:
    """Two-dimensional convolution, zero padded; `groups` equal to the channels makes it depthwise."""

    stride: int = 1
    padding: int = 0
    groups: int = 1


@dataclass(frozen=True)
class Dense:
    """Every source neuron, flattened in C, H, W order, to every target neuron."""


@dataclass(frozen=True)
class Pool:
    """Number of spikes in each window of each channel (a sum: integers stay integers), zero padded."""

    kernel: int
    stride: int
    padding: int = 0


@dataclass(frozen=True)
class Identity:
    """Each source neuron to the target neuron of the same index."""


Operation = Conv | Dense | Pool | Identity


@dataclass(frozen=True)
class Connection:
    """A linear path from the spikes of `source` (a population or the input) into the current of `target`.

    Connections that name the same weight share it: a skip edge of a cell repeats the connections of the node that it
    skips from, it copies nothing. `delay` 1 makes spikes arrive one step later, which is how feedback is written.
    """

    source: str
    target: str
    operation: Operation
    weight: str | None = None
    multiplier: int = 1
    delay: int = 0


@dataclass(frozen=True, eq=False)
class Population:
    """Neurons that share one arithmetic. Threshold and bias are integers per channel, None until trained."""

    name: str
    shape: Shape
    neuron: Neuron = Neuron()
    #: A population that does not fire is the readout.
    fires: bool = True
    #: Threshold in units of the trained real-valued network; training turns it into the integer threshold.
    theta: float = 1.0
    #: Steps of the integer current per step of a weight, so that pixel and spike currents can be added as integers.
    resolution: int = 1
    threshold: Integers | None = None
    bias: Integers | None = None

    @property
    def size(self) -> int:
        """Number of neurons."""
        return prod(self.shape)

    @property
    def channels(self) -> int:
        """Length of the per-channel vectors; every neuron of a dense population is a channel."""
        return self.shape[0]


INPUT = "input"
"""The name by which a connection refers to the network's input."""


@dataclass(frozen=True, eq=False)
class Network:
    """Populations in the order of their computation, the connections between them and their weights, over `timesteps` steps.

    The last population is the readout. Construction checks everything and reports all problems at once.

    Raises:
        ConfigurationError: names, shapes, ranges or the order of computation contradict each other.
    """

    input: Input
    populations: tuple[Population, ...]
    connections: tuple[Connection, ...]
    weights: tuple[Weight, ...]
    timesteps: int

    def __post_init__(self) -> None:
        from targets.network_rules import problems

        found = list(problems(self))
        if found:
            raise ConfigurationError.from_problems("integer network", found)

    @cached_property
    def weight_of(self) -> Mapping[str, Weight]:
        """Weights by name."""
        return {weight.name: weight for weight in self.weights}

    @cached_property
    def population_of(self) -> Mapping[str, Population]:
        """Populations by name."""
        return {population.name: population for population in self.populations}

    @property
    def readout(self) -> Population:
        """The population whose final membrane potentials are the class scores."""
        return self.populations[-1]

    @property
    def has_values(self) -> bool:
        """Whether weights, thresholds and biases are known; if not, the network can be sized but not run."""
        return all(weight.values is not None for weight in self.weights) and all(
            population.bias is not None and (population.threshold is not None or not population.fires)
            for population in self.populations
        )

    @property
    def parameters(self) -> int:
        """Number of distinct weights, the figure that papers count."""
        return sum(weight.size for weight in self.weights)

    def into(self, population: str) -> Sequence[Connection]:
        """Connections that end in a population, in their stored order."""
        return [connection for connection in self.connections if connection.target == population]

    def out_of(self, source: str) -> Sequence[Connection]:
        """Connections that leave a population or the input, in their stored order."""
        return [connection for connection in self.connections if connection.source == source]

    def shape_of(self, source: str) -> Shape:
        """Shape [C, H, W] or [N] of a population or of the input."""
        return self.input.shape if source == INPUT else self.population_of[source].shape

    def levels_of(self, source: str) -> int:
        """One more than the largest value that a source emits."""
        return self.input.levels if source == INPUT else 2

    def with_values(
        self,
        weights: Mapping[str, NDArray[np.integer]],
        thresholds: Mapping[str, NDArray[np.integer]],
        biases: Mapping[str, NDArray[np.integer]],
    ) -> Network:
        """The same network with integers filled in, by the names of weights and populations."""
        return replace(
            self,
            weights=tuple(replace(w, values=_frozen(weights[w.name], np.int8)) for w in self.weights),
            populations=tuple(
                replace(
                    p,
                    threshold=_frozen(thresholds[p.name], np.int32) if p.fires else None,
                    bias=_frozen(biases[p.name], np.int32),
                )
                for p in self.populations
            ),
        )

    def without_values(self) -> Network:
        """The shapes and bits alone."""
        return replace(
            self,
            weights=tuple(replace(w, values=None) for w in self.weights),
            populations=tuple(replace(p, threshold=None, bias=None) for p in self.populations),
        )


def _frozen(values: NDArray[np.integer], dtype: type[Stored]) -> NDArray[Stored]:
    """A read-only copy in the storage type; a value that does not survive the conversion is refused, not wrapped."""
    copy = np.ascontiguousarray(values).astype(dtype)
    if not np.array_equal(copy, values):
        raise ConfigurationError(f"integer network: values outside the range of {np.dtype(dtype).name}")
    copy.setflags(write=False)
    return copy
