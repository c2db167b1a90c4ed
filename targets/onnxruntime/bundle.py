"""The family's doors to a real board: what is sent, and what the answers mean.

Goes in: an export, inputs. Comes out: a folder whose `run.sh` measures it with the board's own ONNX Runtime, and, from what
came back, an Observation: the same terms as `measure`, every spike and membrane potential, latencies. The terms are measured
by the same runner and the same counter as on this machine.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from targets.errors import HardwareError, ToolMissingError
from targets.footprint import Footprint, MeasuredBy
from targets.hardware.bundle import describe
from targets.hardware.observe import Observation
from targets.hardware.record import Returned
from targets.latency import Latency
from targets.network import Network
from targets.onnxruntime import names
from targets.onnxruntime.artifact import read_artifact
from targets.onnxruntime.board import fill
from targets.onnxruntime.compile import HEAP_COUNTER, RUNNER, compiled
from targets.onnxruntime.estimate import footprint_terms
from targets.onnxruntime.execute import trace_of, watched
from targets.onnxruntime.measure import above, agreed
from targets.onnxruntime.names import FORMS, Form
from targets.onnxruntime.running import Report, read_outputs, read_report
from targets.onnxruntime.runtimes import is_known, library_of
from targets.onnxruntime.settings import Settings
from targets.onnxruntime.timing import timed
from targets.profile import Profile
from targets.sizes import format_size

_RUNS = 3


def bundle(folder: Path, network: Network, profile: Profile, inputs: NDArray[np.uint8], into: Path) -> None:
    """The folder for the board; with a program and a library for it, where this machine can make and fetch them.

    Raises:
        ConfigurationError: a file of the export was altered or is damaged.
        UnsupportedOperationError: a file is above the board's opset or IR.
    """
    settings: Settings = profile.settings
    step = read_artifact(folder, settings)["step"]
    fill(folder, into, network, settings, inputs)
    (into / "network" / "watched.onnx").write_bytes(watched(step, network).SerializeToString())
    _add_program(into, settings)
    _add_library(into, settings)
    describe(into, network, profile, inputs, [], {"run": "sh run.sh"})


def _add_program(into: Path, settings: Settings) -> None:
    """For boards without a compiler; with one, they build what they run."""
    try:
        programs = {
            "spikeport_runner": compiled(RUNNER, settings.instruction_set),
            "heap_counter.so": compiled(HEAP_COUNTER, settings.instruction_set),
        }
    except ToolMissingError:
        return
    target = into / "bin" / settings.instruction_set
    target.mkdir(parents=True)
    for name, path in programs.items():
        shutil.copyfile(path, target / name)


def _add_library(into: Path, settings: Settings) -> None:
    """The profile's own release, so that a board need not have it; one that cannot be fetched is looked for there."""
    if not is_known(settings.runtime):
        return
    try:
        library = library_of(settings.runtime)
    except ToolMissingError:
        return
    (into / "lib").mkdir()
    shutil.copyfile(library, into / "lib" / library.name)


def read_back(
    returned: Returned, folder: Path, network: Network, profile: Profile, inputs: NDArray[np.uint8]
) -> Observation:
    """What the board measured.

    Raises:
        HardwareError: a file is missing, damaged, or of other inputs.
    """
    record = returned.record
    version, reports = _reports(returned)
    report = agreed(reports, 2)
    found = _as_found(profile, version, record.tools.get("instruction set", ""), record.obtained)
    trace = trace_of(_outputs(returned, "watched.bin", len(inputs), network.timesteps), network)
    scores = _outputs(returned, "whole.bin", len(inputs), 1)[names.SCORES].reshape(len(inputs), -1)
    tools = {
        **record.tools,
        "board": record.board,
        "onnxruntime": str(found.settings.runtime),
        "measured": "usable heap bytes, arena, memory pattern and optimizer off, one thread, control network subtracted, "
        f"{_RUNS} fresh processes",
        "fixed cost of the runtime": f"{format_size(report.library_heap_bytes)} of heap and "
        f"{format_size(report.library_mapped_bytes)} of mapped code, not counted below",
    }
    return Observation(
        Footprint(footprint_terms(above(report.heaps), found), record.obtained, tools),
        scores,
        trace,
        found,
        record.board,
        _latencies(returned, version),
    )


def _as_found(profile: Profile, version: str, machine: str, obtained: MeasuredBy) -> Profile:
    """The profile with the runtime that ran, so that the estimate is for it.

    Raises:
        HardwareError: the board has another version than its profile says, which would be another promise.
    """
    settings: Settings = profile.settings
    if obtained == "hardware" and version != settings.version:
        raise HardwareError(
            f"the board has ONNX Runtime {version}, the profile {profile.name} says {settings.version}",
            f'set version = "{version}" in [onnxruntime] of the profile, or install {settings.version} on the board',
        )
    changes = {"version": version, "instruction_set": machine, "emulation": None}
    return profile.model_copy(update={"settings": settings.model_copy(update=changes)})


def _reports(returned: Returned) -> tuple[str, list[Report]]:
    texts = [returned.file(f"heap{number}.json").read_text(encoding="utf-8") for number in range(1, _RUNS + 1)]
    try:
        reports = [read_report(text) for text in texts]
        versions = Counter(str(json.loads(text)["runtime"]) for text in texts)
    except (ValueError, KeyError, TypeError) as error:
        raise HardwareError(f"the board's heap figures cannot be read ({error})", "try again") from error
    if any(len(report.heaps) != 2 * len(FORMS) for report in reports) or len(versions) != 1:
        raise HardwareError("the board measured other files than it was given", "try again")
    return next(iter(versions)), reports


def _outputs(returned: Returned, name: str, samples: int, steps: int) -> NDArray[Any]:
    try:
        return read_outputs(returned.file(name), samples, steps)
    except (ValueError, KeyError, TypeError) as error:
        raise HardwareError(f"out/{name} of the board cannot be read ({error})", "try again") from error


def _latencies(returned: Returned, version: str) -> tuple[Latency, ...]:
    record = returned.record
    if record.obtained not in ("hardware", "runtime"):
        return ()
    where = f"{record.board}, ONNX Runtime {version}"
    try:
        texts: dict[Form, str] = {f: returned.file(f"{f}_times.json").read_text(encoding="utf-8") for f in FORMS}
        return tuple(timed(form, text, record.obtained, where) for form, text in texts.items())
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise HardwareError(f"the board's times cannot be read ({error})", "try again") from error
