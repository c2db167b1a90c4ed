"""What the C runner reports and records, as types: heaps of files, and every output of every step.

Goes in: settings of a profile (which runtime, emulated or not), files. Comes out: a Report, or a structured array. The runner is
the one instrument of the family: native, emulated and on a board.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from targets.onnxruntime import machine
from targets.onnxruntime.heap_model import Heap
from targets.onnxruntime.settings import Settings


@dataclass(frozen=True)
class Report:
    """One process of the runner: bytes of the heap."""

    heaps: tuple[Heap, ...]
    #: Live once the library is loaded and every operator was used: what the runtime costs whatever it runs.
    library_heap_bytes: int
    #: Address space of the library's segments: code and constants.
    library_mapped_bytes: int


def heaps(settings: Settings, files: Sequence[Path], warm_up: Sequence[Path], *, default: bool = False) -> Report:
    """Opens, runs and closes every file in one fresh process; peaks above what was live before each was opened."""
    words = [word for path in warm_up for word in ("--warm-up", path)]
    session = ["--default-session"] if default else []
    return read_report(machine.run(settings, [*session, *words, *files], counting=True))


def read_report(text: str) -> Report:
    """What the runner printed, with the counter preloaded.

    Raises:
        ValueError, KeyError, TypeError: something else printed it.
    """
    told = json.loads(text)
    found = tuple(
        Heap(file["heap"]["load_peak_bytes"], file["heap"]["ready_bytes"], file["heap"]["run_peak_bytes"])
        for file in told["files"]
    )
    return Report(found, told["library_heap_bytes"], told["library_mapped_bytes"])


def outputs(settings: Settings, model: Path, inputs: NDArray[np.uint8], steps: int, scratch: Path) -> NDArray[Any]:
    """Every output of every step, as an array [N, steps] with a field for each output.

    Args:
        settings: which runtime.
        model: the file; its states start at zero for every sample.
        inputs: [N, ...]: an input per sample, held for all steps, or `steps` of them per sample.
        steps: runs per sample.
        scratch: an existing folder for the files that go between.
    """
    fed, told = scratch / "inputs", scratch / "outputs"
    fed.write_bytes(np.ascontiguousarray(inputs).tobytes())
    sizes = ["--samples", str(len(inputs)), "--steps", str(steps)]
    machine.run(settings, ["--input", fed, "--output", told, *sizes, model], counting=False)
    recorded = read_outputs(told, len(inputs), steps)
    fed.unlink()
    told.unlink()
    return recorded


def read_outputs(path: Path, samples: int, steps: int) -> NDArray[Any]:
    """What the runner recorded, as an array [samples, steps] with a field for each output.

    Raises:
        ValueError, KeyError, TypeError: the file is damaged, or of another run.
    """
    with path.open("rb") as file:
        about = json.loads(file.readline())
        kind = np.dtype([(out["name"], np.dtype(out["type"]), tuple(out["shape"])) for out in about["outputs"]])
        return np.fromfile(file, kind).reshape(samples, steps)
