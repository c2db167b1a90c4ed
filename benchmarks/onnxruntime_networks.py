"""Networks to judge the ONNX Runtime family's estimator with: chains and cells, none of which it is calibrated on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from targets.network import (
    INPUT,
    READOUT,
    Connection,
    Conv,
    Dense,
    Input,
    Network,
    Neuron,
    Pool,
    Population,
    Shape,
    Weight,
)

TEN_MILLION = "chain 10M"

Layer = tuple[int, int, int]
"""Channels, kernel, stride."""


def chain(
    shape: Shape, layers: Sequence[Layer], classes: int, steps: int, pool: int = 0, neuron: Neuron = Neuron()
) -> Network:
    """Convolutions one after another, a pool if asked for, a dense readout."""
    populations: list[Population] = []
    connections: list[Connection] = []
    weights: list[Weight] = []
    source, fed = INPUT, Input(shape)
    for index, (channels, kernel, stride) in enumerate(layers):
        weights.append(Weight(f"conv{index}", (channels, shape[0], kernel, kernel), 8))
        shape = (channels, *((side + 2 * (kernel // 2) - kernel) // stride + 1 for side in shape[1:]))
        populations.append(Population(f"layer{index}", shape, neuron))
        connections.append(Connection(source, f"layer{index}", Conv(stride, kernel // 2), f"conv{index}"))
        source = f"layer{index}"
    if pool:
        shape = (shape[0], shape[1] // pool, shape[2] // pool)
        populations.append(Population("pooled", shape, replace(neuron, keep=0)))
        connections.append(Connection(source, "pooled", Pool(pool, pool)))
        source = "pooled"
    return _closed(populations, connections, weights, source, shape, classes, steps, fed)


def cells(shape: Shape, widths: Sequence[int], kernel: int, classes: int, steps: int) -> Network:
    """Two cells in SpikeNAS's manner: a stem, four nodes with skip edges that share weights, a reduction between the cells."""
    populations: list[Population] = []
    connections: list[Connection] = []
    weights: list[Weight] = []
    source, inner, side = INPUT, shape[0], shape[1]
    for number, width in enumerate(widths):
        stem = f"cell{number}_stem"
        weights.append(Weight(stem, (width, inner, 3, 3), 8))
        populations.append(Population(stem, (width, side, side)))
        connections.append(Connection(source, stem, Conv(padding=1), stem))
        nodes = [stem]
        for node in range(1, 4):
            target = f"cell{number}_node{node}"
            for earlier in nodes[-2:]:
                weight = f"{earlier}_to_{node}"
                size = kernel if earlier == nodes[-1] else 1
                weights.append(Weight(weight, (width, width, size, size), 4))
                connections.append(Connection(earlier, target, Conv(padding=size // 2), weight))
            if node == 3:
                connections += [replace(c, target=target) for c in connections if c.target == nodes[-2]]
            populations.append(Population(target, (width, side, side)))
            nodes.append(target)
        side //= 2
        reduced = f"cell{number}_pool"
        populations.append(Population(reduced, (width, side, side), Neuron(keep=0)))
        connections.append(Connection(nodes[-1], reduced, Pool(2, 2)))
        source, inner = reduced, width
    return _closed(populations, connections, weights, source, (inner, side, side), classes, steps, Input(shape))


def held_out() -> Mapping[str, Network]:
    """10 thousand to 10 million parameters, chains and cells, 3x3 to 7x7, 1 to 8 steps; small maps, so that they run emulated."""
    digits, fashion, colour, small = (1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 16, 16)
    return {
        "digits chain": chain(digits, [(18, 3, 1), (32, 3, 1)], 10, 4, pool=2),
        "digits cells": cells(digits, (12, 20), 3, 10, 4),
        "digits cells T1": cells(digits, (16, 32), 3, 10, 1),
        "digits cells T8 5x5": cells(digits, (8, 14), 5, 10, 8),
        "fashion chain 7x7": chain(fashion, [(12, 7, 2), (24, 5, 2), (48, 3, 1)], 10, 2),
        "fashion chain T8": chain(fashion, [(16, 3, 2), (32, 3, 2), (32, 3, 1)], 10, 8, neuron=Neuron(64, 7, 1, 20)),
        "fashion cells": cells(fashion, (16, 32), 3, 10, 5),
        "chain 100k": chain(colour, [(24, 5, 2), (48, 5, 2), (64, 3, 2)], 10, 6, neuron=Neuron(96, 7, 0, 16)),
        "cells 150k": cells(small, (24, 40), 5, 100, 3),
        "cells 7x7": cells(small, (16, 32), 7, 10, 2),
        "chain 400k": chain(colour, [(64, 3, 2), (128, 3, 2), (256, 3, 2)], 10, 4, pool=2),
        "chain 700k T8": chain(small, [(64, 5, 2), (128, 5, 2), (192, 3, 1), (128, 3, 1)], 10, 8),
        "cells 1M": cells(small, (48, 110), 5, 10, 2),
        "chain 1M 7x7": chain(colour, [(32, 7, 2), (64, 7, 2), (160, 7, 2), (96, 3, 1)], 20, 8),
        "chain 2M": chain(small, [(64, 3, 1), (128, 3, 2), (256, 3, 2), (256, 3, 1), (384, 3, 2)], 100, 1),
        "cells 3M": cells(small, (64, 200), 5, 10, 3),
        "chain 5M": chain(small, [(64, 3, 2), (128, 3, 1), (256, 3, 2), (512, 3, 2), (512, 3, 1), (256, 3, 1)], 10, 4),
        "dense 5M": chain(colour, [(32, 3, 1), (64, 3, 2)], 300, 2),
        "cells 7M": cells(small, (96, 400), 3, 10, 4),
        TEN_MILLION: chain(
            colour, [(64, 3, 2), (128, 3, 2), (256, 3, 2), (512, 3, 1), (512, 3, 1), (832, 3, 2), (300, 3, 1)], 100, 4
        ),
    }


def _closed(
    populations: list[Population],
    connections: list[Connection],
    weights: list[Weight],
    source: str,
    shape: Shape,
    classes: int,
    steps: int,
    fed: Input,
) -> Network:
    size = shape[0] * shape[1] * shape[2]
    weights.append(Weight("head", (classes, size), 8))
    connections.append(Connection(source, "readout", Dense(), "head"))
    populations.append(Population("readout", (classes,), READOUT, fires=False))
    return Network(fed, tuple(populations), tuple(connections), tuple(weights), steps)
