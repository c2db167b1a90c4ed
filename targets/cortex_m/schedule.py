"""When a membrane has to exist: what each schedule keeps in memory, and for how long.

Comes in: the layers of a network. Goes out: their order, their tiles and the buffers of both kinds (membranes and spikes)
with lifetimes. Phases are positions of layers in the order of computation.

Streaming: one time step through all layers. Membranes that remember live always, the others while their layer runs; spikes
from their layer to its last reader in the same step; spikes that are read in the next step (delay 1) live always, in a copy
where the layer is computed before its reader.

Time-batched: one tile of rows through all time steps, layer after layer. A membrane lives while its tile runs; spikes of all
steps live from their layer to its last reader. A pool that is the only reader of a layer is computed with each of its tiles.
The layer whose smallest tile is the largest decides how much memory tiles get; every other layer takes as many rows as fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from targets.cortex_m.lowering import Layer
from targets.cortex_m.placement import Buffer
from targets.network import INPUT, Network

ScheduleName = Literal["streaming", "batched"]


@dataclass(frozen=True)
class Schedule:
    """An order of computation with its buffers. Names of buffers are those of populations."""

    name: ScheduleName
    layers: tuple[Layer, ...]
    #: Pools that are computed with the tiles of the layer in front of them.
    fused: frozenset[str]
    tile_rows: dict[str, int]
    membranes: tuple[Buffer, ...]
    spikes: tuple[Buffer, ...]
    #: Layers whose constant input current is kept behind the membrane potentials of a tile and added in every step.
    keeps_current: frozenset[str] = frozenset()
    #: Spikes read one step later: population to whether a copy "NAME.previous" is taken at the end of the step.
    delayed: tuple[tuple[str, bool], ...] = ()

    def spike_words(self, layer: Layer) -> int:
        """32-bit words of the spikes of one step."""
        return spike_bytes(layer) // 4


def has_feedback(network: Network) -> bool:
    """Whether any connection is delayed, which only streaming can run."""
    return any(connection.delay for connection in network.connections)


def spike_bytes(layer: Layer, rows: int | None = None) -> int:
    """Bytes of the bit-packed spikes of one step, in whole words."""
    return -(-(rows or layer.rows) * layer.row_values // 32) * 4


def membrane_bytes(layer: Layer, rows: int) -> int:
    """Bytes of the membrane potentials of some rows, in whole words."""
    return -(-rows * layer.row_values * layer.width // 32) * 4


def streaming(network: Network, layers: tuple[Layer, ...]) -> Schedule:
    """One time step through all layers."""
    position = {layer.name: index for index, layer in enumerate(layers)}
    end = len(layers) - 1
    delayed: list[tuple[str, bool]] = []
    membranes: list[Buffer] = []
    spikes: list[Buffer] = []
    for index, layer in enumerate(layers[:-1]):
        readers = network.out_of(layer.name)
        late = [position[c.target] for c in readers if c.delay]
        copied = any(reader > index for reader in late)
        first, last = index, max([index, *(position[c.target] for c in readers if not c.delay)])
        if late:
            delayed.append((layer.name, copied))
            first, last = (index, end) if copied else (0, end)
        spikes.append(Buffer(layer.name, spike_bytes(layer), first, last))
        if copied:
            spikes.append(Buffer(f"{layer.name}.previous", spike_bytes(layer), 0, end))
        if not layer.is_pool:
            remembers = layer.population.neuron.remembers
            lifetime = (0, end) if remembers else (index, index)
            membranes.append(Buffer(layer.name, membrane_bytes(layer, layer.rows), *lifetime))
    tiles = {layer.name: layer.rows for layer in layers}
    return Schedule("streaming", layers, frozenset(), tiles, tuple(membranes), tuple(spikes), delayed=tuple(delayed))


def batched(network: Network, layers: tuple[Layer, ...], keep_currents: bool) -> Schedule:
    """All time steps through one tile of a layer."""
    fusing = _fusing(network, layers)
    order = _with_pools_behind(layers, fusing)
    position = {layer.name: index for index, layer in enumerate(order)}
    pixels = {layer.name for layer in order if any(link.from_pixels(network) for link in layer.links)}
    keeps = frozenset(name for name in pixels if keep_currents and name != network.readout.name)
    tiles = _tiles(network, order, fusing, keeps)
    membranes: list[Buffer] = []
    spikes: list[Buffer] = []
    for index, layer in enumerate(order[:-1]):
        last = max([index, *(position[c.target] for c in network.out_of(layer.name))])
        if layer.name in fusing:
            spikes.append(Buffer(layer.name, spike_bytes(layer, tiles[layer.name]), index, index))
        else:
            first = index - 1 if layer.name in fusing.values() else index
            spikes.append(Buffer(layer.name, network.timesteps * spike_bytes(layer), first, last))
        if not layer.is_pool:
            size = membrane_bytes(layer, tiles[layer.name]) * (2 if layer.name in keeps else 1)
            membranes.append(Buffer(layer.name, size, index, index))
    return Schedule(
        "batched", order, frozenset(fusing.values()), tiles, tuple(membranes), tuple(spikes), keeps_current=keeps
    )


def _fusing(network: Network, layers: tuple[Layer, ...]) -> dict[str, str]:
    """Layers whose spikes go into one pool with windows side by side, and nowhere else: layer to pool."""
    result: dict[str, str] = {}
    for pool in layers:
        if not pool.is_pool or len(pool.links) != 1:
            continue
        link = pool.links[0]
        source, window = link.connection.source, link.window
        side_by_side = window.kernel_rows == window.stride and window.padding == 0
        if source == INPUT or not side_by_side or len(network.out_of(source)) != 1:
            continue
        if not next(layer for layer in layers if layer.name == source).is_pool:
            result[source] = pool.name
    return result


def _with_pools_behind(layers: tuple[Layer, ...], fusing: dict[str, str]) -> tuple[Layer, ...]:
    by_name = {layer.name: layer for layer in layers}
    order: list[Layer] = []
    for layer in layers:
        if layer.name not in fusing.values():
            order.append(layer)
            if layer.name in fusing:
                order.append(by_name[fusing[layer.name]])
    return tuple(order)


def _tiles(
    network: Network, layers: tuple[Layer, ...], fusing: dict[str, str], keeps: frozenset[str]
) -> dict[str, int]:
    unit = {layer.name: 1 for layer in layers}
    for layer in layers:
        if layer.name in fusing.values():
            source = layer.links[0].connection.source
            unit[source] = min(layer.links[0].window.stride, next(s.rows for s in layers if s.name == source))

    def bytes_of(layer: Layer, rows: int) -> int:
        return membrane_bytes(layer, rows) * (2 if layer.name in keeps else 1)

    inner = [layer for layer in layers if not layer.is_pool and layer.name != network.readout.name]
    room = max((bytes_of(layer, unit[layer.name]) for layer in inner), default=0)
    tiles = {layer.name: layer.rows for layer in layers}
    for layer in inner:
        step = unit[layer.name]
        rows = step
        while rows < layer.rows and bytes_of(layer, min(rows + step, layer.rows)) <= room:
            rows = min(rows + step, layer.rows)
        tiles[layer.name] = rows
    return tiles
