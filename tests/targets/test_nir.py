"""NIR files hold the network: read back, they give its spikes, in an evaluator of our own and in spikingjelly's importer.

What spikingjelly 2.0.0 does not import: the readout's integrator, sum pooling, scaled skips, delays, thresholds that differ
within a population, and neurons without memory.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from numpy.typing import NDArray

from targets import reference
from targets.errors import ConfigurationError
from targets.network import Network, Neuron
from targets.nir import DT, node_name, write_nir
from tests.networks import NETWORKS, chain, filled, inputs_for, random_network

NO_LEAK, MEMORYLESS = Neuron(128, 7), Neuron(0, 7)


def evaluated(graph: Any, inputs: NDArray[np.uint8], steps: int) -> dict[str, NDArray[np.float64]]:
    """What each node of a graph gives at every step, [T, N, ...], by NIR's equations in steps of DT."""
    sources: dict[str, list[str]] = {name: [] for name in graph.nodes}
    for source, target in graph.edges:
        sources[target].append(source)
    values: dict[str, NDArray[np.float64]] = {}
    state: dict[str, Any] = {}
    history: dict[str, list[NDArray[np.float64]]] = {name: [] for name in graph.nodes}
    for step in range(steps):
        frame = inputs[:, step] if inputs.ndim == len(graph.nodes["input"].input_type["input"]) + 2 else inputs
        values = {"input": frame.astype(np.float64)}
        delayed = {name: state.get(name) for name, node in graph.nodes.items() if isinstance(node, nir.Delay)}
        waiting = [name for name in graph.nodes if name != "input"]
        for name, before in delayed.items():
            shape = graph.nodes[name].delay.shape
            values[name] = np.zeros((len(inputs), *shape)) if before is None else before
            waiting.remove(name)
        while waiting:
            name = next(n for n in waiting if all(s in values for s in sources[n]))
            waiting.remove(name)
            arrived = sum(values[source] for source in sources[name])
            values[name] = node_output(graph.nodes[name], arrived, state, name)
        for name in delayed:
            state[name] = values[sources[name][0]]
        for name in graph.nodes:
            history[name].append(values[name])
    return {name: np.stack(found) for name, found in history.items()}


def node_output(node: Any, arrived: NDArray[np.float64], state: dict[str, Any], name: str) -> NDArray[np.float64]:
    if isinstance(node, nir.Conv2d):
        pads, strides = node.padding, node.stride
        padded = np.pad(arrived, ((0, 0), (0, 0), (pads[0],) * 2, (pads[1],) * 2))
        windows = np.lib.stride_tricks.sliding_window_view(padded, node.weight.shape[2:], axis=(2, 3))
        windows = windows[:, :, :: strides[0], :: strides[1]]
        return np.einsum("nchwij,ocij->nohw", windows, node.weight.astype(np.float64)) + node.bias[:, None, None]
    if isinstance(node, nir.SumPool2d):
        windows = np.lib.stride_tricks.sliding_window_view(arrived, tuple(node.kernel_size), axis=(2, 3))
        return windows[:, :, :: node.stride[0], :: node.stride[1]].sum((4, 5))
    if isinstance(node, nir.Affine):
        return arrived @ node.weight.T + node.bias
    if isinstance(node, nir.Flatten):
        return arrived.reshape(len(arrived), -1)
    if isinstance(node, nir.Scale):
        return arrived * node.scale
    if isinstance(node, nir.Threshold):
        return (arrived > node.threshold).astype(np.float64)
    if isinstance(node, nir.Output):
        return arrived
    potential = state.get(name, np.zeros_like(arrived))
    if isinstance(node, nir.I | nir.IF):
        potential = potential + DT * node.r * arrived
    else:
        potential = potential + DT / node.tau * (node.v_leak - potential + node.r * arrived)
    if isinstance(node, nir.I | nir.LI):
        state[name] = potential
        return potential
    fired = potential > node.v_threshold
    state[name] = np.where(fired, 0, potential)
    return fired.astype(np.float64)


def round_trip(network: Network, folder: Path) -> Any:
    write_nir(network, folder / "network.nir")
    return nir.read(folder / "network.nir")


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("neuron", [NO_LEAK, MEMORYLESS], ids=["no leak", "memoryless"])
def test_a_file_read_back_gives_the_networks_spikes_and_scores(name: str, neuron: Neuron, tmp_path: Path) -> None:
    network = filled(NETWORKS[name](replace(neuron, state_bits=32)))
    network = replace(
        network,
        populations=tuple(replace(p, bias=p.bias * 0) if p.name == "pooled" else p for p in network.populations),
    )
    inputs = inputs_for(network)
    trace = reference.run(network, inputs)
    found = evaluated(round_trip(network, tmp_path), inputs, network.timesteps)
    for population, spikes in trace.spikes.items():
        assert np.array_equal(found[node_name(population)], spikes)
    np.testing.assert_allclose(found["output"][-1], trace.scores, rtol=1e-5)
    assert trace.spike_rate > 0.01


@pytest.mark.parametrize("seed", range(6))
def test_random_networks_without_leak_have_equal_spikes(seed: int, tmp_path: Path) -> None:
    network, inputs = random_network(seed, neuron=replace(NO_LEAK, state_bits=32)), None
    inputs = inputs_for(network, 3, seed)
    found = evaluated(round_trip(network, tmp_path), inputs, network.timesteps)
    for population, spikes in reference.run(network, inputs).spikes.items():
        assert np.array_equal(found[node_name(population)], spikes)


def test_spikingjelly_imports_a_chain_and_spikes_equally(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    nir_exchange = pytest.importorskip("spikingjelly.activation_based.nir_exchange")
    network = filled(chain(Neuron(64, 7, 0, 32)))
    network = replace(
        network,
        populations=tuple(
            p if p.threshold is None else replace(p, threshold=np.full_like(p.threshold, p.threshold[0]))
            for p in network.populations
        ),
    )
    inputs = inputs_for(network)
    graph = round_trip(network, tmp_path)
    spikes = evaluated(graph, inputs, network.timesteps)["second"]
    kept = {
        name: node
        for name, node in graph.nodes.items()
        if name in ("input", "first_in0", "first", "second_in0", "second")
    }
    kept["output"] = nir.Output(output_type={"output": np.array(network.population_of["second"].shape)})
    edges = [edge for edge in graph.edges if set(edge) <= set(kept)] + [("second", "output")]
    module = nir_exchange.import_from_nir(nir.NIRGraph(kept, edges, type_check=False), dt=DT)
    state = None
    for step in range(network.timesteps):
        output, state = module(torch.from_numpy(inputs.astype(np.float32)), state)
        assert np.array_equal(output.detach().numpy(), spikes[step])
    assert spikes.mean() > 0.01


def test_a_network_without_values_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="shapes only"):
        write_nir(chain(), tmp_path / "network.nir")
