"""Runs the exported files on this machine's ONNX Runtime and records everything that can be compared.

Goes in: the artifact's folder, the network (for names and shapes) and inputs. Comes out: a Trace. `step.onnx` is run step by
step, its states fed back; membrane potentials are its state outputs. Spikes, and potentials of populations that remember
nothing, stay inside the graph: the loaded model gets them as additional outputs, its nodes and constants are those of the
file. The scores of `whole.onnx`, loaded as it is, must be equal. Samples run one by one, as on the board.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from targets.errors import ParityError
from targets.network import INPUT, Network
from targets.onnxruntime import names
from targets.onnxruntime.export import file_name
from targets.onnxruntime.graph import Graph
from targets.onnxruntime.lowering import lower
from targets.onnxruntime.names import layout
from targets.onnxruntime.session import open_session, read_model
from targets.profile import Profile
from targets.reference import Trace, check_inputs

if TYPE_CHECKING:
    import onnx

Arrays = dict[str, NDArray[Any]]


def execute(folder: Path, network: Network, profile: Profile, inputs: NDArray[np.uint8]) -> Trace:
    """The trace of `inputs` ([N, *shape] pixels or [N, T, *shape] spikes) through the exported files.

    Raises:
        ConfigurationError: a file is damaged, or is not an export of a network of this structure.
        UnsupportedOperationError: a file is above the board's opset or IR.
        ParityError: whole.onnx and step.onnx disagree.
    """
    check_inputs(network, inputs)
    step = read_model(folder / file_name("step"), profile.settings)
    read_model(folder / file_name("whole"), profile.settings)
    trace = _run_step(step, network, inputs)
    scores = _run_whole(folder / file_name("whole"), network, inputs)
    differing = int((scores != trace.scores).any(axis=1).sum())
    if differing:
        raise ParityError(
            f"whole.onnx and step.onnx give different scores for {differing} of {len(inputs)} samples",
            "export again; if it stays, the files are not from one network",
        )
    return trace


def _run_step(model: onnx.ModelProto, network: Network, inputs: NDArray[np.uint8]) -> Trace:
    graph = lower(network, "step")
    session = open_session(_probed(model, graph).SerializeToString())
    reported = [output.name for output in session.get_outputs()]
    samples, timesteps = len(inputs), network.timesteps
    spikes = {p.name: np.empty((timesteps, samples, *p.shape), np.uint8) for p in network.populations if p.fires}
    membranes = {p.name: np.empty((timesteps, samples, *p.shape), np.int32) for p in network.populations}
    start = initial_states(graph)
    for sample in range(samples):
        state = dict(start)
        for index in range(timesteps):
            values = inputs[sample, index] if network.input.spiking else inputs[sample]
            fed = {INPUT: values.reshape(layout(network.input.shape)), **state}
            after: Arrays = dict(zip(reported, session.run(reported, fed), strict=True))
            state = {name: after[names.following(name)] for name in state}
            after |= {what: after[name] for what, name in graph.watched.items()}
            for population in network.populations:
                _record(population.name, after, (index, sample), spikes, membranes)
    scores = membranes[network.readout.name][-1].reshape(samples, -1)
    return Trace(spikes, membranes, scores)


def _record(name: str, after: Arrays, at: tuple[int, int], spikes: Arrays, membranes: Arrays) -> None:
    shape = membranes[name].shape[2:]
    fired = after[names.spikes(name)].reshape(shape) if name in spikes else np.zeros(shape, np.uint8)
    if name in spikes:
        spikes[name][at] = fired
    kept = after.get(names.following(names.membrane(name)))
    # A population that remembers nothing has no state output: its potential is reset here, with the graph's own spikes.
    membranes[name][at] = (
        kept.reshape(shape) if kept is not None else np.where(fired, 0, after[names.potential(name)].reshape(shape))
    )


def _run_whole(path: Path, network: Network, inputs: NDArray[np.uint8]) -> NDArray[np.int32]:
    session = open_session(path)
    shape = lower(network, "whole").inputs[0].shape
    return np.concatenate([session.run([names.SCORES], {INPUT: sample.reshape(shape)})[0] for sample in inputs])


def initial_states(graph: Graph) -> Mapping[str, NDArray[Any]]:
    """Zeros for every state input of the step form."""
    return {tensor.name: np.zeros(tensor.shape, tensor.type) for tensor in graph.inputs if tensor.name != INPUT}


def _probed(model: onnx.ModelProto, graph: Graph) -> onnx.ModelProto:
    """The loaded model with the inner tensors that a trace needs as additional outputs; not one node differs."""
    import onnx

    probed = onnx.ModelProto()
    probed.CopyFrom(model)
    known = {output.name for output in probed.graph.output}
    for name in sorted(set(graph.watched.values()) - known):
        tensor = graph.tensors[name]
        element = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(tensor.type))
        probed.graph.output.append(onnx.helper.make_tensor_value_info(name, element, tensor.shape))
    return probed
