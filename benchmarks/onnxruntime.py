"""Estimated against measured heap on networks that the estimator was not calibrated with: `python -m benchmarks.onnxruntime`.

Prints every term of every network and exits with 1 if a bar is missed: each term at most 3 % high and 1 % low, and the run
peak of the network of 5 million parameters at most 1.6 bytes per parameter above the control.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from targets.footprint import compare
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
from targets.onnxruntime.control import zeroed
from targets.onnxruntime.estimate import estimate
from targets.onnxruntime.export import write
from targets.onnxruntime.measure import measure
from targets.profile import load_profile

BYTES_PER_PARAMETER = 1.6
FIVE_MILLION = "chain 5M"

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
    """10 thousand to 5 million parameters, chains and cells, 3x3 to 7x7, 1 to 8 steps."""
    digits, fashion, colour = (1, 8, 8), (1, 28, 28), (3, 32, 32)
    return {
        "digits chain": chain(digits, [(16, 3, 1), (32, 3, 1)], 10, 4, pool=2),
        "digits cells": cells(digits, (12, 20), 3, 10, 4),
        "digits cells T1": cells(digits, (16, 32), 3, 10, 1),
        "digits cells T8 5x5": cells(digits, (8, 14), 5, 10, 8),
        "fashion chain 7x7": chain(fashion, [(12, 7, 2), (24, 5, 2), (48, 3, 1)], 10, 2),
        "fashion cells": cells(fashion, (16, 32), 3, 10, 5),
        "chain 100k": chain(colour, [(24, 5, 2), (48, 5, 2), (64, 3, 2)], 10, 6, neuron=Neuron(96, 7, 0, 16)),
        "cells 150k": cells(colour, (24, 40), 5, 100, 3),
        "chain 400k": chain(colour, [(64, 3, 1), (128, 3, 2), (256, 3, 2)], 10, 4, pool=2),
        "cells 1M": cells(colour, (48, 110), 5, 10, 2),
        "chain 1M 7x7": chain(colour, [(32, 7, 2), (64, 7, 2), (160, 7, 2), (96, 3, 1)], 20, 8),
        "chain 2M": chain(colour, [(64, 3, 1), (128, 3, 2), (256, 3, 2), (256, 3, 1), (384, 3, 2)], 100, 1),
        "cells 3M": cells(colour, (64, 200), 5, 10, 3),
        FIVE_MILLION: chain(
            colour, [(64, 3, 2), (128, 3, 1), (256, 3, 2), (512, 3, 2), (512, 3, 1), (256, 3, 1)], 10, 4
        ),
        "dense 5M": chain(colour, [(32, 3, 1), (64, 3, 2)], 300, 2),
    }


def main() -> int:
    """Prints the table; 1 if a bar is missed."""
    profile = load_profile("jetson_nano")
    missed = 0
    print(f"{'network':<22}{'parameters':>11}  {'term':<16}{'estimated':>12}{'measured':>12}{'difference':>11}")
    for name, network in held_out().items():
        with tempfile.TemporaryDirectory() as folder:
            write(zeroed(network), Path(folder))
            measured = measure(Path(folder), network, profile)
        for row in compare(estimate(network, profile), measured, profile.tolerance):
            difference = row.estimated_bytes / row.measured_bytes - 1
            missed += not row.ok
            print(
                f"{name:<22}{network.parameters:>11,}  {row.term:<16}{row.estimated_bytes:>12,}{row.measured_bytes:>12,}"
                f"{difference:>+11.2%}{'' if row.ok else '  MISSED'}"
            )
            if name == FIVE_MILLION and row.term.endswith("running"):
                per_parameter = row.measured_bytes / network.parameters
                missed += per_parameter > BYTES_PER_PARAMETER
                print(f"{'':<35}run peak {per_parameter:.2f} bytes per parameter, at most {BYTES_PER_PARAMETER}")
    print(f"{missed} bars missed; {', '.join(f'{k}: {v}' for k, v in list(measured.tools.items())[:2])}")
    return 1 if missed else 0


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


if __name__ == "__main__":
    sys.exit(main())
