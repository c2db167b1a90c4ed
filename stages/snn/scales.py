"""The real size of one integer step, shared by all weights of tied populations: a `scaling_impl` for Brevitas.

Populations that share a weight, directly or through others, add integers of the same size, so one scale u per channel (or
one for all channels) serves all their weights: w is stored as round(w / u). Brevitas can share a quantizer between layers,
but only between layers of equal bits, and its scale knows the weights alone. Here u is the least that lets everything fit:

    weights      |w| <= u (2**(bits - 1) - 1)
    thresholds   theta resolution <= u * largest threshold
    biases       |b| resolution <= u * largest bias
    membranes    reach <= u * largest membrane potential

reach is what a membrane potential can come to in the worst case, over all inputs (`reach_of`). A narrow membrane therefore
costs weight bits where it must, and never saturates. Gradients flow through the weights' part, as in Brevitas' own
`Int8WeightPerChannelFloat`; the others act as constants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from targets.network import Network, Population, Weight

SMALLEST = 1e-8
"""Lower bound of a scale, for channels whose weights are all zero."""


@dataclass(frozen=True)
class Tie:
    """Populations that must share one scale, and the weights that feed them."""

    populations: tuple[Population, ...]
    weights: tuple[Weight, ...]


@dataclass(frozen=True)
class Limits:
    """Largest magnitudes that a target can store, where they are below what the membrane potential can hold."""

    threshold: int | None = None
    bias: int | None = None


def ties(network: Network) -> list[Tie]:
    """The classes of tied populations; populations without weights are in none."""
    groups: list[tuple[set[str], set[str]]] = []
    for population in network.populations:
        weights = {c.weight for c in network.into(population.name) if c.weight is not None}
        if not weights:
            continue
        names = {population.name}
        for group in [g for g in groups if g[1] & weights]:
            groups.remove(group)
            names, weights = names | group[0], weights | group[1]
        groups.append((names, weights))
    return [
        Tie(
            tuple(p for p in network.populations if p.name in names),
            tuple(w for w in network.weights if w.name in weights),
        )
        for names, weights in groups
    ]


class SharedScale(nn.Module):
    """The scale of a tie, [channels] or [1]. Brevitas calls it with a weight and gets it shaped for that weight.

    Args:
        network: The network that the tie is part of.
        tie: The class of tied populations.
        weights: Real-valued parameters by name; looked up at every call, owned by the layers.
        biases: Real-valued bias [channels] by population, likewise.
        scalar: One scale for all channels.
        limits: What the target can store.
    """

    def __init__(
        self,
        network: Network,
        tie: Tie,
        weights: Mapping[str, Tensor],
        biases: Mapping[str, Tensor],
        scalar: bool,
        limits: Limits,
    ) -> None:
        super().__init__()
        self.network, self.tie, self.scalar, self.limits = network, tie, scalar, limits
        # tuples hide the parameters from torch: they belong to the layers, not to the scale
        self.weights = tuple((weight, weights[weight.name]) for weight in tie.weights)
        self.biases = tuple((population, biases[population.name]) for population in tie.populations)

    def forward(self, weight: Tensor, _int_threshold: Tensor | None = None) -> Tensor:
        """The scale, broadcastable over a weight. Brevitas' integer threshold is accounted for in `unit`."""
        return self.unit().reshape(-1, *(1 for _ in weight.shape[1:]))

    def unit(self) -> Tensor:
        """The scale per channel [channels], or [1] if scalar."""
        needs = [values.abs().flatten(1).amax(1) / (2 ** (weight.bits - 1) - 1) for weight, values in self.weights]
        with torch.no_grad():
            floors = [floor for population, bias in self.biases for floor in self.floors(population, bias)]
        unit = torch.stack([*needs, *floors]).amax(0)
        return (unit.amax(0, keepdim=True) if self.scalar else unit).clamp(min=SMALLEST)

    def floors(self, population: Population, bias: Tensor) -> Sequence[Tensor]:
        """What thresholds, biases and membrane potentials of a population need."""
        if not population.fires:
            return []
        wanted = bias.abs() * population.resolution
        room = population.neuron.limit / 2**population.neuron.fraction_bits
        threshold = population.theta * population.resolution
        floors = [torch.full_like(bias, threshold / (self.limits.threshold or room))]
        floors.append(wanted / (self.limits.bias or room))
        reach, rounding = self.reach_of(population, bias)
        floors.append(reach / max(room - rounding, room / 2))
        return floors

    def reach_of(self, population: Population, bias: Tensor) -> tuple[Tensor, float]:
        """Largest membrane potential of either sign over all inputs, in units of the scale, and by how much rounding adds.

        Upwards one step's current adds to at most keep * threshold, downwards currents add up over T steps:
        v <= keep theta + I_max,  v >= (1 + keep + ... + keep**(T - 1)) I_min.
        """
        weights = {weight.name: values for weight, values in self.weights}
        highest = lowest = torch.zeros_like(bias)
        rounding = 1.0
        for connection in self.network.into(population.name):
            if connection.weight is None:
                continue
            rows = weights[connection.weight].flatten(1) * connection.multiplier
            largest = self.network.levels_of(connection.source) - 1
            highest = highest + largest * rows.clamp(min=0).sum(1)
            lowest = lowest + largest * rows.clamp(max=0).sum(1)
            rounding += 0.5 * rows.shape[1] * largest * abs(connection.multiplier)
        shift = bias * population.resolution
        keep = population.neuron.keep / 2**population.neuron.keep_shift
        upwards = highest + shift.clamp(min=0) + keep * population.theta * population.resolution
        downwards = (lowest + shift.clamp(max=0)) * sum(keep**step for step in range(self.network.timesteps))
        return torch.maximum(upwards, -downwards), rounding
