"""Runs the exported files on the profile's ONNX Runtime and records everything that can be compared.

Goes in: the artifact's folder, the network (for names and shapes) and inputs. Comes out: a Trace. `step.onnx` is run step by
step, its states fed back; membrane potentials are its state outputs. Spikes, and potentials of populations that remember
nothing, stay inside the graph: the loaded model gets them as additional outputs, its nodes and constants are those of the
file. The scores of `whole.onnx`, loaded as it is, must be equal. Samples run one by one, as on the board, all in one process.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from targets.errors import ParityError
from targets.network import Network, Population
from targets.onnxruntime import names, running
from targets.onnxruntime.artifact import read_artifact
from targets.onnxruntime.lowering import lower
from targets.onnxruntime.onnx_file import file_name
from targets.profile import Profile
from targets.reference import Trace, check_inputs

if TYPE_CHECKING:
    import onnx


def execute(folder: Path, network: Network, profile: Profile, inputs: NDArray[np.uint8]) -> Trace:
    """The trace of `inputs` ([N, *shape] pixels or [N, T, *shape] spikes) through the exported files.

    Raises:
        ConfigurationError: a file was altered, is damaged, or is not an export of a network of this structure.
        UnsupportedOperationError: a file is above the board's opset or IR.
        ToolMissingError: the runtime or the emulator is not installed.
        ParityError: whole.onnx and step.onnx disagree.
    """
    check_inputs(network, inputs)
    step = read_artifact(folder, profile.settings)["step"]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "watched.onnx"
        path.write_bytes(watched(step, network).SerializeToString())
        recorded = running.outputs(profile.settings, path, inputs, network.timesteps, Path(scratch))
        whole = running.outputs(profile.settings, folder / file_name("whole"), inputs, 1, Path(scratch))
    trace = trace_of(recorded, network)
    scores = whole[names.SCORES].reshape(len(inputs), -1)
    differing = int((scores != trace.scores).any(axis=1).sum())
    if differing:
        raise ParityError(
            f"whole.onnx and step.onnx give different scores for {differing} of {len(inputs)} samples",
            "export again; if it stays, the files are not from one network",
        )
    return trace


def trace_of(recorded: NDArray[Any], network: Network) -> Trace:
    """The trace in what the runner recorded of `watched`: [N, T], a field for each output."""
    known = set(recorded.dtype.names or ())
    watched_as = lower(network, "step").watched
    steps = recorded.swapaxes(0, 1)
    spikes: dict[str, NDArray[np.uint8]] = {}
    membranes: dict[str, NDArray[np.int32]] = {}
    for population in network.populations:
        name = population.name
        kept = names.following(names.membrane(name))
        if population.fires:
            spikes[name] = _shaped(steps[watched_as[names.spikes(name)]], population)
        if kept in known:
            membranes[name] = _shaped(steps[kept], population)
            continue
        # A population that remembers nothing has no state: it is reset here, with the graph's own spikes.
        potentials = _shaped(steps[watched_as[names.potential(name)]], population)
        membranes[name] = np.where(spikes[name], np.int32(0), potentials) if population.fires else potentials
    return Trace(spikes, membranes, membranes[network.readout.name][-1].reshape(len(recorded), -1))


def _shaped(values: NDArray[Any], population: Population) -> NDArray[Any]:
    return np.ascontiguousarray(values).reshape(*values.shape[:2], *population.shape)


def watched(model: onnx.ModelProto, network: Network) -> onnx.ModelProto:
    """The loaded step with the inner tensors that a trace needs as additional outputs; not one node differs."""
    import onnx

    graph = lower(network, "step")
    result = onnx.ModelProto()
    result.CopyFrom(model)
    known = {output.name for output in result.graph.output}
    for name in sorted(set(graph.watched.values()) - known):
        tensor = graph.tensors[name]
        element = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(tensor.type))
        result.graph.output.append(onnx.helper.make_tensor_value_info(name, element, tensor.shape))
    return result
