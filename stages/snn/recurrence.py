"""The integer recurrence in torch: whole numbers held in floating point, differentiable, and exactly those of the reference.

Comes in: a network, its integers as tensors, inputs. Goes out: spikes, scores and, if asked for, every membrane potential. The
integer phase of training runs this on numbers that it derives from real-valued weights; given a finished network's own
integers it is one more executor of that network, which is how its arithmetic is tested against `targets.reference`.

Exactness: float32 holds whole numbers up to 2**24. Where the largest possible current (of the weights as they are) stays
below, convolutions and sums run in float32, else in float64; each node decides the same for its potentials. Sums of whole
numbers are exact in any order, but only with true multiplications: on a GPU, TF32 and Winograd have to be off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from spikingjelly.activation_based import functional, surrogate
from torch import Tensor, nn

from stages.snn.float_network import by_step, enter, key
from stages.snn.neurons import FLOAT32_EXACT, IntegerNode
from stages.snn.wiring import Spikes, apply, walk
from targets.errors import ConfigurationError
from targets.network import Connection, Network, Pool, Population
from targets.reference import Trace


@dataclass(frozen=True)
class Integers:
    """The whole numbers of a network as tensors, by name; vectors per channel broadcast over [C, H, W] or [N]."""

    weights: Mapping[str, Tensor]
    #: Of every population that fires, except those that only pool: they have the threshold 0.
    thresholds: Mapping[str, Tensor]
    #: Of every population, with the same exception.
    biases: Mapping[str, Tensor]

    @classmethod
    def of(cls, network: Network) -> Integers:
        """Those of a network with values.

        Raises:
            ConfigurationError: the network has no values.
        """
        if not network.has_values:
            raise ConfigurationError("this integer network has shapes only and cannot be run", "train it first")
        return cls(
            {w.name: _tensor(w.values) for w in network.weights},
            {p.name: per_channel(_tensor(p.threshold), p) for p in network.populations if p.fires},
            {p.name: per_channel(_tensor(p.bias), p) for p in network.populations},
        )


def per_channel(values: Tensor, population: Population) -> Tensor:
    """A vector per channel, shaped so that it broadcasts over the population's neurons."""
    return values.reshape(-1, *(1 for _ in population.shape[1:]))


class Recurrence(nn.Module):
    """The LIF nodes of all populations, and their run over T steps."""

    def __init__(self, network: Network, surrogate_function: surrogate.SurrogateFunctionBase | None = None) -> None:
        super().__init__()
        self.network = network.without_values()
        self.nodes = nn.ModuleDict()
        for population in network.populations:
            self.nodes[key(population.name)] = IntegerNode(
                population.neuron, population.fires, surrogate_function, timesteps=network.timesteps
            )

    def forward(self, inputs: Tensor, integers: Integers) -> tuple[Spikes, Tensor, Tensor]:
        """Spikes [T, N, *shape] by population, the readout's potentials [N, *shape] at the end, its currents [T, N, classes]."""
        functional.reset_net(self)
        run = _Run(self, integers, largest(self.network, integers), [])
        spikes = walk(self.network, enter(self.network, inputs), run)
        readout = self.network.readout
        return spikes, self.node(readout).v, by_step(run.arrived, readout, self.network.timesteps)

    def node(self, population: Population) -> IntegerNode:
        """The LIF node of a population."""
        return cast(IntegerNode, self.nodes[key(population.name)])

    @torch.no_grad()
    def trace(self, inputs: NDArray[np.uint8], integers: Integers) -> Trace:
        """All spikes and membrane potentials of a run, as `targets.reference.run` returns them."""
        for node in self.nodes.values():
            cast(IntegerNode, node).store_v_seq = True
        spikes, scores, _ = self(torch.tensor(inputs), integers)
        membranes = {}
        for population in self.network.populations:
            stored = self.node(population).v_seq
            if stored is None:  # a population that only pools: its potential is 0 unless it fires, and then reset
                stored = torch.zeros_like(spikes[population.name])
            membranes[population.name] = stored.numpy().astype(np.int32)
        for node in self.nodes.values():
            cast(IntegerNode, node).store_v_seq = False
        return Trace(
            {name: fired.numpy().astype(np.uint8) for name, fired in spikes.items()},
            membranes,
            scores.flatten(1).numpy().astype(np.int32),
        )


def largest(network: Network, integers: Integers) -> dict[str, float]:
    """By population, the largest magnitude that its current, bias included, can reach with these integers."""
    rows = {name: float(values.detach().abs().flatten(1).sum(1).max()) for name, values in integers.weights.items()}

    def delivered(connection: Connection) -> float:
        if connection.weight is not None:
            fan_in = rows[connection.weight]
        else:
            fan_in = connection.operation.kernel**2 if isinstance(connection.operation, Pool) else 1
        return fan_in * (network.levels_of(connection.source) - 1) * abs(connection.multiplier)

    def bias(population: Population) -> float:
        values = integers.biases.get(population.name)
        return 0.0 if values is None else float(values.detach().abs().max())

    return {p.name: sum(map(delivered, network.into(p.name))) + bias(p) for p in network.populations}


@dataclass(frozen=True)
class _Run:
    """The integer phase of `stages.snn.wiring`, for one run."""

    recurrence: Recurrence
    integers: Integers
    largest: Mapping[str, float]
    #: What has reached the readout, bias included.
    arrived: list[Tensor]

    def deliver(self, connection: Connection, values: Tensor) -> Tensor:
        """The operation of a connection in whole numbers."""
        sums = torch.float32 if max(self.largest.values()) < FLOAT32_EXACT else torch.float64
        weight = None if connection.weight is None else self.integers.weights[connection.weight].to(sums)
        return apply(connection, values.to(sums), weight)

    def gain(self, connection: Connection) -> float:
        """The multiplier."""
        return connection.multiplier

    def pools(self, population: Population) -> bool:
        """A population without a threshold takes the maximum of its window."""
        return population.fires and population.name not in self.integers.thresholds

    def fire(self, population: Population, current: Tensor, step_mode: str) -> Tensor:
        """Spikes of the population's node."""
        node, name = self.recurrence.node(population), population.name
        node.step_mode = step_mode
        node.wide = not node.float32_is_exact(self.largest[name], self.recurrence.network.timesteps)
        bias = self.integers.biases[name]
        if not population.fires:
            self.arrived.append(current + bias)
        threshold = (self.integers.thresholds[name],) if population.fires else ()
        spikes: Tensor = node(current, *threshold, bias)
        return spikes


def _tensor(values: NDArray[np.integer] | None) -> Tensor:
    return torch.from_numpy(np.asarray(values).astype(np.float64))
