"""Random networks of everything that the kernels read from a descriptor, with values.

Comes out: networks with branches, shared-weight skips, identities, pools of both kinds, strides, groups, depthwise and uneven
kernels, delayed connections, dense hidden layers, odd sizes, pixels or spikes as input, weights of 2 to 8 bits, all leaks and
state widths; some with all weights 0, some with all at the ends of their range.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from targets.network import (
    INPUT,
    READOUT,
    Connection,
    Conv,
    Dense,
    Identity,
    Input,
    Network,
    Neuron,
    Operation,
    Pool,
    Population,
    Shape,
    Weight,
)
from tests.networks import filled

CHANNELS = (1, 2, 3, 4, 5, 8, 16)
KERNELS = ((1, 1), (3, 3), (5, 5), (7, 7), (2, 2), (3, 1), (1, 5))
POOLS = ((2, 2, 0), (3, 3, 0), (3, 2, 1), (2, 1, 0), (2, 3, 1))


def varied_network(seed: int) -> Network:
    """The network of a seed. Every fourth has feedback, every third spikes as input, every eighth extreme weights."""
    draft = _Draft(np.random.default_rng(seed), feedback=seed % 4 == 0, spiking=seed % 3 == 0)
    for _ in range(int(draft.rng.integers(2, 5))):
        draft.add_population()
    network = filled(draft.finished(), seed)
    return _with_silent_pools(_extreme(network, seed // 8 % 2 == 0) if seed % 8 == 5 else network)


def contents(network: Network) -> Counter[str]:
    """What a network holds, by name; what a set of networks is checked to hold."""
    found: Counter[str] = Counter()
    for connection in network.connections:
        operation, names = connection.operation, [type(connection.operation).__name__]
        names += ["delay"] if connection.delay else []
        if isinstance(operation, Conv | Pool) and operation.stride > 1:
            names.append(f"{names[0]} stride {operation.stride}")
        if isinstance(operation, Conv) and operation.groups > 1:
            names.append("depthwise" if operation.groups == network.shape_of(connection.source)[0] else "groups")
        if isinstance(operation, Conv) and connection.weight is not None:
            rows, columns = network.weight_of[connection.weight].shape[2:]
            names.append(f"kernel {rows}x{columns}")
        found.update(names)
    into = Counter(connection.target for connection in network.connections)
    used = Counter(connection.weight for connection in network.connections if connection.weight)
    found["branch"] = sum(count > 1 for count in into.values())
    found["skip"] = sum(count > 1 for count in used.values())
    found.update(f"{weight.bits} bits" for weight in network.weights)
    found["zero weights"] = int(not any(w.values is not None and w.values.any() for w in network.weights))
    found["saturating weights"] = int(
        all(w.values is not None and np.isin(w.values, _ends(w)).all() for w in network.weights)
    )
    found["spiking input" if network.input.spiking else "pixels"] = 1
    return found


@dataclass
class _Draft:
    """A network while it grows."""

    rng: np.random.Generator
    feedback: bool
    spiking: bool
    populations: list[Population] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    weights: list[Weight] = field(default_factory=list)
    input: Input = field(init=False)

    def __post_init__(self) -> None:
        rows, columns = (int(side) for side in self.rng.integers(3, 11, 2))
        shift = 0 if self.spiking else int(self.rng.choice([0, 0, 4]))
        self.input = Input((int(self.rng.integers(1, 4)), rows, columns), self.spiking, shift)

    def shape_of(self, name: str) -> Shape:
        return self.input.shape if name == INPUT else next(p.shape for p in self.populations if p.name == name)

    def neuron(self) -> Neuron:
        keep, bits = int(self.rng.choice([0, 16, 32, 64, 96, 127, 128])), int(self.rng.choice([12, 16, 24]))
        return Neuron(keep, 7, int(self.rng.choice([0, 0, 0, 2])), bits)

    def add_population(self) -> None:
        """A population behind the last one, with further connections from wherever their shape allows."""
        name, source = f"p{len(self.populations)}", self.populations[-1].name if self.populations else INPUT
        shape = self.shape_of(source)
        if self.populations and self.rng.random() < 0.3 and min(shape[1:]) > 1:
            kernel, stride, padding = POOLS[int(self.rng.integers(len(POOLS)))]
            pool = Pool(min(kernel, *shape[1:]), stride, padding)
            outer = (shape[0], *_window(shape, (pool.kernel, pool.kernel), stride, padding))
            joins = self.rng.random() < 0.7
            self.populations.append(Population(name, outer, Neuron(keep=0) if joins else self.neuron()))
            self.connections.append(Connection(source, name, pool))
            if joins:
                return
        else:
            same = self.populations and (self.feedback or self.rng.random() < 0.5)
            shape = self._convolution(source, name, shape if same else None)
            self.populations.append(Population(name, shape, self.neuron()))
        for earlier in (INPUT, *(p.name for p in self.populations[:-1])):
            self._branches(earlier, name)
        first = self.shape_of("p0")
        if self.feedback and len(self.populations) > 1 and first[1:] == self.shape_of(name)[1:]:
            self._convolution(name, "p0", first, delay=1)

    def _branches(self, earlier: str, name: str) -> None:
        shape, wanted = self.shape_of(earlier), self.shape_of(name)
        if shape[1:] == wanted[1:] and self.rng.random() < 0.5:
            late = self.feedback and earlier != INPUT and self.rng.random() < 0.3
            self._convolution(earlier, name, wanted, delay=int(late))
        if shape == wanted and self.rng.random() < 0.4:
            self.connections.append(Connection(earlier, name, Identity(), multiplier=int(self.rng.integers(1, 9))))
        if earlier != INPUT and shape == wanted and self.rng.random() < 0.4:  # a skip edge: weights are shared
            self.connections += [
                replace(c, target=name) for c in self.connections if c.target == earlier and not c.delay
            ]

    def _convolution(self, source: str, target: str, wanted: Shape | None, delay: int = 0) -> Shape:
        """A convolution to the wanted shape (then of odd size and stride 1), or to any."""
        inner = self.shape_of(source)
        size = KERNELS[int(self.rng.integers(4 if wanted else len(KERNELS)))]
        stride, padding = 1, size[0] // 2
        if wanted is None:
            stride = int(self.rng.choice([1, 1, 2, 3]))
            padding = int(self.rng.integers(0, max(size) // 2 + 1))
            size = (min(size[0], inner[1] + 2 * padding), min(size[1], inner[2] + 2 * padding))
        channels = wanted[0] if wanted else int(self.rng.choice(CHANNELS))
        grouped = self.rng.random() < 0.3 and inner[0] > 1
        groups = int(self.rng.choice([inner[0], 2 if inner[0] % 2 == 0 else inner[0]])) if grouped else 1
        if wanted is None and channels % groups:
            channels = groups * int(self.rng.integers(1, 3))
        groups = groups if channels % groups == 0 else 1
        name = f"w{len(self.weights)}"
        bits = int(self.rng.choice([2, 3, 4, 4, 5, 8, 8]))
        self.weights.append(Weight(name, (channels, inner[0] // groups, *size), bits))
        multiplier = int(self.rng.choice([1, 1, 1, 2, 5]))
        self.connections.append(Connection(source, target, Conv(stride, padding, groups), name, multiplier, delay))
        return (channels, *_window(inner, size, stride, padding))

    def _dense(self, source: str, target: str, outputs: int) -> None:
        name = f"w{len(self.weights)}"
        bits = int(self.rng.choice([2, 4, 8]))
        self.weights.append(Weight(name, (outputs, prod(self.shape_of(source))), bits))
        self.connections.append(Connection(source, target, Dense(), name))

    def finished(self) -> Network:
        """With a hidden layer now and then, and a readout."""
        last = self.populations[-1].name
        if self.rng.random() < 0.3:
            hidden = Population("hidden", (int(self.rng.choice([3, 8, 16])),), self.neuron())
            self._dense(last, "hidden", hidden.shape[0])
            self.populations.append(hidden)
            last = "hidden"
        classes = int(self.rng.choice([2, 3, 4, 8]))
        self._dense(last, "readout", classes)
        self.populations.append(Population("readout", (classes,), READOUT, fires=False))
        steps = int(self.rng.integers(1, 6))
        return Network(self.input, tuple(self.populations), tuple(self.connections), tuple(self.weights), steps)


def _window(shape: Shape, kernel: tuple[int, int], stride: int, padding: int) -> tuple[int, int]:
    rows, columns = ((shape[1 + i] + 2 * padding - kernel[i]) // stride + 1 for i in range(2))
    return rows, columns


def _ends(weight: Weight) -> tuple[int, int]:
    return -(2 ** (weight.bits - 1)), 2 ** (weight.bits - 1) - 1


def _extreme(network: Network, zeros: bool) -> Network:
    """All weights 0, or all at an end of their range, which makes potentials saturate."""

    def value(index: int, weight: Weight) -> NDArray[np.int8]:
        return np.full(weight.shape, 0 if zeros else _ends(weight)[index % 2], np.int8)

    return _filled_with(network, {w.name: value(i, w) for i, w in enumerate(network.weights)}, frozenset())


def _with_silent_pools(network: Network) -> Network:
    """Populations that only pool and forget fire for any spike: threshold and bias 0, as they are trained."""

    def only_pools(population: Population) -> bool:
        operations: list[Operation] = [c.operation for c in network.into(population.name)]
        return not population.neuron.remembers and all(isinstance(o, Pool) for o in operations)

    return _filled_with(network, {}, frozenset(p.name for p in network.populations if only_pools(p)))


def _filled_with(network: Network, weights: dict[str, NDArray[np.int8]], silent: frozenset[str]) -> Network:
    own = {w.name: w.values for w in network.weights if w.values is not None}
    thresholds, biases = {}, {}
    for population in network.populations:
        factor = 0 if population.name in silent else 1
        if population.threshold is not None:
            thresholds[population.name] = population.threshold * factor
        if population.bias is not None:
            biases[population.name] = population.bias * factor
    return network.with_values(own | weights, thresholds, biases)
