"""The exported files, running in the real runtime, against the golden executor: spikes, membranes and scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from targets.errors import ParityError, UnsupportedOperationError
from targets.network import INPUT, READOUT, Connection, Dense, Input, Network, Neuron, Pool, Population, Weight
from targets.onnxruntime import lowering
from targets.onnxruntime.checksums import write_sums
from targets.onnxruntime.execute import execute
from targets.onnxruntime.export import export
from targets.onnxruntime.graph import Builder, Graph, Node
from targets.onnxruntime.onnx_file import write
from targets.profile import Profile
from targets.reference import Trace, run
from tests.networks import NETWORKS, branching, chain, feedback, filled, inputs_for, random_network

NEURONS = {
    "default": Neuron(),
    "narrow state": Neuron(96, 7, 0, 12),
    "Loihi": Neuron(3072, 12, 6, 24, 24),
    "no leak": Neuron(128, 7, 1, 20),
    "memoryless": Neuron(0, 7, 0, 24),
}


def differences(network: Network, folder: Path, profile: Profile, samples: int = 3, seed: int = 0) -> dict[str, int]:
    """How many values differ between the exported files and the reference; empty where all are equal."""
    inputs = inputs_for(network, samples, seed)
    write(network, folder)
    return differing(run(network, inputs), execute(folder, network, profile, inputs))


def differing(left: Trace, right: Trace) -> dict[str, int]:
    assert left.spikes.keys() == right.spikes.keys()
    assert left.membranes.keys() == right.membranes.keys()
    pairs = {f"{name} spikes": (left.spikes[name], right.spikes[name]) for name in left.spikes}
    pairs |= {f"{name} membranes": (left.membranes[name], right.membranes[name]) for name in left.membranes}
    pairs["scores"] = (left.scores, right.scores)
    counts = {name: int((a != b).sum()) for name, (a, b) in pairs.items() if a.shape == b.shape}
    assert counts.keys() == pairs.keys(), "shapes differ"
    return {name: count for name, count in counts.items() if count}


@pytest.mark.parametrize("neuron", NEURONS.values(), ids=NEURONS)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_named_network_is_exact(name: str, neuron: Neuron, tmp_path: Path, nano: Profile) -> None:
    network = filled(NETWORKS[name](neuron))
    assert differences(network, tmp_path, nano) == {}


@pytest.mark.parametrize("first", range(0, 120, 20))
def test_random_networks_are_exact(first: int, tmp_path: Path, nano: Profile) -> None:
    rates = []
    for seed in range(first, first + 20):
        network = random_network(seed, feedback_edges=seed % 3 == 0)
        assert differences(network, tmp_path, nano, samples=2, seed=seed) == {}, f"seed {seed}"
        rates.append(run(network, inputs_for(network, 2, seed)).spike_rate)
    assert 0.02 < np.mean(rates) < 0.98, "networks that do not fire, or always fire, prove nothing"


@pytest.mark.parametrize("bits", range(2, 9))
def test_every_weight_width_is_exact(bits: int, tmp_path: Path, nano: Profile) -> None:
    assert differences(filled(branching(bits=bits)), tmp_path, nano) == {}


def test_shifted_pixels_are_exact(tmp_path: Path, nano: Profile) -> None:
    network = replace(branching(), input=Input((1, 6, 6), shift=4))
    assert differences(filled(network), tmp_path, nano) == {}


def test_a_current_that_wraps_is_exact(tmp_path: Path, nano: Profile) -> None:
    network = filled(chain(Neuron(96, 7, 2, 24, current_bits=16)))
    inputs = inputs_for(network, 4)
    write(network, tmp_path)
    expected = run(network, inputs)
    assert differing(expected, execute(tmp_path, network, nano, inputs)) == {}
    unwrapped = replace(
        network, populations=tuple(replace(p, neuron=replace(p.neuron, current_bits=None)) for p in network.populations)
    )
    assert differing(expected, run(unwrapped, inputs)), "nothing wrapped: the test proves nothing"


def test_a_population_fed_only_by_delayed_spikes_is_exact(tmp_path: Path, nano: Profile) -> None:
    network = Network(
        Input((1, 4, 4)),
        (
            Population("early", (5,), Neuron()),
            Population("late", (3,), Neuron()),
            Population("pooled", (1, 2, 2), Neuron(keep=0)),
            Population("readout", (2,), READOUT, fires=False),
        ),
        (
            Connection(INPUT, "early", Dense(), "in"),
            Connection("early", "late", Dense(), "up", delay=1),
            Connection(INPUT, "pooled", Pool(2, 2)),
            Connection("late", "readout", Dense(), "head"),
        ),
        (Weight("in", (5, 16), 8), Weight("up", (3, 5), 3), Weight("head", (2, 3), 8)),
        timesteps=4,
    )
    assert differences(filled(network), tmp_path, nano) == {}


def test_a_threshold_at_the_edge_of_int32_is_exact(tmp_path: Path, nano: Profile) -> None:
    network = filled(chain(Neuron(64, 7, 4, 24)))
    huge = np.full(4, 2**31 - 1, np.int32)
    network = replace(network, populations=(replace(network.populations[0], threshold=huge), *network.populations[1:]))
    assert differences(network, tmp_path, nano) == {}


def test_what_may_leave_int32_is_refused(tmp_path: Path, nano: Profile) -> None:
    network = filled(replace(chain(Neuron(3971, 12, 6, 24)), timesteps=64))
    with pytest.raises(UnsupportedOperationError, match="integer width") as refused:
        export(network, nano, tmp_path)
    assert refused.value.hint
    assert not list(tmp_path.iterdir())


def test_two_files_of_different_networks_are_noticed(tmp_path: Path, nano: Profile) -> None:
    network = filled(chain())
    write(network, tmp_path)
    kept = (tmp_path / "whole.onnx").read_bytes()
    write(filled(chain(), seed=1), tmp_path)
    (tmp_path / "whole.onnx").write_bytes(kept)
    write_sums(tmp_path, [tmp_path / "step.onnx", tmp_path / "whole.onnx"])
    with pytest.raises(ParityError, match=r"whole\.onnx and step\.onnx"):
        execute(tmp_path, network, nano, inputs_for(network))


# Negative controls: a graph with one deliberate fault must not pass the comparison.


def floor_for_trunc(graph: Graph) -> Graph:
    """v // d instead of trunc0(v / d): Div(v - Mod(v, d), d), with the sign of the divisor."""
    nodes: list[Node] = []
    tensors = dict(graph.tensors)
    for node in graph.nodes:
        if node.operator != "Div":
            nodes.append(node)
            continue
        rest, down = f"{node.output}.rest", f"{node.output}.down"
        for name in (rest, down):
            tensors[name] = replace(tensors[node.output], name=name)
        nodes += [
            Node("Mod", node.inputs, rest),
            Node("Sub", (node.inputs[0], rest), down),
            replace(node, inputs=(down, node.inputs[1])),
        ]
    return replace(graph, nodes=tuple(nodes), tensors=tensors)


