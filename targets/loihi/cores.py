"""How many neuron cores a network takes: Loihi 1 by published packing rules, Loihi 2 as a lower bound.

Comes in: the process graph, shapes and bits. Goes out: one row per neuron group. The rules of Loihi 1 are those that
nengo-loihi 1.1.0 (Apache-2.0) allocates real boards with: a layer is cut into equal ranges of neurons, each on a core of its
own, so that compartments, axons and synapse bits fit. Where nengo-loihi gives up because a range still needs too much, ours
cuts further. Depthwise convolutions, which nengo-loihi does not have, store their own channel's synapses only. Intel's
compiler for Loihi 2 and its axon formats are not public: that figure counts neurons, states and weights only and is a lower
bound, never the number of cores.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from targets.loihi.graph import Graph, Neurons, Synapses
from targets.loihi.settings import Settings
from targets.loihi.synapse_memory import share
from targets.network import Network

#: A population axon with 32 bits takes two slots of a core's output axons, any other one.
_POPULATION_SLOTS = 2
#: Membrane potential and current of 24 bits each, bias of 16.
_STATE_BITS_PER_NEURON = 64


@dataclass(frozen=True)
class Layer:
    """One neuron group on Loihi 1: what it would need on a single core, and how many it gets."""

    name: str
    neurons: int
    input_axons: int
    output_axons: int
    synapse_bits: int
    #: 0 where no number of cores is enough, because one neuron alone exceeds a core.
    cores: int


def loihi1(network: Network, graph: Graph, settings: Settings) -> tuple[Layer, ...]:
    """The packing of every neuron group."""
    return tuple(_layer(network, graph, group, settings) for group in graph.neurons)


def loihi2_lower_bound(network: Network, graph: Graph, settings: Settings) -> int:
    """Fewest cores that could hold all neurons and all bytes of states and weights, if cores were filled to the brim."""
    neurons = sum(group.size for group in graph.neurons)
    bits = neurons * _STATE_BITS_PER_NEURON
    bits += sum(group.size * weight_bits(network, group) for group in graph.on_chip)
    by_memory = _ceil_div(bits, 8 * settings.memory_per_core_bytes)
    return max(_ceil_div(neurons, settings.neurons_per_core), by_memory)


def excesses(network: Network, graph: Graph, settings: Settings) -> Iterator[tuple[str, int, int, str]]:
    """What exceeds the board: layer, used, limit and unit."""
    if settings.generation == 2:
        used, unit = loihi2_lower_bound(network, graph, settings), "cores (lower bound)"
    else:
        layers = loihi1(network, graph, settings)
        used, unit = sum(layer.cores for layer in layers), "cores (packing rules of Loihi 1)"
        for layer in layers:
            if not layer.cores:
                yield layer.name, layer.input_axons, settings.input_axons_per_core, "input axons of one neuron's core"
    if used > settings.cores:
        yield "network", used, settings.cores, unit


def report(network: Network, graph: Graph, settings: Settings) -> bytes:
    """The content of `cores.json`: what was modelled, by which rules, and for how many cores of the board."""
    if settings.generation == 1:
        layers = loihi1(network, graph, settings)
        figures = {
            "cores_modelled": sum(layer.cores for layer in layers),
            "rules": "packing rules of Loihi 1 as in nengo-loihi 1.1.0",
            "layers": [asdict(layer) for layer in layers],
        }
    else:
        figures = {
            "cores_lower_bound": loihi2_lower_bound(network, graph, settings),
            "rules": "neurons, states and weights alone; axons and routing of Loihi 2 are not public",
        }
    return json.dumps({**figures, "cores_available": settings.cores}, indent=1).encode() + b"\n"


def weight_bits(network: Network, synapses: Synapses) -> int:
    """Width of a stored weight: the trained bits, and those of a multiplier that is not a power of two."""
    connection = synapses.connection
    if connection is None:
        return 1
    multiplier = abs(connection.multiplier)
    odd = multiplier // (multiplier & -multiplier)
    bits = 0 if connection.weight is None else network.weight_of[connection.weight].bits - 1
    return min(8, bits + odd.bit_length())


def _layer(network: Network, graph: Graph, group: Neurons, settings: Settings) -> Layer:
    incoming = [synapses for synapses in graph.on_chip if synapses.target == group.name]
    outgoing = [synapses for synapses in graph.on_chip if synapses.source == group.name]
    input_axons = sum(_sources(synapses) for synapses in incoming)
    output_axons = sum(_sources(s) * (_POPULATION_SLOTS if s.kind == "conv" else 1) for s in outgoing)
    bits = sum(share(s, weight_bits(network, s), (0, group.size)).bits for s in incoming)
    parts = max(
        1,
        _ceil_div(group.size, settings.neurons_per_core),
        _ceil_div(input_axons, settings.input_axons_per_core),
        _ceil_div(output_axons, settings.output_axons_per_core),
        _ceil_div(bits, 8 * settings.memory_per_core_bytes),
    )
    cores = _cut(network, incoming, group.size, parts, settings)
    return Layer(group.name, group.size, input_axons, output_axons, bits, cores)


def _cut(network: Network, incoming: list[Synapses], size: int, parts: int, settings: Settings) -> int:
    """Equal ranges that each fit a core: `parts` of them, or, where those do not fit, an eighth more until they do."""
    if sum(_sources(s) for s in incoming if s.kind == "dense") > settings.input_axons_per_core:
        return 0  # each neuron of a dense layer needs all of its axons on its own core
    while True:
        length = _ceil_div(size, parts)
        ranges = [(start, min(start + length, size)) for start in range(0, size, length)]
        if all(_fits(network, incoming, targets, settings) for targets in ranges):
            return len(ranges)
        if length == 1:
            return 0
        parts = max(parts + 1 + parts // 8, _ceil_div(size, length - 1))


def _fits(network: Network, incoming: list[Synapses], targets: tuple[int, int], settings: Settings) -> bool:
    shares = [share(synapses, weight_bits(network, synapses), targets) for synapses in incoming]
    axons, bits = sum(s.axons for s in shares), sum(s.bits for s in shares)
    return axons <= settings.input_axons_per_core and bits <= 8 * settings.memory_per_core_bytes


def _sources(synapses: Synapses) -> int:
    shape = synapses.source_shape
    if synapses.kind == "dense":
        return synapses.kernel[1]
    return shape[1] * shape[2] if len(shape) == 3 else 1


def _ceil_div(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
