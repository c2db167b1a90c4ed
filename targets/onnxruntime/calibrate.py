"""Measures what a session's objects cost: `python -m targets.onnxruntime.calibrate [VERSION INSTRUCTION_SET] [--shipped]`.

Goes in: an ONNX Runtime, this machine's by default. Comes out: its entry in a calibration table. Sessions of made-up networks are
measured as `measure` does; what is known (tensors, by the runtime's rules) is subtracted, the rest is fitted by least squares of
the relative error, in bytes per feature. Takes a minute or two; another instruction set is emulated.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from targets.network import (
    INPUT,
    READOUT,
    Connection,
    Conv,
    Dense,
    Identity,
    Input,
    Network,
    Neuron,
    Pool,
    Population,
    Weight,
)
from targets.network_file import write_atomically
from targets.onnxruntime.calibration import SHIPPED, own_table, read_table, table_bytes
from targets.onnxruntime.control import control, zeroed
from targets.onnxruntime.graph import Graph
from targets.onnxruntime.heap_model import (
    LOW,
    MARGIN,
    Constants,
    Heap,
    Loader,
    features,
    heap,
    known_bytes,
    known_run_bytes,
    objects,
)
from targets.onnxruntime.lowering import lower
from targets.onnxruntime.measure import companions, peaks
from targets.onnxruntime.names import FORMS, Form
from targets.onnxruntime.onnx_file import write
from targets.onnxruntime.runtimes import Runtime, native_runtime
from targets.onnxruntime.settings import Settings
from targets.profile import load_profile

#: Which features may explain a moment. Loading's early moments know nodes and names only.
EXPLAINING = {
    "reading": ("session", "nodes", "constants", "name_characters"),
    "converting": ("session", "ready_objects", "nodes", "constants", "converted_constants"),
    "ready": tuple(features(lower(control(), "whole"), Loader(keeps_parsed=False, old_strings=False))),
    "planning": (
        "session",
        "ready_objects",
        "nodes",
        "constants",
        "converted_constants",
        "slots_values",
        "doubled_values",
        "buckets_nodes",
    ),
    "running": ("session", "node_inputs", "constants", "inputs", "outputs"),
}
ROUNDS = 8
#: Networks with fewer bytes of constants say nothing about a margin.
SMALL_BYTES = 8000
#: Its emulated core runs what is not of this machine's instruction set.
BOARD = "jetson_nano"
NETWORKS = 150


def main() -> None:
    """Measures, fits, writes the table and says how well it fits."""
    words = [word for word in sys.argv[1:] if word != "--shipped"]
    runtime = Runtime(*words) if words else native_runtime()
    networks = [network(seed) for seed in range(NETWORKS)]
    base, graphs, measured = measurements(settings_of(runtime), networks)
    constants = fitted(base, graphs, measured)
    path = SHIPPED if "--shipped" in sys.argv[1:] else own_table()
    write_atomically(path, table_bytes({**read_table(path), str(runtime): constants}))
    sys.stdout.write(f"{path}: {runtime}, from {len(graphs)} sessions\n")


def settings_of(runtime: Runtime) -> Settings:
    """Settings under which that runtime runs here: on a core of the oldest boards, where it has to be emulated."""
    board: Settings = load_profile(BOARD).settings
    return board.model_copy(update={"version": runtime.version, "instruction_set": runtime.instruction_set})


def measurements(settings: Settings, networks: Sequence[Network]) -> tuple[dict[Form, Heap], list[Graph], list[Heap]]:
    """The control, then both forms of every network, as graphs and measured."""
    with tempfile.TemporaryDirectory() as folder:
        base, warm = companions(Path(folder))
        files = [write(zeroed(each), Path(folder) / str(index)) for index, each in enumerate(networks)]
        paths = [paths[form] for paths in (base, *files) for form in FORMS]
        counted = peaks(settings, paths, warm).heaps
    controls = dict(zip(FORMS, counted, strict=False))
    return controls, [lower(each, form) for each in networks for form in FORMS], list(counted[len(FORMS) :])


def fitted(base: dict[Form, Heap], graphs: Sequence[Graph], measured: Sequence[Heap]) -> Constants:
    """Constants under which the model comes closest to the measurements, with the loader that explains them best."""
    run = [known_run_bytes(graph) for graph in graphs]
    loaders = [Loader(keeps_parsed, old) for keeps_parsed in (False, True) for old in (False, True)]
    found = min((_fitted(base, graphs, measured, run, loader) for loader in loaders), key=lambda found: found[1])[0]
    return replace(found, load_margin=load_margin(found, graphs, measured))


def load_margin(constants: Constants, graphs: Sequence[Graph], measured: Sequence[Heap]) -> float:
    """The least margin under which no network but the smallest is estimated more than LOW too small while loading."""
    for margin in np.arange(MARGIN, 2 * MARGIN - 1, 0.001):
        tried = replace(constants, load_margin=round(float(margin), 3))
        if all(_low(tried, graph, taken) < LOW for graph, taken in zip(graphs, measured, strict=True)):
            return tried.load_margin
    return 2 * MARGIN - 1


def _low(constants: Constants, graph: Graph, measured: Heap) -> float:
    """How far below the measurement the estimate of loading is, above the control and relative to it."""
    if graph.constant_bytes < SMALL_BYTES:
        return 0.0
    control: Heap = constants.control["step" if graph.name == "step" else "whole"]
    above = measured.load_bytes - control.load_bytes
    return 1 - (heap(graph, constants).load_bytes - control.load_bytes) / above


def _fitted(
    base: dict[Form, Heap], graphs: Sequence[Graph], measured: Sequence[Heap], known_run: Sequence[int], loader: Loader
) -> tuple[Constants, float]:
    """The fit for one loader, and the mean squared relative error of loading.

    Which of the three moments of loading was the highest is not measured: it is taken from the fit so far, and fitted again.
    """
    by_graph = [known_bytes(graph, loader) for graph in graphs]
    known = {moment: np.array([each[moment] for each in by_graph], float) for moment in by_graph[0]}
    columns = [dict(features(graph, loader)) for graph in graphs]
    load, ready, run = (
        np.array([getattr(h, n) for h in measured], float) for n in ("load_bytes", "ready_bytes", "run_bytes")
    )
    everything = np.ones(len(graphs), bool)
    found = {"ready": _fit("ready", columns, ready - known["ready"], ready, everything)}
    for column in columns:
        column["ready_objects"] = objects(found["ready"], column)
    found["running"] = _fit("running", columns, run - ready - np.array(known_run, float), run, everything)
    # At first, as seen in a log of one load: parsing costs 2 KB a node, conversion happens with 85 % of the objects there.
    guess = {
        "reading": known["reading"] + 2000.0 * np.array([column["nodes"] for column in columns]),
        "converting": known["converting"] + 0.85 * (ready - known["ready"]),
        "planning": known["planning"] + 1.02 * (ready - known["ready"]),
    }
    for _ in range(ROUNDS):
        highest = np.argmax(list(guess.values()), axis=0)
        for index, moment in enumerate(list(guess)):
            found[moment] = _fit(moment, columns, load - known[moment], load, highest == index)
            guess[moment] = known[moment] + np.array([objects(found[moment], column) for column in columns])
    error = np.mean((np.max(list(guess.values()), axis=0) / load - 1) ** 2)
    constants = Constants(
        control=base,
        reading=found["reading"],
        converting=found["converting"],
        ready=found["ready"],
        planning=found["planning"],
        running=found["running"],
        loader=loader,
    )
    return constants, float(error)


def _fit(
    moment: str,
    columns: Sequence[Mapping[str, float]],
    target: NDArray[np.float64],
    weight: NDArray[np.float64],
    chosen: NDArray[np.bool_],
) -> dict[str, float]:
    names = EXPLAINING[moment]
    matrix = np.array([[column[name] for name in names] for column in columns], float)
    solution = np.linalg.lstsq((matrix / weight[:, None])[chosen], (target / weight)[chosen], rcond=None)[0]
    return {name: round(float(size), 4) for name, size in zip(names, solution, strict=True)}


def network(seed: int) -> Network:
    """A made-up network: a chain of convolutions with skips, pools and feedback here and there, narrow or wide."""
    rng = np.random.default_rng(seed)
    wide = seed % 3 == 0
    side = int(rng.choice([2, 4] if wide else [4, 8, 12]))
    neuron = Neuron(int(rng.choice([0, 32, 64, 96, 127, 128])), 7, 0, int(rng.choice([12, 16, 24, 32])))
    if neuron.state_bits == 32:
        neuron = replace(neuron, keep=32)
    populations: list[Population] = []
    connections: list[Connection] = []
    weights: list[Weight] = []
    name = str(rng.choice(["p", "layer", "cell0_node", "a_long_population_name"]))
    shape = (int(rng.integers(1, 4)), side, side)
    source, inner = INPUT, shape[0]
    edges = float(rng.choice([0, 0, 0.3, 1]))
    for index in range(int(rng.integers(1, 10))):
        channels = int(rng.choice([64, 128, 192, 256] if wide else [2, 4, 8, 16, 24]))
        size = int(rng.choice([1, 3, 5]))
        weights.append(Weight(f"w{index}", (channels, inner, size, size), 8))
        target = f"{name}{index}"
        connections.append(
            Connection(source, target, Conv(padding=size // 2), weights[-1].name, int(rng.choice([1, 1, 3])))
        )
        for earlier in populations[:-1]:
            if rng.random() < edges:
                size, between = int(rng.choice([1, 3])), f"{earlier.name}_to_{index}"
                weights.append(Weight(between, (channels, earlier.shape[0], size, size), 4))
                connections.append(Connection(earlier.name, target, Conv(padding=size // 2), between))
        if index and populations[-1].shape[0] == channels and rng.random() < 0.5:
            connections.append(Connection(populations[-1].name, target, Identity()))
        if rng.random() < 0.15:
            connections.append(Connection(target, target, Identity(), delay=1))
        populations.append(Population(target, (channels, side, side), neuron))
        source, inner = target, channels
    if rng.random() < 0.5:
        populations.append(Population("pooled", (inner, side // 2, side // 2), replace(neuron, keep=0)))
        connections.append(Connection(source, "pooled", Pool(2, 2)))
        source, side = "pooled", side // 2
    classes = int(rng.integers(2, 20))
    weights.append(Weight("head", (classes, inner * side * side), 8))
    connections.append(Connection(source, "readout", Dense(), "head"))
    populations.append(Population("readout", (classes,), READOUT, fires=False))
    return Network(
        Input(shape), tuple(populations), tuple(connections), tuple(weights), int(rng.integers(1, 5 if wide else 9))
    )


if __name__ == "__main__":
    main()
