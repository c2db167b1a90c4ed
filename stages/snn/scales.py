"""The real size of one integer step, shared by all weights of tied populations: a `scaling_impl` for Brevitas.

Populations that share a weight, directly or through others, add integers of the same size, so one scale u per channel (or
one for all channels) serves all their weights: w is stored as round(w / u). Brevitas can share a quantizer between layers,
but only between layers of equal bits, and its scale knows the weights alone. Here u is the least that lets everything fit:

    weights      |w| <= u (2**(bits - 1) - 1), or where it is less, u = 2 mean |w| / sqrt(2**(bits - 1) - 1)
    thresholds   theta resolution <= u * largest threshold
    biases       |b| resolution (+ what pixels add, if they enter through the bias) <= u * largest bias
    membranes    reach <= u * largest membrane potential

The mean replaces the maximum at 2 bits only, where the few largest weights would turn all others into zeros; it is the
initial step of learned step size quantization (Esser et al. 2020, arXiv 1902.08153), and weights beyond it are clipped.
reach is what a membrane potential can come to in the worst case, over all inputs (`floors`). A narrow membrane therefore
costs weight bits where it must, and never saturates. Gradients flow through the weights' part, as in Brevitas' own
`Int8WeightPerChannelFloat`; the others act as constants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from targets.network import INPUT, Connection, Network, Population, Weight

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
    #: Whether the current of constant pixels is written into the bias, and counts there.
    pixels_in_bias: bool = False


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
        needs = [_step(values.flatten(1).abs(), 2 ** (weight.bits - 1) - 1) for weight, values in self.weights]
        with torch.no_grad():
            floors = [floor for population, bias in self.biases for floor in self.floors(population, bias)]
        unit = torch.stack([*needs, *floors]).amax(0)
        return (unit.amax(0, keepdim=True) if self.scalar else unit).clamp(min=SMALLEST)

    def floors(self, population: Population, bias: Tensor) -> Sequence[Tensor]:
        """What thresholds, biases and membrane potentials of a population need."""
        if not population.fires:
            return []
        room = population.neuron.limit / 2**population.neuron.fraction_bits
        keep = population.neuron.keep / 2**population.neuron.keep_shift
        threshold, shift = population.theta * population.resolution, bias * population.resolution
        incoming = self.network.into(population.name)
        drive = self.drive(incoming, bias)
        # upwards a step's current adds to at most keep * threshold, downwards the currents of T steps add up:
        # v <= keep theta + I_max,  v >= (1 + keep + ... + keep**(T - 1)) I_min
        upwards = drive.high + shift.clamp(min=0) + keep * threshold
        downwards = (shift.clamp(max=0) + drive.low) * sum(keep**step for step in range(self.network.timesteps))
        stored, rounding = shift.abs(), 0.0
        if self.limits.pixels_in_bias and not self.network.input.spiking:
            pixels = self.drive([c for c in incoming if c.source == INPUT], bias)
            stored = stored.amax() + torch.maximum(pixels.high, -pixels.low).amax().expand_as(bias)
            rounding = pixels.rounding
        return [
            torch.full_like(bias, threshold / (self.limits.threshold or room)),
            _least(stored, self.limits.bias or room, rounding),
            _least(torch.maximum(upwards, -downwards), room, drive.rounding),
        ]

    def drive(self, connections: Sequence[Connection], like: Tensor) -> _Drive:
        """What connections can deliver in one step, over all inputs."""
        weights = {weight.name: values for weight, values in self.weights}
        high = low = torch.zeros_like(like)
        rounding = 1.0
        for connection in connections:
            if connection.weight is not None:
                rows = weights[connection.weight].flatten(1) * connection.multiplier
                largest = self.network.levels_of(connection.source) - 1
                high = high + largest * rows.clamp(min=0).sum(1)
                low = low + largest * rows.clamp(max=0).sum(1)
                rounding += 0.5 * rows.shape[1] * largest * abs(connection.multiplier)
        return _Drive(high, low, rounding)


@dataclass(frozen=True)
class _Drive:
    """Greatest and least current per channel in weight units, and by how many integers rounding may exceed them."""

    high: Tensor
    low: Tensor
    rounding: float


def _least(wanted: Tensor, largest: float, rounding: float) -> Tensor:
    """The least scale at which `wanted` fits into integers up to `largest`, rounding included where that is possible."""
    return wanted / max(largest - rounding, largest / 2)


def _step(magnitudes: Tensor, levels: int) -> Tensor:
    """The scale that weights [channels, ...] of so many positive levels ask for."""
    return torch.minimum(magnitudes.amax(1) / levels, 2 * magnitudes.mean(1) / levels**0.5)
