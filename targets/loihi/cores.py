"""How many neuron cores a network takes: Loihi 1 by published packing rules, Loihi 2 as a lower bound.

Comes in: the process graph, shapes and bits. Goes out: one row per neuron group. The rules of Loihi 1 are those that
nengo-loihi 1.1.0 (Apache-2.0) allocates real boards with: a layer is cut into equal parts, each on cores of its own, so that
compartments, axons and synapse bits fit. A convolution uses population axons, one for each source pixel, and pixels with the
same overlap share their synapses; a dense layer takes one axon for each source neuron. Depthwise convolutions, which
nengo-loihi does not have, store only their own channel's synapses. Intel's compiler for Loihi 2 and its axon formats are not
public: the figure for Loihi 2 counts neurons, states and weights only and is a lower bound, never the number of cores.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, log2

from targets.loihi.graph import Graph, Neurons, Synapses
from targets.loihi.settings import Settings
from targets.network import Network

#: Widths that a synapse of Loihi 1 can have for its weight and for the index of its target.
WEIGHT_BITS = (1, 2, 3, 4, 5, 6, 8)
INDEX_BITS = (0, 6, 7, 8, 9, 10, 11, 12)
#: A word group of at most 64 synapses carries 10 bits of its own and is rounded up to 64-bit words.
_GROUP, _GROUP_BITS, _WORD_BITS = 64, 10, 64
#: An axon reaches a target through an offset below 256; beyond it synapses are stored again with larger indices.
_OFFSETS = 256
#: A population axon that carries 32 bits of channel takes two slots of a core's output axons.
_POPULATION_SLOTS = 2
#: Membrane potential and current of 24 bits each, bias of 16.
_STATE_BITS_PER_NEURON = 64


@dataclass(frozen=True)
class Layer:
    """One neuron group on Loihi 1, before it is cut."""

    name: str
    neurons: int
    input_axons: int
    output_axons: int
    synapse_bits: int
    cores: int


def loihi1(network: Network, graph: Graph, settings: Settings) -> tuple[Layer, ...]:
    """The packing of every neuron group."""
    return tuple(_layer(network, graph, group, settings) for group in graph.neurons)


def loihi2_lower_bound(network: Network, graph: Graph, settings: Settings) -> int:
    """Fewest cores that could hold all neurons and all bytes of states and weights, if cores were filled to the brim."""
    neurons = sum(group.size for group in graph.neurons)
    bits = neurons * _STATE_BITS_PER_NEURON
    bits += sum(group.size * weight_bits(network, group) for group in graph.on_chip)
    return max(
        _ceil_div(neurons, settings.neurons_per_core), _ceil_div(_ceil_div(bits, 8), settings.memory_per_core_bytes)
    )


def excesses(network: Network, graph: Graph, settings: Settings) -> Iterator[tuple[str, int, int, str]]:
    """What exceeds the board: layer, used, limit and unit."""
    if settings.generation == 1:
        used = sum(layer.cores for layer in loihi1(network, graph, settings))
        unit = "cores (packing rules of Loihi 1)"
    else:
        used, unit = loihi2_lower_bound(network, graph, settings), "cores (lower bound)"
    if used > settings.cores:
        yield "network", used, settings.cores, unit


def weight_bits(network: Network, synapses: Synapses) -> int:
    """Width of a stored weight: the trained bits, and those of a multiplier that is not a power of two."""
    connection = synapses.connection
    if connection is None:
        return 1
    multiplier = abs(connection.multiplier)
    odd = multiplier // (multiplier & -multiplier)
    bits = 0 if connection.weight is None else network.weight_of[connection.weight].bits - 1
    return min(8, bits + odd.bit_length())


def synapse_bits(network: Network, synapses: Synapses) -> int:
    """Synapse memory of a connection on Loihi 1, all on one core."""
    width = next(bits for bits in WEIGHT_BITS if bits >= weight_bits(network, synapses))
    if synapses.kind == "dense":
        targets, sources = synapses.kernel
        return sources * _axon_bits(targets, width)
    channels = synapses.source_shape[0]
    own_targets = synapses.kernel[0] // synapses.groups
    blocks = _shared_blocks(synapses)
    index = _index_bits(1 + max(block.largest_index for block in blocks))
    return sum(_axon_bits(channels * block.taps * own_targets, width + index) for block in blocks)


@dataclass(frozen=True)
class _Block:
    """Synapses that all source pixels of one kind share: kernel taps inside the image, and the largest target index."""

    taps: int
    largest_index: int


def _shared_blocks(synapses: Synapses) -> list[_Block]:
    """One block for each set of taps that fall inside the target, and for each multiple of the axons' offset range."""
    _, rows, columns = synapses.source_shape if len(synapses.source_shape) == 3 else (0, 1, 1)
    targets, _, height, width = synapses.kernel
    columns_out = (columns + 2 * synapses.padding - width) // synapses.stride + 1
    blocks: dict[tuple[tuple[int, ...], tuple[int, ...], int], _Block] = {}
    across = [_taps(column, columns, width, synapses) for column in range(columns)]
    for row in range(rows):
        vertical, first_row = _taps(row, rows, height, synapses)
        for horizontal, first_column in across:
            if not vertical or not horizontal:
                continue
            first = (first_row * columns_out + first_column) * targets
            beyond = first - first % _OFFSETS
            last = ((len(vertical) - 1) * columns_out + len(horizontal)) * targets - 1
            blocks[vertical, horizontal, beyond] = _Block(len(vertical) * len(horizontal), beyond + last)
    return list(blocks.values())