def at_threshold_fires(graph: Graph) -> Graph:
    return replaced(graph, "Greater", lambda node: replace(node, operator="GreaterOrEqual"))


def no_saturation(graph: Graph) -> Graph:
    return replaced(graph, ("Max", "Min"), lambda node: Node("Identity", node.inputs[:1], node.output))


def replaced(graph: Graph, operators: str | tuple[str, ...], change: Callable[[Node], Node]) -> Graph:
    return replace(graph, nodes=tuple(change(n) if n.operator in operators else n for n in graph.nodes))


def without_skip(network: Network) -> Network:
    return replace(network, connections=tuple(c for c in network.connections if (c.source, c.target) != (INPUT, "c")))


@pytest.mark.parametrize("fault", [floor_for_trunc, at_threshold_fires, no_saturation])
def test_a_fault_in_the_arithmetic_is_noticed(
    fault: Callable[[Graph], Graph], tmp_path: Path, nano: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    from targets.onnxruntime import onnx_file as module

    network = filled(branching(Neuron(96, 7, 0, 12)))
    monkeypatch.setattr(module, "lower", lambda *arguments: fault(lowering.lower(*arguments)))
    write(network, tmp_path)
    inputs = inputs_for(network, 20)
    assert differing(run(network, inputs), execute(tmp_path, network, nano, inputs))


def test_a_skip_left_out_is_noticed(tmp_path: Path, nano: Profile) -> None:
    network = filled(branching())
    write(without_skip(network), tmp_path)
    inputs = inputs_for(network, 20)
    assert differing(run(network, inputs), execute(tmp_path, network, nano, inputs))


def test_spikes_over_time_are_fed_step_by_step(tmp_path: Path, nano: Profile) -> None:
    network = filled(feedback())
    inputs = inputs_for(network, 4)
    write(network, tmp_path)
    reversed_in_time = execute(tmp_path, network, nano, np.ascontiguousarray(inputs[:, ::-1]))
    assert differing(reversed_in_time, execute(tmp_path, network, nano, inputs))


def test_equal_computations_are_one_node() -> None:
    graph = lowering.lower(branching(), "whole")
    stems = [n for n in graph.nodes if n.operator == "ConvInteger" and n.inputs[0] == INPUT]
    assert len(stems) == 1, "constant pixels, two connections, three steps: one convolution"
    edges = [n for n in graph.nodes if n.operator == "ConvInteger" and n.inputs[1] == "edge01.weight"]
    assert len(edges) == 3, "one per step, though two connections share the weight"


def test_names_that_collide_are_refused() -> None:
    from targets.errors import ConfigurationError

    build = Builder("any", 1)
    build.input("a", "uint8", (1,))
    with pytest.raises(ConfigurationError, match="'a'"):
        build.input("a", "uint8", (1,))
