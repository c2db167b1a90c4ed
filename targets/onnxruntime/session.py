"""Opens exported files in the ONNX Runtime of this machine, as a board with the profile's limits would.

Goes in: the path of a file, or its bytes with extra outputs. Comes out: a session on the CPU with one thread, without arena and
memory pattern: every tensor is allocated when it is needed and freed after, which is what `estimate` predicts. The optimizer is
off: the graph is written as it should run, and all that the optimizer does to it is to merge constants of equal value. Also
refused here, by name: files above the board's opset or IR, and files that are damaged.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from targets.errors import ConfigurationError, ToolMissingError, UnsupportedOperationError

if TYPE_CHECKING:
    import onnx

    from targets.onnxruntime.settings import Settings


def read_model(path: Path, settings: Settings) -> onnx.ModelProto:
    """The model of an exported file, checked against what the board loads.

    Raises:
        ConfigurationError: the file is missing, truncated or not valid ONNX.
        UnsupportedOperationError: its opset or IR version is above the board's.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(path.read_bytes())
        onnx.checker.check_model(model, full_check=True)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})", "export again") from error
    except (DecodeError, onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ConfigurationError(f"{path}: not a valid ONNX file ({_line(error)})", "export again") from error
    opset = max((entry.version for entry in model.opset_import), default=0)
    for what, found, ceiling in (("opset", opset, settings.opset), ("IR version", model.ir_version, settings.ir)):
        if found > ceiling:
            raise UnsupportedOperationError(
                f"{path.name} has {what} {found}, ONNX Runtime {settings.version} on the board loads up to {ceiling}",
                "export it again with this profile",
            )
    return model


def open_session(model: Path | bytes, *, default: bool = False) -> Any:
    """An onnxruntime.InferenceSession on one thread of the CPU.

    Args:
        model: path of the file (loaded as the board does), or its content.
        default: with arena, memory pattern and optimizer, as a session is opened by whoever sets nothing.

    Raises:
        ConfigurationError: the runtime refuses the file.
        ToolMissingError: onnxruntime is not installed.
    """
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as refusals
    except ImportError as error:
        raise ToolMissingError("onnxruntime is not installed", "pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    if not default:
        options.enable_cpu_mem_arena = options.enable_mem_pattern = False
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    source = str(model) if isinstance(model, Path) else model
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except (
        refusals.Fail,
        refusals.InvalidArgument,
        refusals.InvalidGraph,
        refusals.InvalidProtobuf,
        refusals.NoSuchFile,
        refusals.NotImplemented,
    ) as error:
        raise ConfigurationError(f"ONNX Runtime refuses {source!r:.80}: {_line(error)}", "export again") from error


def _line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
