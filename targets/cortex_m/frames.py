"""Inputs and recordings in the layout of the kernels: row by row, all channels of a position together.

Comes in: arrays as `targets.reference` has them ([C, H, W]). Goes out: the bytes that firmware takes, and back again the
spikes and membrane potentials of every population from what a test build records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from targets.cortex_m.lowering import Layer
from targets.cortex_m.plan import Plan
from targets.errors import InternalError

#: What a test build records for a neuron that spikes.
SPIKE = -(2**31)


def is_streamed(plan: Plan) -> bool:
    """Whether the measured firmware takes spikes frame by frame."""
    return plan.network.input.spiking and plan.schedule.name == "streaming"


def frames_of(plan: Plan, sample: NDArray[np.uint8]) -> list[bytes]:
    """One input as the firmware exchanges it: one block, or one per time step where spikes are streamed."""
    if not plan.network.input.spiking:
        return [positions_first(sample).tobytes()]
    packed = [
        np.packbits(positions_first(frame), bitorder="little").tobytes().ljust(plan.frame_bytes, b"\0")
        for frame in sample
    ]
    return packed if is_streamed(plan) else [b"".join(packed)]


def positions_first(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[C, H, W] as flat [H, W, C]; flat values as they are."""
    return np.ascontiguousarray(values.transpose(1, 2, 0) if values.ndim == 3 else values).ravel()


@dataclass(frozen=True)
class Chunk:
    """Rows of a layer in one step, as they follow each other in a recording."""

    layer: Layer
    step: int
    first_row: int
    rows: int


def recording_order(plan: Plan) -> list[Chunk]:
    """The order in which the driver (snn_run.c) computes, one entry for each layer's tile and step."""
    schedule, steps = plan.schedule, plan.network.timesteps
    if schedule.name == "streaming":
        return [Chunk(layer, step, 0, layer.rows) for step in range(steps) for layer in schedule.layers]
    chunks: list[Chunk] = []
    for index, layer in enumerate(schedule.layers):
        if layer.name in schedule.fused:
            continue
        behind = schedule.layers[index + 1 : index + 2]
        pool = behind[0] if behind and behind[0].name in schedule.fused else None
        tile = schedule.tile_rows[layer.name]
        for row in range(0, layer.rows, tile):
            rows = min(tile, layer.rows - row)
            for step in range(steps):
                chunks.append(Chunk(layer, step, row, rows))
                if pool is not None:
                    stride = pool.links[0].window.stride
                    if rows // stride:
                        chunks.append(Chunk(pool, step, row // stride, rows // stride))
    return chunks


def recorded(plan: Plan, samples: Sequence[NDArray[np.int32]]) -> dict[str, NDArray[np.int32]]:
    """Recordings [T, N, *shape] by population.

    Raises:
        InternalError: a recording is not as long as the plan says.
    """
    stacked = np.stack(samples) if samples else np.zeros((0, 0), np.int32)
    steps, count = plan.network.timesteps, len(samples)
    result = {
        layer.name: np.zeros((steps, count, layer.rows, layer.columns, layer.channels), np.int32)
        for layer in plan.schedule.layers
    }
    position = 0
    for chunk in recording_order(plan):
        layer, size = chunk.layer, chunk.rows * chunk.layer.row_values
        values = stacked[:, position : position + size].reshape(count, chunk.rows, layer.columns, layer.channels)
        result[layer.name][chunk.step, :, chunk.first_row : chunk.first_row + chunk.rows] = values
        position += size
    if position != stacked.shape[1]:
        raise InternalError(f"a recording has {stacked.shape[1]} values, the plan {position}")
    return {
        layer.name: result[layer.name].transpose(0, 1, 4, 2, 3).reshape(steps, count, *layer.population.shape)
        for layer in plan.schedule.layers
    }
