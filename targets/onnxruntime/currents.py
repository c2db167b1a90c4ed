"""Connections as operators: from uint8 spikes or pixels to the int32 current into a population.

Every weighted connection is a ConvInteger with uint8 weights of zero point 128. A dense layer is a convolution whose kernel
covers its whole source: unlike those of MatMulInteger its weights are never repacked at load (which holds a large layer
three times). uint8 weights, unlike int8, exist in old runtimes and never saturate in 16-bit products on AVX2.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from targets.errors import InternalError
from targets.network import Connection, Conv, Network, Pool, Weight
from targets.onnxruntime.graph import Builder, Tensor
from targets.onnxruntime.names import layout

WEIGHT_ZERO = 128


def synaptic_current(build: Builder, network: Network, connection: Connection, source: Tensor, step: str) -> Tensor:
    """multiplier * operation(source), times 2**F of the target, as int32 in the target's shape.

    Connections that repeat an operation on the same source get the same tensor, whatever their target.
    """
    label = f"{connection.source}.delayed" if connection.delay else connection.source
    if isinstance(connection.operation, Pool):
        current = _pooled(build, connection.operation, source, network, connection, label, step)
    elif connection.weight is None:
        current = build.add("Cast", (source,), (f"{label}.cast{step}", "int32", source.shape), to="int32")
    else:
        current = _weighted(build, network, connection, source, label, step)
    factor = connection.multiplier << network.population_of[connection.target].neuron.fraction_bits
    if factor == 1:
        return current
    by = build.scalar("factor", "int32", factor)
    name = current.name.removesuffix(step) if step else current.name
    return build.add("Mul", (current, by), (f"{name}.times{factor}{step}", "int32", current.shape))


def _weighted(
    build: Builder, network: Network, connection: Connection, source: Tensor, label: str, step: str
) -> Tensor:
    weight = network.weight_of[connection.weight or ""]
    if isinstance(connection.operation, Conv):
        conv, shape = connection.operation, weight.shape
    else:
        conv, shape = Conv(), (weight.shape[0], *source.shape[1:])
    stored = build.constant(f"{weight.name}.weight", "uint8", shape, partial(_offset, weight, shape))
    result = f"{label}.{weight.name}.s{conv.stride}p{conv.padding}{step}"
    zeros = (build.scalar("zero", "uint8", 0), build.scalar("zero", "uint8", WEIGHT_ZERO))
    return _convolution(build, source, stored, zeros, conv, (result, layout(network.shape_of(connection.target))))


def _pooled(
    build: Builder, pool: Pool, source: Tensor, network: Network, connection: Connection, label: str, step: str
) -> Tensor:
    """A sum over windows is a depthwise convolution with ones; ONNX has no integer pooling that adds."""
    channels = source.shape[1]
    shape = (channels, 1, pool.kernel, pool.kernel)
    ones = build.constant(f"ones{channels}x{pool.kernel}.weight", "uint8", shape, lambda: np.ones(shape, np.uint8))
    zero = build.scalar("zero", "uint8", 0)
    conv = Conv(pool.stride, pool.padding, channels)
    result = f"{label}.pool{pool.kernel}.s{pool.stride}p{pool.padding}{step}"
    return _convolution(build, source, ones, (zero, zero), conv, (result, layout(network.shape_of(connection.target))))


def _convolution(
    build: Builder,
    source: Tensor,
    weight: Tensor,
    zeros: tuple[Tensor, Tensor],
    conv: Conv,
    result: tuple[str, tuple[int, ...]],
) -> Tensor:
    name, shape = result
    return build.add(
        "ConvInteger",
        (source, weight, *zeros),
        (name, "int32", shape),
        group=conv.groups,
        kernel_shape=weight.shape[2:],
        pads=(conv.padding,) * 4,
        strides=(conv.stride,) * 2,
    )


def _offset(weight: Weight, shape: tuple[int, ...]) -> NDArray[Any]:
    if weight.values is None:
        raise InternalError(f"weight {weight.name!r} is written before it has values")
    return (weight.values.astype(np.int16) + WEIGHT_ZERO).astype(np.uint8).reshape(shape)
