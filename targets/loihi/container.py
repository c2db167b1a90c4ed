"""The exported file: an HDF5 container that the loader beside it turns into Lava processes.

Comes in: a network with values and its graph. Goes out: bytes, equal for equal networks. /spikeport/description is JSON
(names, shapes, depths), /spikeport/arrays the integers. A chain additionally has NetX's /layer groups, which lava-dl reads
without any of our code. NetX skips layer types that it does not know and truncates numbers that are not integers, without a
word, so the file is read back with the reader's own conversions and compared before it is used.
"""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from targets.errors import InternalError
from targets.loihi.graph import (
    DECAY_ONE,
    RELAY_THRESHOLD,
    UNREACHABLE_THRESHOLD,
    Graph,
    Neurons,
    Synapses,
    weights,
)
from targets.network import Network

FORMAT = 1
_DESCRIPTION = "spikeport/description"
_ARRAYS = "spikeport/arrays"


def is_netx(network: Network, graph: Graph) -> bool:
    """Whether lava-dl's reader gives this network: a chain of convolutions and dense layers, none of them degenerate.

    The reader scales a dense layer's weights by their extremes, which fails for a matrix without a positive weight.
    """
    return graph.is_chain and all(
        (len(group.source_shape) == 3 and not (group.on_host and len(graph.synapses) == 1))
        if group.kind == "conv"
        else bool(weights(network, group).max() > 0)
        for group in graph.synapses
    )


def to_bytes(network: Network, graph: Graph, netx: bool) -> bytes:
    """The content of `network.net` (with NetX's layers) or `network.h5`."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w", track_order=True) as file:
        _write(file, _DESCRIPTION, np.bytes_(json.dumps(description(network, graph), sort_keys=True)))
        file.create_group(_ARRAYS)
        for name, values in _arrays(network, graph, netx).items():
            _write(file, f"{_ARRAYS}/{name}", values)
        if netx:
            for name, values in netx_layers(network, graph).items():
                _write(file, name, values)
    content = buffer.getvalue()
    _check(content, network, graph, netx)
    return content


def description(network: Network, graph: Graph) -> dict[str, Any]:
    """What the loader reads as JSON."""
    return {
        "format": FORMAT,
        "timesteps": network.timesteps,
        "depth": graph.depth,
        "input_shape": network.input.shape,
        "spiking": network.input.spiking,
        "pixel_shift": network.input.shift,
        "neurons": [
            {
                "name": group.name,
                "population": group.population,
                "shape": group.shape,
                "depth": group.depth,
                "decay": DECAY_ONE - group.keep,
                "threshold": threshold(network, group),
            }
            for group in graph.neurons
        ],
        "synapses": [
            {
                "source": group.source,
                "target": group.target,
                "kind": group.kind,
                "source_shape": group.source_shape,
                "stride": group.stride,
                "padding": group.padding,
                "groups": group.groups,
                "lag": group.lag,
                "on_host": group.on_host,
            }
            for group in graph.synapses
        ],
    }


def threshold(network: Network, group: Neurons) -> int:
    """The threshold mantissa that all neurons of a group share."""
    if group.population is None:
        return RELAY_THRESHOLD
    values = network.population_of[group.population].threshold
    return UNREACHABLE_THRESHOLD if values is None else int(values[0])


def netx_layers(network: Network, graph: Graph) -> dict[str, Any]:
    """NetX's datasets by their path in the file, in the order of their creation."""
    shape = network.shape_of(graph.neurons[0].name) if graph.synapses[0].on_host else network.input.shape
    layers: list[dict[str, Any]] = [{"type": "input", "shape": shape}]
    if graph.synapses[0].on_host:
        layers[0] |= _neuron(network, graph.neurons[0])
    for group, neurons in zip(graph.synapses, graph.neurons, strict=True):
        if group.on_host:
            continue
        if group.kind == "dense" and len(group.source_shape) == 3:
            layers.append({"type": "flatten", "shape": (int(np.prod(group.source_shape)),)})
        layers.append(_netx_layer(network, group, neurons))
    return {f"layer/{index}/{key}": _netx_value(v) for index, layer in enumerate(layers) for key, v in layer.items()}


def _netx_layer(network: Network, group: Synapses, neurons: Neurons) -> dict[str, Any]:
    layer = {
        "type": group.kind,
        "shape": neurons.shape,
        "weight": weights(network, group),
        "bias": _bias(network, neurons),
        **_neuron(network, neurons),
    }
    if group.kind == "conv":
        pairs = {"stride": group.stride, "padding": group.padding, "dilation": 1}
        layer |= {key: (value, value) for key, value in pairs.items()} | {"groups": group.groups}
    return layer


def _neuron(network: Network, neurons: Neurons) -> dict[str, Any]:
    decays = {"neuron/iDecay": DECAY_ONE, "neuron/vDecay": DECAY_ONE - neurons.keep}
    return {"neuron/type": "CUBA", **decays, "neuron/vThMant": threshold(network, neurons), "neuron/refDelay": 1}


def _netx_value(value: Any) -> Any:
    if isinstance(value, str):
        return np.bytes_(value)
    return np.asarray(value, np.int32)


def _bias(network: Network, neurons: Neurons) -> NDArray[np.int32]:
    """Bias by channel; relays have none."""
    bias = network.population_of[neurons.population].bias if neurons.population else None
    return np.zeros(neurons.shape[0], np.int32) if bias is None else bias


def _arrays(network: Network, graph: Graph, netx: bool) -> dict[str, NDArray[np.integer]]:
    """Weights and biases that the description refers to; those that NetX's layers hold are not repeated."""
    arrays: dict[str, NDArray[np.integer]] = {}
    for index, group in enumerate(graph.synapses):
        if group.on_host or not netx:
            arrays[f"weight{index}"] = weights(network, group).astype(np.int16)
    fed_by_host = {group.target for group in graph.on_host}
    for neurons in graph.neurons:
        if netx and neurons.name not in fed_by_host:
            continue
        arrays[f"bias_{neurons.name}"] = _bias(network, neurons).astype(np.int16)
    return arrays


def _write(file: Any, name: str, value: Any) -> None:
    file.create_dataset(name, data=value, track_times=False)


def _check(content: bytes, network: Network, graph: Graph, netx: bool) -> None:
    """Reads the file as the loaders do and compares every number with the network's."""
    import h5py

    wanted = _arrays(network, graph, netx)
    with h5py.File(io.BytesIO(content), "r") as file:
        same = json.loads(file[_DESCRIPTION][()]) == json.loads(json.dumps(description(network, graph)))
        same &= all(np.array_equal(file[f"{_ARRAYS}/{name}"][()], values) for name, values in wanted.items())
        for name, values in netx_layers(network, graph).items() if netx else ():
            read = file[name][()]
            if name.endswith(("weight", "bias")):
                read = read.astype(int)
            if name.endswith("/type"):
                same &= read.decode("ascii") in ("input", "conv", "dense", "flatten", "CUBA")
            same &= np.array_equal(read, values)
    if not same:
        raise InternalError("the exported Loihi network does not read back as it was written")
