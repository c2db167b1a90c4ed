"""The calibrated constants of each runtime version and instruction set: calibration.json beside this file, then the user's own.

`python -m targets.onnxruntime.calibrate` measures those of this machine's runtime and keeps them in the user's cache;
with `--shipped` it writes the file beside this one. An unknown runtime is refused, never guessed.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import platform
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from targets.errors import ConfigurationError, ToolMissingError
from targets.host_library import cache_folder
from targets.onnxruntime.heap_model import Constants

SHIPPED = Path(__file__).with_suffix(".json")
COMMAND = "python -m targets.onnxruntime.calibrate"
_table = TypeAdapter(dict[str, Constants])


@functools.cache
def native_runtime() -> tuple[str, str]:
    """Version of the installed runtime and instruction set of this machine. Does not import the runtime.

    Raises:
        ToolMissingError: it is not installed.
    """
    try:
        return importlib.metadata.version("onnxruntime"), platform.machine()
    except importlib.metadata.PackageNotFoundError as error:
        raise ToolMissingError("onnxruntime is not installed", "pip install onnxruntime") from error


def key(version: str, instruction_set: str) -> str:
    """How a runtime is called in the table."""
    return f"{version} {instruction_set}"


def own_table() -> Path:
    """Where this user's calibrations are kept."""
    return cache_folder() / "onnxruntime_calibration.json"


@cache
def constants_of(version: str, instruction_set: str) -> Constants:
    """The constants of a runtime.

    Raises:
        ToolMissingError: it was never calibrated.
        ConfigurationError: a table is damaged.
    """
    name = key(version, instruction_set)
    for path in (SHIPPED, own_table()):
        found = read_table(path).get(name)
        if found is not None:
            return found
    raise ToolMissingError(f"the heap of ONNX Runtime {name} has not been calibrated", COMMAND)


def read_table(path: Path) -> dict[str, Constants]:
    """All constants of a file; none where there is no file."""
    if not path.exists():
        return {}
    try:
        return _table.validate_json(path.read_bytes())
    except ValidationError as error:
        raise ConfigurationError(f"{path}: not a calibration table ({error.errors()[0]['msg']})", COMMAND) from error


def table_bytes(table: dict[str, Constants]) -> bytes:
    """The content of a table's file."""
    plain = _table.dump_python(table, mode="json")
    return (json.dumps(plain, indent=2, sort_keys=True) + "\n").encode()
