"""One walk through the populations of a network, which the float and the integer phase of training share.

Comes in: a `targets.network.Network`, what enters it, and the arithmetic of a phase: what a connection delivers and how a
population fires. Goes out: the spikes of every population. Both phases follow the connections of the network that is
exported, so the wiring that is trained cannot drift from the wiring that is verified.

Without delayed connections every population runs its T steps before the next one starts (time in front of the batch); a
delayed connection needs the spikes of the step before, so all populations then take each step together. What constant pixels
deliver is computed once in either case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from targets.network import INPUT, Connection, Conv, Dense, Network, Pool, Population

LAYOUT = torch.channels_last
"""Channels innermost: on the CPU, convolutions of few channels are 1.3 to 1.6 times as fast so."""
Spikes = dict[str, Tensor]
_Delivered = tuple[object, ...]


class Phase(Protocol):
    """The arithmetic of a phase of training."""

    def deliver(self, connection: Connection, values: Tensor) -> Tensor:
        """The operation of a connection on values [N, *source], its multiplier left out."""

    def gain(self, connection: Connection) -> float:
        """What a delivery is multiplied by before it is added to the current of the target."""

    def pools(self, population: Population) -> bool:
        """Whether a population fires exactly where any spike lies in its window (`is_pooling`)."""

    def fire(self, population: Population, current: Tensor, step_mode: str) -> Tensor:
        """Spikes of one step [N, *shape] in step mode "s", of all steps [T, N, *shape] in "m", from a current of that shape.

        In "m" a current [1, N, *shape] is the same at all steps.
        """


@dataclass(frozen=True)
class Activity:
    """What a forward pass leaves: spikes [T, N, *shape] by population (the readout has none), and logits [N, classes].

    The logits are the mean over steps of `step_logits` [T, N, classes], what each step adds to the readout.
    """

    spikes: Spikes
    logits: Tensor
    step_logits: Tensor


def is_pooling(population: Population, network: Network) -> bool:
    """Whether a population only pools: it fires in a step if any spike lies in its window.

    Such a population has no memory and no weight, hence no scale: its integer threshold and bias are 0.
    """
    return (
        population.fires
        and population.neuron.keep == 0
        and all(
            isinstance(connection.operation, Pool)
            and connection.multiplier > 0
            and (connection.source != INPUT or network.input.spiking)
            for connection in network.into(population.name)
        )
    )


def has_feedback(network: Network) -> bool:
    """Whether any connection is delayed."""
    return any(connection.delay for connection in network.connections)


def walk(network: Network, entering: Tensor, phase: Phase) -> Spikes:
    """Spikes of all firing populations [T, N, *shape]; `entering` is [N, *shape] pixels or [T, N, *shape] spikes."""
    if not has_feedback(network):
        return _Pass(network, phase, "m", {INPUT: entering}, {}, {}).run()
    samples = entering.shape[1] if network.input.spiking else entering.shape[0]
    before = {p.name: entering.new_zeros(samples, *p.shape) for p in network.populations}
    steps: list[Spikes] = []
    constant: dict[_Delivered, Tensor] = {}
    for t in range(network.timesteps):
        now = {INPUT: entering[t] if network.input.spiking else entering}
        before = _Pass(network, phase, "s", now, before, constant).run()
        steps.append(before)
    return {name: torch.stack([step[name] for step in steps]) for name in before}


def apply(connection: Connection, values: Tensor, weight: Tensor | None) -> Tensor:
    """The operation of a connection on values [N, *source]; Conv and Dense take the weight, Pool and Identity none."""
    operation = connection.operation
    if isinstance(operation, Pool):
        padded = functional.pad(values, [operation.padding] * 4)
        return functional.avg_pool2d(padded, operation.kernel, operation.stride, divisor_override=1)
    if weight is not None and isinstance(operation, Dense):
        if values.dim() == 4:  # a dense layer reads [C, H, W]; reading both sides in LAYOUT copies the weight only
            weight = weight.view(-1, *values.shape[1:]).permute(0, 2, 3, 1).flatten(1)
            return functional.linear(values.permute(0, 2, 3, 1).flatten(1), weight)
        return functional.linear(values.flatten(1), weight)
    if weight is not None and isinstance(operation, Conv):
        return functional.conv2d(
            values,
            weight.contiguous(memory_format=LAYOUT),
            None,
            operation.stride,
            operation.padding,
            1,
            operation.groups,
        ).contiguous(memory_format=LAYOUT)
    return values


def unfolded(values: Tensor, leading: Sequence[int]) -> Tensor:
    """Values whose first dimension was folded, with these leading dimensions again."""
    return values.reshape(*leading, *values.shape[1:])


@dataclass(frozen=True)
class _Pass:
    """All populations once, in order: one step, or all steps of a network without feedback."""

    network: Network
    phase: Phase
    step_mode: str
    #: Spikes of this pass by population, filled in order; at first what enters.
    spikes: Spikes
    #: Spikes of the step before.
    before: Spikes
    #: What constant pixels deliver, kept from step to step.
    constant: dict[_Delivered, Tensor]

    def run(self) -> Spikes:
        """Spikes of all firing populations."""
        delivered: dict[_Delivered, Tensor] = {}
        for population in self.network.populations:
            incoming = self.network.into(population.name)
            if self.phase.pools(population):
                self.spikes[population.name] = self.pooled(incoming)
                continue
            current = reduce(torch.add, [self.term(connection, delivered) for connection in incoming])
            if self.step_mode == "m" and current.dim() == len(population.shape) + 1:
                current = current.unsqueeze(0)  # the node holds it for all steps
            self.spikes[population.name] = self.phase.fire(population, current, self.step_mode)
        return {name: fired for name, fired in self.spikes.items() if name not in (INPUT, self.network.readout.name)}

    def term(self, connection: Connection, delivered: dict[_Delivered, Tensor]) -> Tensor:
        """What a connection adds to its target's current; connections that share source and weight are computed once."""
        pixels = connection.source == INPUT and not self.network.input.spiking
        memory = self.constant if pixels else delivered
        key = (connection.source, connection.operation, connection.weight, connection.delay)
        if key not in memory:
            memory[key] = self.delivery(connection)
        gain = self.phase.gain(connection)
        return memory[key] if gain == 1 else memory[key] * gain

    def delivery(self, connection: Connection) -> Tensor:
        """The operation of a connection, time folded into the batch where there is time."""
        values = self.source(connection)
        if values.dim() == len(self.network.shape_of(connection.source)) + 1:
            return self.phase.deliver(connection, values)
        return unfolded(self.phase.deliver(connection, values.flatten(0, 1)), values.shape[:2])

    def pooled(self, incoming: Sequence[Connection]) -> Tensor:
        """Spikes of a pooling population: the greatest in each window, over all its connections."""
        windows = []
        for connection in incoming:
            values, pool = self.source(connection), connection.operation
            if isinstance(pool, Pool):
                padded = functional.pad(values.flatten(0, -4), [pool.padding] * 4)
                most = functional.max_pool2d(padded, pool.kernel, pool.stride)
                windows.append(unfolded(most, values.shape[:-3]))
        return reduce(torch.maximum, windows)

    def source(self, connection: Connection) -> Tensor:
        """The spikes, or pixels, that a connection takes."""
        return (self.before if connection.delay else self.spikes)[connection.source]
