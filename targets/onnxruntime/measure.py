"""Measures the exported files on this machine's ONNX Runtime: the heap, counted exactly, in fresh processes.

Goes in: the artifact's folder. Comes out: the terms of `estimate`, measured: native, without arena, memory pattern and optimizer,
one thread, above the control network, as three fresh processes agree. The default session is reported beside them; its arena
grows in powers of two, so it is not estimated. `execute` is the family's other door, see `targets.onnxruntime.execute`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from statistics import median

from targets.errors import ConfigurationError, VerificationError
from targets.footprint import Footprint
from targets.network import Network
from targets.onnxruntime.calibration import key, native_runtime
from targets.onnxruntime.control import control, warm_ups
from targets.onnxruntime.estimate import footprint_terms
from targets.onnxruntime.execute import execute
from targets.onnxruntime.export import file_name, write
from targets.onnxruntime.heap_counter import counting_environment
from targets.onnxruntime.heap_model import Heap
from targets.onnxruntime.names import FORMS, Form
from targets.onnxruntime.session import read_model
from targets.profile import Profile
from targets.sizes import format_size

__all__ = ["execute", "measure"]

#: Fresh processes that have to agree on every byte.
AGREEING = 3
SECONDS = 600
ROOT = Path(__file__).parent.parent.parent


def measure(folder: Path, network: Network, profile: Profile) -> Footprint:
    """Peaks of loading and running both files of an export.

    Raises:
        ConfigurationError: a file is damaged.
        UnsupportedOperationError: a file is above the board's opset or IR.
        ToolMissingError: the heap counter cannot be built, or the runtime is not installed.
    """
    paths = {form: folder / file_name(form) for form in FORMS}
    for path in paths.values():
        read_model(path, profile.settings)
    with tempfile.TemporaryDirectory() as scratch:
        base, warm = companions(Path(scratch))
        own = [_beside_control(path, Path(scratch)) for path in paths.values()]
        counted = peaks([*base.values(), *own], warm)
        default = peaks([*base.values(), *own], warm, default=True)
    above = _above(counted)
    version, instruction_set = native_runtime()
    tools = {
        "onnxruntime": key(version, instruction_set),
        "measured": "natively on this machine, usable heap bytes, arena, memory pattern and optimizer off, one thread, "
        f"{AGREEING} fresh processes agreeing",
        "control network": _sentence(dict(zip(FORMS, counted, strict=False))) + ", subtracted",
        "default session (arena and optimizer on)": _sentence(_above(default)),
    }
    return Footprint(footprint_terms(above, profile), "runtime", tools)


def _beside_control(path: Path, scratch: Path) -> Path:
    """A copy whose path is as long as that of the control network's: a session keeps its path, and that is not the network's."""
    copy = scratch / "network" / path.name
    copy.parent.mkdir(exist_ok=True)
    shutil.copyfile(path, copy)
    return copy


def peaks(
    files: Sequence[Path], warm_up: Sequence[Path], *, default: bool = False, agreeing: int = AGREEING
) -> list[Heap]:
    """Peaks of each file above what was live before it was opened, as so many fresh processes agree on to the byte.

    About one process in twelve differs from the others by some hundred bytes, whatever the files; where too few agree, the
    median of all is taken.
    """
    answers: list[tuple[Heap, ...]] = []
    while len(answers) < 3 * agreeing and max(Counter(answers).values(), default=0) < agreeing:
        probed = _probe(files, warm_up, default=default)
        answers.append(tuple(Heap(file["load_peak"], file["loaded"], file["run_peak"]) for file in probed))
    answer, times = Counter(answers).most_common(1)[0]
    if times == agreeing:
        return list(answer)
    return [
        Heap(*(round(median(values)) for values in zip(*map(astuple, heaps), strict=True)))
        for heaps in zip(*answers, strict=True)
    ]


def _above(counted: Sequence[Heap]) -> dict[Form, Heap]:
    base, own = counted[: len(FORMS)], counted[len(FORMS) :]
    return {form: ours - least for form, least, ours in zip(FORMS, base, own, strict=True)}


def companions(folder: Path) -> tuple[Mapping[Form, Path], list[Path]]:
    """Files of the control and of the warm-up networks."""
    warm = [path for name, network in warm_ups().items() for path in write(network, folder / name).values()]
    return write(control(), folder / "control"), warm


def _probe(files: Sequence[Path], warm_up: Sequence[Path], *, default: bool) -> list[dict[str, int]]:
    request = {"files": [str(p.resolve()) for p in files], "warm_up": [str(p) for p in warm_up], "default": default}
    command = [sys.executable, "-m", "targets.onnxruntime.heap_probe"]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            env=dict(counting_environment()),
            cwd=ROOT,
        )
    except subprocess.TimeoutExpired as error:
        raise VerificationError(
            f"measuring the heap took longer than {SECONDS} s", "measure a smaller network"
        ) from error
    if done.returncode:
        said = (done.stderr.strip() or "no message").splitlines()[-1]
        raise ConfigurationError(f"the process that measures the heap failed: {said}", "export again")
    answer = json.loads(done.stdout)
    if answer["torch"]:
        raise VerificationError("the process that measures the heap imported torch", "report this as a fault")
    files_measured: list[dict[str, int]] = answer["files"]
    return files_measured


def _sentence(by_form: Mapping[Form, Heap]) -> str:
    return "; ".join(
        f"{form}: load {format_size(heap.load_bytes)}, run {format_size(heap.run_bytes)}"
        for form, heap in by_form.items()
    )
