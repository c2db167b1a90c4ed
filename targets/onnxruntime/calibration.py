"""The calibrated constants of each runtime version and instruction set: calibration.json beside this file, then the user's own.

`python -m targets.onnxruntime.calibrate VERSION INSTRUCTION_SET` measures those of a runtime and keeps them in the user's cache;
with `--shipped` it writes the file beside this one. An unknown runtime is refused, never guessed.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from targets.errors import ConfigurationError, ToolMissingError
from targets.host_library import cache_folder
from targets.onnxruntime.heap_model import Constants
from targets.onnxruntime.runtimes import Runtime

SHIPPED = Path(__file__).with_suffix(".json")
COMMAND = "python -m targets.onnxruntime.calibrate"
_table = TypeAdapter(dict[str, Constants])


def own_table() -> Path:
    """Where this user's calibrations are kept."""
    return cache_folder() / "onnxruntime_calibration.json"


@cache
def constants_of(runtime: Runtime) -> Constants:
    """The constants of a runtime.

    Raises:
        ToolMissingError: it was never calibrated.
        ConfigurationError: a table is damaged.
    """
    for path in (SHIPPED, own_table()):
        found = read_table(path).get(str(runtime))
        if found is not None:
            return found
    raise ToolMissingError(f"the heap of ONNX Runtime {runtime} has not been calibrated", f"{COMMAND} {runtime}")


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
