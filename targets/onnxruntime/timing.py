"""How long the exported files take on this machine, as whoever sets nothing runs them: default session, on one thread.

Goes in: an export and inputs. Comes out: a latency for each file. Never of an emulated board: `natively` is asked whatever the
profile says. The first fifth of all runs warms up.
"""

from __future__ import annotations

import json
import platform
import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from targets.latency import Latency, summarized
from targets.network import Network
from targets.onnxruntime import machine
from targets.onnxruntime.names import FORMS, Form
from targets.onnxruntime.onnx_file import file_name
from targets.onnxruntime.settings import Settings
from targets.profile import Profile

_WHAT = {"whole": "whole.onnx, one sample", "step": "step.onnx, one time step"}


def latencies(folder: Path, network: Network, profile: Profile, inputs: NDArray[np.uint8]) -> tuple[Latency, ...]:
    """Of both files, over all inputs, by the runtime of this machine.

    Raises:
        ToolMissingError: the runtime is not installed, or the runner cannot be compiled.
    """
    settings: Settings = machine.natively(profile).settings
    where = f"natively on this machine ({platform.machine()}), ONNX Runtime {settings.version}"
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        fed = Path(scratch) / "inputs"
        fed.write_bytes(np.ascontiguousarray(inputs).tobytes())
        for form in FORMS:
            steps = network.timesteps if form == "step" else 1
            sizes = ["--samples", str(len(inputs)), "--steps", str(steps)]
            files: list[str | Path] = ["--input", fed, "--output", Path(scratch) / "outputs", folder / file_name(form)]
            text = machine.run(settings, ["--default-session", "--times", *sizes, *files], counting=False)
            found.append(timed(form, text, "runtime", where))
    return tuple(found)


def timed(form: Form, text: str, obtained: Literal["runtime", "hardware"], where: str) -> Latency:
    """The latency in what the runner printed with --times.

    Raises:
        ValueError, KeyError, IndexError, TypeError: something else printed it.
    """
    seconds = [float(value) for value in json.loads(text)["files"][0]["run_seconds"]]
    session = f"{where}, default session, one thread"
    return summarized(_WHAT[form], obtained, session, seconds, warm_up=len(seconds) // 5)
