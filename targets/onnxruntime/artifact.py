"""Reads the files of an artifact as a board with the profile's limits would.

Goes in: the artifact's folder. Comes out: its models. Refused here, by name: files that were altered after the export, that are
damaged, or above the board's opset or IR.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from targets.errors import ConfigurationError, UnsupportedOperationError
from targets.onnxruntime.checksums import require_unaltered
from targets.onnxruntime.names import FORMS, Form
from targets.onnxruntime.onnx_file import file_name

if TYPE_CHECKING:
    import onnx

    from targets.onnxruntime.settings import Settings


def read_artifact(folder: Path, settings: Settings) -> dict[Form, onnx.ModelProto]:
    """The models of an export.

    Raises:
        ConfigurationError: a file is missing, was altered, or is not valid ONNX.
        UnsupportedOperationError: its opset or IR version is above the board's.
    """
    require_unaltered(folder, [file_name(form) for form in FORMS])
    return {form: read_model(folder / file_name(form), settings) for form in FORMS}


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


def _line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
