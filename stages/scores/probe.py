"""Runs untrained networks on a batch of images, so that scores can look at their spikes.

Comes in: a `targets.network.Network` without values. Goes out: the spikes of every firing population at every step, for
random weights that depend only on a seed and on a weight's name and shape. Two candidates that start alike therefore share
their first populations exactly: those are computed once and remembered.

Each convolution and dense layer is followed by batch normalisation with the statistics of its own step (as SNASNet runs
its networks while it scores them), so no scale has to be guessed. No torch module is built.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from stages.snn.architecture import ends_a_cell
from targets.network import INPUT, Connection, Conv, Dense, Network, Pool, Population, Weight

#: Spikes that are remembered for candidates to come, at most.
MEMORY_BYTES = 256 * 1024**2


class Probe:
    """A batch, a seed for weights, and what was computed with them so far."""

    def __init__(
        self,
        images: NDArray[np.uint8],
        *,
        timesteps: int,
        seed: int = 0,
        spiking: bool = False,
        as_snasnet: bool = False,
    ) -> None:
        """`images` is [N, C, H, W] pixels, or [N, T, C, H, W] frames if `spiking`.

        SNASNet's neurons take 3/4 of their input, which is a threshold of 4/3, and its networks normalise once more in front
        of the neurons that follow a cell.
        """
        self.timesteps, self.seed, self.as_snasnet = timesteps, seed, as_snasnet
        self.threshold_scale = 4 / 3 if as_snasnet else 1.0
        frames = torch.from_numpy(np.ascontiguousarray(images)).float()
        self.inputs = frames.transpose(0, 1)[:timesteps] if spiking else frames[None] / 255
        self._known: OrderedDict[Hashable, tuple[Tensor, ...]] = OrderedDict()
        self._known_bytes = 0

    def spikes(self, network: Network) -> Mapping[str, Tensor]:
        """0/1 floats [T, N, *shape] of every population that fires; what depends on feedback runs step by step."""
        with torch.no_grad(), one_thread():
            return _Run(self, network).spikes()

    def remembered(self, key: Hashable) -> Tensor | None:
        """The spikes stored under a key, if they still are."""
        if key not in self._known:
            return None
        self._known.move_to_end(key)
        return self._known[key][0]

    def remember(self, key: Hashable, spikes: Tensor) -> None:
        """Stores spikes, and forgets the least recently used ones beyond the limit."""
        self._known[key] = (spikes,)
        self._known_bytes += spikes.nbytes
        while self._known_bytes > MEMORY_BYTES and len(self._known) > 1:
            _, (forgotten,) = self._known.popitem(last=False)
            self._known_bytes -= forgotten.nbytes


@contextmanager
def one_thread() -> Iterator[None]:
    """Runs torch on one thread: sums then have one order, and scores do not depend on the machine's load or on `--jobs`."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Run:
    """One network on the probe's batch."""

    def __init__(self, probe: Probe, network: Network) -> None:
        self.probe, self.network = probe, network
        self.fired: dict[str, Tensor] = {INPUT: probe.inputs}
        self.keys: dict[str, Hashable] = {INPUT: INPUT}
        self.weights: dict[str, Tensor] = {}

    def spikes(self) -> Mapping[str, Tensor]:
        streamed: list[Population] = []
        for population in self.network.populations:
            incoming = self.network.into(population.name)
            if not population.fires:
                continue
            if any(c.delay or c.source not in self.fired for c in incoming):
                streamed.append(population)
            else:
                self.batched(population, incoming)
        if streamed:
            self.stream(streamed)
        return {name: spikes for name, spikes in self.fired.items() if name != INPUT}

    def batched(self, population: Population, incoming: Sequence[Connection]) -> None:
        """All steps of a population at once: its inputs are known for all steps."""
        arriving = sorted((repr(self.keys[c.source]), self.identity(c)) for c in incoming)
        self.keys[population.name] = hash_of((population.shape, population.theta, population.neuron, *arriving))
        spikes = self.probe.remembered(self.keys[population.name])
        if spikes is None:
            currents = [self.current(c, self.fired[c.source]) for c in incoming]
            current = sum(currents[1:], currents[0])
            joined = self.probe.as_snasnet and ends_a_cell(population.name)
            spikes = self.fire(population, normalised(current) if joined else current)
            self.probe.remember(self.keys[population.name], spikes)
        self.fired[population.name] = spikes

    def stream(self, populations: list[Population]) -> None:
        """Step by step: populations that wait for spikes of the step before."""
        samples = self.probe.inputs.shape[1]
        membranes = {p.name: torch.zeros(samples, *p.shape) for p in populations}
        last = {p.name: torch.zeros(samples, *p.shape) for p in populations}
        history: dict[str, list[Tensor]] = {p.name: [] for p in populations}
        for step in range(self.probe.timesteps):
            now: dict[str, Tensor] = {}
            for population in populations:
                current = torch.zeros(samples, *population.shape)
                for c in self.network.into(population.name):
                    if c.source in last:
                        source = last[c.source] if c.delay else now[c.source]
                    else:
                        known = self.fired[c.source]
                        source = known[min(step - c.delay, len(known) - 1)] if step >= c.delay else known[0] * 0
                    current = current + self.current(c, source[None])[0]
                membranes[population.name], now[population.name] = self.integrate(
                    population, membranes[population.name], current
                )
                history[population.name].append(now[population.name])
            last = now
        self.fired |= {name: torch.stack(spikes) for name, spikes in history.items()}

    def fire(self, population: Population, current: Tensor) -> Tensor:
        """Spikes [T, N, *shape] of currents [T, N, *shape]; one current for all steps if its T is 1."""
        membrane, spikes = torch.zeros_like(current[0]), []
        for step in range(self.probe.timesteps):
            membrane, fired = self.integrate(population, membrane, current[min(step, len(current) - 1)])
            spikes.append(fired)
        return torch.stack(spikes)

    def integrate(self, population: Population, membrane: Tensor, current: Tensor) -> tuple[Tensor, Tensor]:
        """One step of the leaky integrate-and-fire neuron in float."""
        neuron = population.neuron
        membrane = membrane * (neuron.keep / 2**neuron.keep_shift) + current
        fired = (membrane > population.theta * self.probe.threshold_scale).float()
        return membrane * (1 - fired), fired

    def current(self, connection: Connection, source: Tensor) -> Tensor:
        """[T, N, *target shape] of [T, N, *source shape], normalised where weights are random."""
        steps, samples = source.shape[:2]
        flat, operation = source.flatten(0, 1), connection.operation
        if isinstance(operation, Pool):
            size = operation.kernel, operation.stride, operation.padding
            flat = functional.avg_pool2d(flat, *size) * operation.kernel**2
        elif isinstance(operation, Dense):
            flat = functional.linear(flat.flatten(1), self.weight(connection))
        elif isinstance(operation, Conv):
            flat = functional.conv2d(
                flat, self.weight(connection), None, operation.stride, operation.padding, 1, operation.groups
            )
        result = flat.reshape(steps, samples, *flat.shape[1:])
        if connection.weight and self.network.weight_of[connection.weight].constant is None:
            result = normalised(result)
        return self.count(connection) * result

    def count(self, connection: Connection) -> int:
        """How often the current arrives: the multiplier without the unit that pixels and spikes are brought to."""
        unit = 1 if connection.source == INPUT else self.network.population_of[connection.target].resolution
        return connection.multiplier // unit

    def identity(self, connection: Connection) -> str:
        """What a connection computes, for recognising equal ones in other networks."""
        shape = self.network.weight_of[connection.weight].shape if connection.weight else ()
        return f"{connection.operation} {connection.weight} {shape} {self.count(connection)}"

    def weight(self, connection: Connection) -> Tensor:
        weight = self.network.weight_of[connection.weight or ""]
        if weight.name not in self.weights:
            self.weights[weight.name] = random_weight(weight, self.probe.seed)
        return self.weights[weight.name]


def hash_of(key: Hashable) -> int:
    """A number that stands for a key in longer keys, the same in every process."""
    text = repr(key).encode()
    return zlib.crc32(text) << 32 | zlib.adler32(text)


def random_weight(weight: Weight, seed: int) -> Tensor:
    """Normal weights that depend on seed, name and shape alone; a constant weight is its constant."""
    if weight.constant is not None:
        return torch.full(weight.shape, weight.constant)
    generator = torch.Generator().manual_seed(zlib.crc32(f"{seed} {weight.name} {weight.shape}".encode()))
    return torch.randn(weight.shape, generator=generator)


def normalised(current: Tensor) -> Tensor:
    """Zero mean and unit variance per step and channel over samples and positions: batch normalisation at its start."""
    axes = [axis for axis in range(current.dim()) if axis not in (0, 2)]
    variance, mean = torch.var_mean(current, axes, unbiased=False, keepdim=True)
    return (current - mean) * torch.rsqrt(variance + 1e-5)
