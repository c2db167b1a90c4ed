"""A network as two ONNX files: one time step with explicit states, and all T steps on one input.

Goes in: a network with values. Comes out: `step.onnx` and `whole.onnx`, equal bytes for equal networks. Without settings they are
written with the oldest opset and IR that have every operator needed, so that any board's runtime loads them. The files
explain themselves: their metadata states the arithmetic, the names of the classes and how to feed them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from targets.errors import InternalError
from targets.network import INPUT, Network
from targets.network_file import digest, write_atomically
from targets.onnxruntime import checksums, names
from targets.onnxruntime.class_names import to_text
from targets.onnxruntime.graph import Attribute, Graph, Node, Tensor
from targets.onnxruntime.lowering import lower
from targets.onnxruntime.names import FORMS, Form
from targets.onnxruntime.neurons import arithmetic
from targets.onnxruntime.settings import IR, OPSET, Settings

if TYPE_CHECKING:
    import onnx


def file_name(form: Form) -> str:
    """Name of the file of a form inside the artifact's folder."""
    return f"{form}.onnx"


def write(
    network: Network,
    folder: Path,
    profile_name: str = "",
    settings: Settings | None = None,
    class_names: Sequence[str] = (),
) -> Mapping[Form, Path]:
    """Writes both files and their checksums, without asking whether they fit a board; returns their paths by form."""
    paths, versions = {}, (settings.export_opset, settings.export_ir) if settings else (OPSET, IR)
    for form in FORMS:
        about = metadata(network, profile_name, form, class_names)
        model = to_model(lower(network, form), about, *versions)
        paths[form] = folder / file_name(form)
        write_atomically(paths[form], model.SerializeToString(deterministic=True))
    checksums.write_sums(folder, paths.values())
    return paths


def to_model(graph: Graph, about: Mapping[str, str], opset: int = OPSET, ir: int = IR) -> onnx.ModelProto:
    """The graph as a checked ONNX model.

    Raises:
        InternalError: ONNX's checker refuses it.
    """
    import onnx
    from onnx import helper

    model = helper.make_model(
        helper.make_graph(
            [_node(node) for node in graph.nodes],
            graph.name,
            [_value(tensor) for tensor in graph.inputs],
            [_value(tensor) for tensor in graph.outputs],
            [_stored(constant.tensor, constant.values()) for constant in graph.constants],
        ),
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=ir,
        producer_name="spikeport",
    )
    helper.set_model_props(model, dict(sorted(about.items())))
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise InternalError(f"the exported {graph.name} graph is not valid ONNX: {error}") from error
    return model


def metadata(network: Network, profile_name: str, form: Form, class_names: Sequence[str] = ()) -> dict[str, str]:
    """What the file says about itself, as ONNX metadata."""
    readout, source = network.readout, network.input
    fed = "0/1 spikes" if source.spiking else "pixels 0 to 255, held for all steps"
    if form == "whole":
        shape = f"[1, {network.timesteps}, ...]" if source.spiking else "[1, ...]"
        feed = f"`{INPUT}`: uint8 {shape}, {fed}; `{names.SCORES}`: int32 [1, classes], the largest is the class"
    else:
        state = names.membrane(readout.name)
        feed = (
            f"`{INPUT}`: uint8, {fed}. Start with all other inputs zero; after each of the T steps feed every output X.next "
            f"to the input X. After step {network.timesteps} the largest of `{names.following(state)}` is the class"
        )
    return {
        "spikeport.form": form,
        "spikeport.profile": profile_name,
        "spikeport.network": digest(network),
        "spikeport.timesteps": str(network.timesteps),
        "spikeport.classes": str(readout.size),
        "spikeport.class_names": to_text(class_names, readout.size),
        "spikeport.input": f"uint8 {json.dumps(list(source.shape))}, {fed}; the graph shifts them right by {source.shift}",
        "spikeport.normalisation": "none: the integers are fed as they are, without mean or scale",
        "spikeport.feed": feed,
        "spikeport.arithmetic": json.dumps({p.name: arithmetic(p.neuron) for p in network.populations}),
        "spikeport.weights": "uint8 with zero point 128: the integer weight is the stored value minus 128",
    }


def _node(node: Node) -> onnx.NodeProto:
    from onnx import helper

    attributes = {key: _attribute(key, value) for key, value in node.attributes}
    return helper.make_node(node.operator, list(node.inputs), [node.output], name=node.output, **attributes)


def _attribute(key: str, value: Attribute) -> Any:
    return _element_type(str(value)) if key == "to" else value


def _value(tensor: Tensor) -> onnx.ValueInfoProto:
    from onnx import helper

    return helper.make_tensor_value_info(tensor.name, _element_type(tensor.type), tensor.shape)


def _stored(tensor: Tensor, values: np.ndarray[Any, Any]) -> onnx.TensorProto:
    from onnx import numpy_helper

    if values.shape != tensor.shape or values.dtype != np.dtype(tensor.type):
        raise InternalError(f"constant {tensor.name!r} is {values.dtype} {values.shape}, planned {tensor}")
    return numpy_helper.from_array(values, tensor.name)


def _element_type(name: str) -> int:
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(np.dtype(name)))
