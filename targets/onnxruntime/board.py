"""The folder that builds, runs and measures an export on a board alone: sources, models, inputs, a Makefile.

Goes in: the exported files, the network, inputs. Comes out: a folder, or its tarball as one more file of the export. The runner
in it is the one that verification uses on this machine, so what a board measures is comparable byte by byte.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from targets.hardware.archive import pack_compressed
from targets.network import Network
from targets.network_file import write_atomically
from targets.onnxruntime.compile import FOLDER, HEAP_COUNTER, RUNNER
from targets.onnxruntime.control import control, warm_ups
from targets.onnxruntime.names import FORMS
from targets.onnxruntime.onnx_file import file_name, write
from targets.onnxruntime.settings import Settings
from targets.reference import run

TARBALL = "board.tar.gz"
#: Inputs in the tarball: enough to see that it works.
_INPUTS = 8
_SOURCES = (
    RUNNER,
    HEAP_COUNTER,
    *(FOLDER / "runner" / name for name in ("ort_api.h", "Makefile", "run.sh", "README.md")),
)


def fill(folder: Path, into: Path, network: Network, settings: Settings, inputs: NDArray[np.uint8]) -> None:
    """Writes everything that `run.sh` needs into `into`; `folder` holds the export."""
    for source in _SOURCES:
        shutil.copyfile(source, into / source.name)
    # The folders' names are equally long: a session keeps the path of its file, and that is not the network's memory.
    for form in FORMS:
        (into / "network").mkdir(exist_ok=True)
        shutil.copyfile(folder / file_name(form), into / "network" / file_name(form))
    _write_models(control(), into / "control", "")
    for name, companion in warm_ups().items():
        _write_models(companion, into / "warm_up", f"{name}_")
    (into / "inputs.bin").write_bytes(np.ascontiguousarray(inputs).tobytes())
    (into / "expected.bin").write_bytes(run(network, inputs).scores.astype("<i4").tobytes())
    known = {"SAMPLES": len(inputs), "STEPS": network.timesteps, "MACHINE": settings.instruction_set}
    (into / "bundle.env").write_text("".join(f"{name}={value}\n" for name, value in known.items()), encoding="utf-8")


def write_tarball(network: Network, settings: Settings, folder: Path) -> Path:
    """Writes `board.tar.gz` beside the exported files; equal exports give equal bytes."""
    shape = (network.timesteps, *network.input.shape) if network.input.spiking else network.input.shape
    inputs = np.random.default_rng(0).integers(0, 2 if network.input.spiking else 256, (_INPUTS, *shape), np.uint8)
    with tempfile.TemporaryDirectory() as scratch:
        fill(folder, Path(scratch), network, settings, inputs)
        write_atomically(folder / TARBALL, pack_compressed(Path(scratch), "board/"))
    return folder / TARBALL


def _write_models(network: Network, into: Path, prefix: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        into.mkdir(exist_ok=True)
        for form, path in write(network, Path(scratch)).items():
            shutil.copyfile(path, into / f"{prefix}{file_name(form)}")
