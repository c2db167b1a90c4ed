"""A population's equation as operators: the integer leaky integrate-and-fire neuron of `targets.network`, in int32.

ONNX's Div of int32 rounds toward zero, which is trunc0. Saturation is Max and Min: ONNX Runtime 1.10 has no Clip of int32.
The reset multiplies by "stayed silent": Where would allocate two more copies of the population. `targets.onnxruntime.ranges`
proves that nothing here leaves int32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from targets.errors import InternalError
from targets.network import Integers, Network, Neuron, Population
from targets.onnxruntime import names
from targets.onnxruntime.graph import Builder, Tensor
from targets.onnxruntime.ranges import INT32_MAX, Leak, wraps


def leak(build: Builder, population: Population, before: Tensor | None, step: str) -> Tensor | None:
    """trunc0(v * keep / 2**n), or None where that is zero: no state yet, or a neuron that remembers nothing."""
    if before is None or not population.neuron.remembers:
        return None
    fraction, shape = Leak.of(population.neuron), before.shape
    value = before
    if fraction.numerator != 1:
        by = build.scalar("keep", "int32", fraction.numerator)
        value = build.add("Mul", (value, by), (f"{population.name}.product{step}", "int32", shape))
    if fraction.denominator != 1:
        by = build.scalar("leak", "int32", fraction.denominator)
        value = build.add("Div", (value, by), (f"{population.name}.leaked{step}", "int32", shape))
    return value


def drive(build: Builder, network: Network, population: Population, currents: list[Tensor], step: str) -> Tensor:
    """wrap(sum of currents) + (bias << F). Without currents (all spikes of the step before the first) it is the bias."""
    bias = _per_channel(build, population, "bias")
    shape = names.layout(population.shape)
    result = f"{population.name}.drive{step}"
    if not currents:
        sizes = build.constant(f"{population.name}.shape", "int64", (4,), lambda: np.array(shape, np.int64))
        return build.add("Expand", (bias, sizes), (result, "int32", shape))
    total = currents[0]
    for index, current in enumerate(currents[1:], start=1):
        total = build.add("Add", (total, current), (f"{population.name}.sum{index}{step}", "int32", shape))
    if wraps(network, population):
        total = _wrapped(build, population, total, step)
    return build.add("Add", (total, bias), (result, "int32", shape))


def integrate(build: Builder, population: Population, leaked: Tensor | None, driven: Tensor, step: str) -> Tensor:
    """clip(leaked + drive), the membrane potential before the reset; without a state before, the drive alone."""
    neuron, shape = population.neuron, names.layout(population.shape)
    total = driven
    if leaked is not None:
        total = build.add("Add", (leaked, driven), (f"{population.name}.integral{step}", "int32", shape))
    if neuron.limit == INT32_MAX:
        return total
    low, high = (build.scalar("limit", "int32", limit) for limit in (-neuron.limit, neuron.limit))
    floored = build.add("Max", (total, low), (f"{population.name}.floored{step}", "int32", shape))
    return build.add("Min", (floored, high), (f"{names.potential(population.name)}{step}", "int32", shape))


def fire(build: Builder, population: Population, potential: Tensor, step: str) -> tuple[Tensor, Tensor]:
    """Spikes (uint8) where the potential exceeds the threshold, and the membrane potential, zero where it fired."""
    shape = potential.shape
    threshold = _per_channel(build, population, "threshold")
    fired = build.add("Greater", (potential, threshold), (f"{population.name}.fired{step}", "bool", shape))
    spikes = build.add("Cast", (fired,), (f"{names.spikes(population.name)}{step}", "uint8", shape), to="uint8")
    silent = build.add("Not", (fired,), (f"{population.name}.silent{step}", "bool", shape))
    mask = build.add("Cast", (silent,), (f"{population.name}.mask{step}", "int32", shape), to="int32")
    kept = build.add("Mul", (potential, mask), (f"{population.name}.kept{step}", "int32", shape))
    return spikes, kept


def _wrapped(build: Builder, population: Population, current: Tensor, step: str) -> Tensor:
    """Two's complement of current_bits, once around, as the reference wraps: the lowest value wraps too."""
    bits = population.neuron.current_bits or 32
    shape = current.shape
    value = current
    for operator, bound, turn, label in (
        ("Greater", 2 ** (bits - 1), -(2**bits), "over"),
        ("Less", -(2 ** (bits - 1)) + 1, 2**bits, "under"),
    ):
        limit = build.scalar("register", "int32", bound)
        beyond = build.add(operator, (current, limit), (f"{population.name}.{label}{step}", "bool", shape))
        count = build.add("Cast", (beyond,), (f"{population.name}.{label}.int{step}", "int32", shape), to="int32")
        by = build.scalar("turn", "int32", turn)
        shift = build.add("Mul", (count, by), (f"{population.name}.{label}.turn{step}", "int32", shape))
        value = build.add("Add", (value, shift), (f"{population.name}.{label}.mended{step}", "int32", shape))
    return value


def _per_channel(build: Builder, population: Population, kind: str) -> Tensor:
    """Bias or threshold, times 2**F, as [C, 1, 1]. A threshold above int32 can never be exceeded, nor can int32's largest."""
    shape = (population.channels, 1, 1)

    def values() -> NDArray[Any]:
        stored: Integers | None = getattr(population, kind)
        if stored is None:
            raise InternalError(f"population {population.name!r} is written before it has a {kind}")
        shifted = stored.astype(np.int64) << population.neuron.fraction_bits
        return np.asarray(np.minimum(shifted, INT32_MAX), np.int32).reshape(shape)

    return build.constant(f"{population.name}.{kind}", "int32", shape, values)


def arithmetic(neuron: Neuron) -> str:
    """The equation of one population, for people who open the file."""
    fraction = Leak.of(neuron)
    wrapped = f"wrap{neuron.current_bits}" if neuron.current_bits else ""
    return (
        f"v = clip(trunc0(v * {fraction.numerator} / {fraction.denominator}) + {wrapped}(current) + bias, +-{neuron.limit}); "
        "spike = v > threshold; v = 0 where spike"
    )
