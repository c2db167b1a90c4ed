"""The network in the terms of the C kernels: one layer per population, one descriptor per connection.

Comes in: an integer network (shapes are enough). Goes out: which kernel runs what, with which geometry and which widths;
no memory yet, that is `targets.cortex_m.plan`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2, prod

from targets.bounds import potential_bound
from targets.cortex_m.packing import Packing, stored_bits
from targets.network import INPUT, Connection, Conv, Dense, Network, Pool, Population, Shape

NARROW_LIMIT = 2**15 - 1
"""Largest magnitude of a 16-bit membrane potential."""
_HALVINGS = {1: "snn_neurons16_half", 2: "snn_neurons16_quarter", 3: "snn_neurons16_eighth"}


@dataclass(frozen=True)
class Window:
    """Geometry of a connection as the kernels see it; a dense one is a 1x1 window on one position with many channels."""

    rows: int
    columns: int
    channels: int
    outputs: int
    group_channels: int
    kernel_rows: int
    kernel_columns: int
    stride: int = 1
    padding: int = 0


@dataclass(frozen=True)
class Link:
    """A connection with its kernel. `stored` names the packed weights, None where all weights are 1."""

    connection: Connection
    window: Window
    packing: Packing | None
    stored: str | None
    kernel: str
    multiplier: int

    def from_pixels(self, network: Network) -> bool:
        """Whether the source is the network's constant pixels."""
        return self.connection.source == INPUT and not network.input.spiking


@dataclass(frozen=True)
class Layer:
    """A population with the kernels that compute it."""

    population: Population
    rows: int
    columns: int
    channels: int
    #: Bits of a stored membrane potential: 16 or 32; 0 for a pool, which has none.
    width: int
    neurons: str
    links: tuple[Link, ...]
    #: Largest magnitude of a potential before it saturates: a proof where the network has values.
    magnitude: int

    @property
    def name(self) -> str:
        """The population's name."""
        return self.population.name

    @property
    def is_pool(self) -> bool:
        """Whether it fires where any spike is in the window, without a membrane."""
        return self.width == 0

    @property
    def row_values(self) -> int:
        """Neurons of one row."""
        return self.columns * self.channels


def layers(network: Network) -> tuple[Layer, ...]:
    """All populations in the order of the network."""
    return tuple(_layer(network, population) for population in network.populations)


def is_pooling(network: Network, population: Population) -> bool:
    """Whether any spike in the window makes a neuron fire, so that spikes are joined bit by bit.

    A population without weights and without memory is trained to threshold and bias 0; with other values it is an ordinary one.
    """
    structure = population.fires and not population.neuron.remembers
    for connection in network.into(population.name):
        spikes = connection.source != INPUT or network.input.spiking
        structure = structure and isinstance(connection.operation, Pool) and connection.multiplier > 0 and spikes
    values = [v for v in (population.threshold, population.bias) if v is not None]
    return structure and not any(v.any() for v in values)


def axes(shape: Shape) -> tuple[int, int, int]:
    """Rows, columns and channels of a population or an input."""
    return (shape[1], shape[2], shape[0]) if len(shape) == 3 else (1, 1, shape[0])


def _layer(network: Network, population: Population) -> Layer:
    bound = potential_bound(network, population)
    if is_pooling(network, population):
        width, neurons = 0, "snn_pool"
    elif not population.fires:
        width, neurons = 32, "snn_readout32"
    elif bound.within(min(population.neuron.limit, NARROW_LIMIT)):
        width, neurons = 16, _narrow_neurons(population)
    else:
        width, neurons = 32, "snn_neurons32"
    links = [_link(network, connection, population, width) for connection in network.into(population.name)]
    links.sort(key=lambda link: not link.from_pixels(network))
    return Layer(population, *axes(population.shape), width, neurons, tuple(links), bound.magnitude)


def _narrow_neurons(population: Population) -> str:
    in_fours = axes(population.shape)[2] % 4 == 0
    return _HALVINGS.get(leak_shift(population) or 0, "snn_neurons16") if in_fours else "snn_neurons16"


def leak_shift(population: Population) -> int | None:
    """The leak as a right shift where `keep` is a power of two."""
    keep = population.neuron.keep
    return population.neuron.keep_shift - int(log2(keep)) if keep and keep & (keep - 1) == 0 else None


def _link(network: Network, connection: Connection, population: Population, width: int) -> Link:
    multiplier = connection.multiplier << population.neuron.fraction_bits
    window = _window(network, connection)
    if width == 0:
        return Link(connection, window, None, None, "snn_mark", 1)
    if connection.weight is None:
        return Link(connection, window, None, None, f"snn_unit_v{width}", multiplier)
    weight = network.weight_of[connection.weight]
    packing = Packing(stored_bits(weight.bits), weight.size // window.outputs, window.outputs)
    pixels = connection.source == INPUT and not network.input.spiking
    in_words = "words" if multiplier == 1 and not pixels else "scaled"
    kind = in_words if packing.words else "ragged"
    dense = isinstance(connection.operation, Dense)
    stored = f"{weight.name}/{'dense' if dense else window.group_channels}"
    return Link(connection, window, packing, stored, f"snn_w{packing.bits}_v{width}_{kind}", multiplier)


def _window(network: Network, connection: Connection) -> Window:
    source, operation = network.shape_of(connection.source), connection.operation
    rows, columns, channels = axes(source)
    if isinstance(operation, Dense):
        neurons = prod(source)
        return Window(1, 1, neurons, network.weight_of[connection.weight or ""].shape[0], neurons, 1, 1)
    if isinstance(operation, Conv):
        shape = network.weight_of[connection.weight or ""].shape
        outputs = shape[0] // operation.groups
        kernel_rows, kernel_columns = shape[2:]
        sizes = kernel_rows, kernel_columns, operation.stride, operation.padding
        return Window(rows, columns, channels, outputs, shape[1], *sizes)
    kernel, stride, padding = 1, 1, 0
    if isinstance(operation, Pool):
        kernel, stride, padding = operation.kernel, operation.stride, operation.padding
    return Window(rows, columns, channels, 1, 1, kernel, kernel, stride, padding)
