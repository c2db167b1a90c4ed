"""Synapse memory of Loihi 1: the bits and input axons that one core needs for its share of a connection.

Comes in: a connection, the width of its weights, and the range of target neurons that live on the core. Goes out: input axons
and bits, in the formats that nengo-loihi 1.1.0 (Apache-2.0; block.py, conv.py, split_blocks.py) programs real boards with. A
dense layer has one axon for each source neuron. A convolution has a population axon for each source pixel, whose spikes
carry the channel; pixels with the same overlap share their synapses, and each synapse names its target by an index. Targets
are counted row by row, channels last.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, log2

from targets.loihi.graph import Synapses

#: Widths that a synapse can have for its weight, and for the index of its target.
WEIGHT_BITS = (1, 2, 3, 4, 5, 6, 8)
INDEX_BITS = (0, 6, 7, 8, 9, 10, 11, 12)
#: A group of at most 64 synapses carries 10 bits of its own and is rounded up to 64-bit words.
_GROUP, _GROUP_BITS, _WORD_BITS = 64, 10, 64
#: An axon reaches its first target by an offset below 256; beyond it the same synapses are stored again, indices raised.
_OFFSETS = 256

Interval = tuple[int, int]


@dataclass(frozen=True)
class Share:
    """What a connection needs on one core."""

    axons: int
    bits: int


@dataclass(frozen=True)
class _Reach:
    """Kernel positions through which a source row or column reaches targets, and the first of those."""

    taps: tuple[int, ...]
    first: int


def share(synapses: Synapses, weight_bits: int, targets: Interval) -> Share:
    """Axons and bits for the targets [start, stop) of a connection."""
    width = next(bits for bits in WEIGHT_BITS if bits >= weight_bits)
    if synapses.kind == "dense":
        sources = synapses.kernel[1]
        return Share(sources, sources * axon_bits(targets[1] - targets[0], width))
    return _convolution(replace(synapses, source="", target="", connection=None, lag=0), width, targets)


def axon_bits(weights: int, bits_per_weight: int) -> int:
    """Bits of the synapses behind one axon."""
    full, rest = divmod(weights, _GROUP)
    groups = [_GROUP] * full + ([rest] if rest else [])
    return sum(-(-(size * bits_per_weight + _GROUP_BITS) // _WORD_BITS) * _WORD_BITS for size in groups)


@lru_cache(maxsize=4096)  # a search asks for the same few geometries again and again
def _convolution(synapses: Synapses, width: int, targets: Interval) -> Share:
    _, rows, columns = synapses.source_shape if len(synapses.source_shape) == 3 else (0, 1, 1)
    filters, _, kernel_height, kernel_width = synapses.kernel
    columns_out = _outputs(columns, kernel_width, synapses)
    across = [_reach(column, columns, kernel_width, synapses) for column in range(columns)]
    line = columns_out * filters
    axons, largest = 0, 0
    shared: dict[object, int] = {}
    for down in (_reach(row, rows, kernel_height, synapses) for row in range(rows)):
        if not down.taps or not _clipped([(down.first * line, (down.first + len(down.taps)) * line)], targets):
            continue
        for right in across:
            origin = down.first * line + right.first * filters
            length = len(right.taps) * filters
            starts = [origin + index * line for index in range(len(down.taps))]
            kept = _clipped([(start, start + length) for start in starts], targets)
            if not kept or not length:
                continue
            axons += 1
            first = kept[0][0] - targets[0]
            raised = first - first % _OFFSETS
            largest = max(largest, raised + kept[-1][1] - 1 - kept[0][0])
            key = (down.taps, right.taps, tuple((a - origin, b - origin) for a, b in kept), raised)
            shared[key] = sum(b - a for a, b in kept)
    index = _index_bits(largest + 1)
    channels = synapses.source_shape[0]
    own = [-(-count // synapses.groups) for count in shared.values()]
    return Share(axons, sum(axon_bits(channels * count, width + index) for count in own))


def _clipped(intervals: list[Interval], to: Interval) -> list[Interval]:
    clipped = [(max(start, to[0]), min(stop, to[1])) for start, stop in intervals]
    return [(start, stop) for start, stop in clipped if start < stop]


def _outputs(size: int, kernel: int, synapses: Synapses) -> int:
    return (size + 2 * synapses.padding - kernel) // synapses.stride + 1


def _reach(position: int, size: int, kernel: int, synapses: Synapses) -> _Reach:
    outputs = _outputs(size, kernel, synapses)
    start = position + synapses.padding + 1 - kernel
    reached = [
        (tap, (start + tap) // synapses.stride)
        for tap in range(kernel)
        if (start + tap) % synapses.stride == 0 and 0 <= (start + tap) // synapses.stride < outputs
    ]
    return _Reach(tuple(tap for tap, _ in reached), reached[0][1] if reached else 0)


def _index_bits(targets: int) -> int:
    needed = ceil(log2(targets)) if targets > 1 else 0
    return next((bits for bits in INDEX_BITS if bits >= needed), INDEX_BITS[-1])