def _taps(position: int, size: int, kernel: int, synapses: Synapses) -> tuple[tuple[int, ...], int]:
    """Kernel positions through which a source row or column reaches a target, and the first target that it reaches."""
    outputs = (size + 2 * synapses.padding - kernel) // synapses.stride + 1
    start = position + synapses.padding + 1 - kernel
    reached = [
        (tap, (start + tap) // synapses.stride)
        for tap in range(kernel)
        if (start + tap) % synapses.stride == 0 and 0 <= (start + tap) // synapses.stride < outputs
    ]
    return tuple(tap for tap, _ in reached), reached[0][1] if reached else 0


def _index_bits(targets: int) -> int:
    needed = ceil(log2(targets))
    return next((bits for bits in INDEX_BITS if bits >= needed), INDEX_BITS[-1])


def _layer(network: Network, graph: Graph, group: Neurons, settings: Settings) -> Layer:
    incoming = [synapses for synapses in graph.on_chip if synapses.target == group.name]
    outgoing = [synapses for synapses in graph.on_chip if synapses.source == group.name]
    input_axons = sum(_axons(synapses) for synapses in incoming)
    output_axons = sum(_axons(s) * (_POPULATION_SLOTS if s.kind == "conv" else 1) for s in outgoing)
    bits = sum(synapse_bits(network, synapses) for synapses in incoming)
    parts = max(
        1,
        _ceil_div(group.size, settings.neurons_per_core),
        _ceil_div(input_axons, settings.input_axons_per_core),
        _ceil_div(output_axons, settings.output_axons_per_core),
        _ceil_div(bits, 8 * settings.memory_per_core_bytes),
    )
    cores = _ceil_div(group.size, _ceil_div(group.size, parts))
    return Layer(group.name, group.size, input_axons, output_axons, bits, cores)


def _axons(synapses: Synapses) -> int:
    shape = synapses.source_shape
    if synapses.kind == "dense":
        return synapses.kernel[1]
    return shape[1] * shape[2] if len(shape) == 3 else 1


def _axon_bits(weights: int, bits_per_weight: int) -> int:
    full, rest = divmod(weights, _GROUP)
    groups = [_GROUP] * full + ([rest] if rest else [])
    return sum(_ceil_div(n * bits_per_weight + _GROUP_BITS, _WORD_BITS) * _WORD_BITS for n in groups)


def _ceil_div(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
