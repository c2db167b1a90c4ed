"""The packing of Loihi 1 against nengo-loihi's own allocator, which lives in an environment with NumPy 1."""

from __future__ import annotations

import json
import subprocess
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from targets.errors import ToolMissingError
from targets.loihi import cores
from targets.loihi.environment import Environment
from targets.loihi.graph import build
from targets.network import (
    INPUT,
    READOUT,
    Connection,
    Conv,
    Dense,
    Identity,
    Input,
    Network,
    Operation,
    Population,
    Weight,
)
from targets.profile import load_profile
from tests.networks import branching

HERE = Path(__file__).parent
NENGO_LOIHI = Environment("nengo-loihi", HERE / "nengo_loihi.txt", "make test")


def random_chain(seed: int, bits: int) -> dict[str, Any]:
    """Up to three convolutions with the paddings that Nengo has, and a dense layer if it may listen to all of them."""
    rng = np.random.default_rng(seed)
    shape = [int(rng.choice([1, 2, 3, 8])), int(rng.choice([7, 9, 11, 15, 17])), int(rng.choice([7, 9, 11, 15, 17]))]
    layers: list[dict[str, Any]] = [{"kind": "source", "shape": shape}]
    for _ in range(int(rng.integers(1, 4))):
        kernel, stride = int(rng.choice([1, 3, 5])), int(rng.choice([1, 1, 2]))
        padding = int(rng.choice([0, kernel // 2]))
        if padding and min(shape[1] % 2, shape[2] % 2) == 0:
            stride = 1
        rows, columns = ((size + 2 * padding - kernel) // stride + 1 for size in shape[1:])
        if min(rows, columns) < 1:
            continue
        shape = [int(rng.choice([2, 4, 8, 16, 32])), rows, columns]
        layers.append({"kind": "conv", "kernel": kernel, "stride": stride, "padding": padding, "shape": shape})
    if prod(shape) <= 4096:
        layers.append({"kind": "dense", "shape": [int(rng.choice([3, 10, 100, 300]))]})
    return {"bits": bits, "layers": layers}


def network_of(chain: dict[str, Any]) -> Network:
    """The chain as an integer network; its source is a population that the host feeds."""
    populations, connections, weights = [], [Connection(INPUT, "layer0", Identity())], []
    layers = chain["layers"]
    for index, layer in enumerate(layers):
        fires = index < len(layers) - 1
        neuron = {} if fires else {"neuron": READOUT}
        populations.append(Population(f"layer{index}", tuple(layer["shape"]), fires=fires, **neuron))
        if index == 0:
            continue
        before, size = layers[index - 1]["shape"], layer["shape"][0]
        operation: Operation = Dense()
        kernel: tuple[int, ...] = (size, prod(before))
        if layer["kind"] == "conv":
            operation = Conv(layer["stride"], layer["padding"])
            kernel = (size, before[0], layer["kernel"], layer["kernel"])
        weights.append(Weight(f"w{index}", kernel, chain["bits"]))
        connections.append(Connection(f"layer{index - 1}", f"layer{index}", operation, f"w{index}"))
    shape = tuple(layers[0]["shape"])
    return Network(Input(shape), tuple(populations), tuple(connections), tuple(weights), 4)


def allocated(chains: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What nengo-loihi says of the chains."""
    try:
        python = NENGO_LOIHI.interpreter()
    except ToolMissingError as error:
        pytest.skip(error.message)
    command = [str(python), str(HERE / "nengo_loihi_allocator.py")]
    done = subprocess.run(command, input=json.dumps(chains), capture_output=True, text=True, timeout=300, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_cores_and_synapse_bits_equal_nengo_loihis(monkeypatch: pytest.MonkeyPatch) -> None:
    chains = [random_chain(seed, (1, 2, 4, 8)[seed % 4]) for seed in range(28)]
    settings = load_profile("kapoho_bay").settings
    compared = 0
    for chain, expected in zip(chains, allocated(chains), strict=True):
        network = network_of({**chain, "bits": max(2, chain["bits"])})
        # trained weights have a sign and thus two bits at least; relays and pooling have one
        monkeypatch.setattr(cores, "weight_bits", lambda *_, bits=chain["bits"]: bits)
        layers = cores.loihi1(network, build(network, graded_input=False), settings)
        if "error" in expected:
            # nengo-loihi cuts a layer once; where a part still exceeds a core, ours cuts further
            assert "exceeded max" in expected["error"]
            continue
        compared += 1
        assert [layer.cores for layer in layers] == expected["cores"]
        assert [layer.synapse_bits for layer in layers] == expected["synapse_bits"]
    assert compared >= 20


def test_nengo_loihi_refuses_the_fan_in_that_we_refuse() -> None:
    chain = {"bits": 8, "layers": [{"kind": "source", "shape": [8, 32, 32]}, {"kind": "dense", "shape": [10]}]}
    assert "Input axons (8192) exceeded max (4096)" in allocated([chain])[0]["error"]
    network = network_of(chain)
    layers = cores.loihi1(network, build(network, graded_input=False), load_profile("kapoho_bay").settings)
    assert layers[-1].cores == 0


def test_lower_bound_counts_neurons_and_bytes() -> None:
    network, settings = branching(), load_profile("loihi2_oheo_gulch").settings
    graph = build(network, graded_input=True)
    assert cores.loihi2_lower_bound(network, graph, settings) == 1
    few_neurons = settings.model_copy(update={"neurons_per_core": 100})
    neurons = sum(group.size for group in graph.neurons)
    assert cores.loihi2_lower_bound(network, graph, few_neurons) == -(-neurons // 100)
    little_memory = settings.model_copy(update={"memory_per_core_bytes": 1024})
    assert cores.loihi2_lower_bound(network, graph, little_memory) > neurons * 8 // 1024
