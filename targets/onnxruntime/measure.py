"""Measures the exported files on the profile's ONNX Runtime: the heap, counted exactly, in fresh processes.

Goes in: the artifact's folder. Comes out: the terms of `estimate`, measured: emulated or natively, without arena, memory
pattern and optimizer, one thread, above the control network, as fresh processes agree. The default session is reported beside
them; its arena grows in powers of two, so it is not estimated. `execute` is the family's other door, see
`targets.onnxruntime.execute`; `venue` says where both happen on this machine.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from statistics import median

from targets.footprint import Footprint
from targets.network import Network
from targets.onnxruntime import running
from targets.onnxruntime.artifact import read_artifact
from targets.onnxruntime.control import control, warm_ups
from targets.onnxruntime.estimate import footprint_terms
from targets.onnxruntime.execute import execute
from targets.onnxruntime.heap_model import Heap
from targets.onnxruntime.machine import obtained_on, tools, venue
from targets.onnxruntime.names import FORMS, Form
from targets.onnxruntime.onnx_file import file_name, write
from targets.onnxruntime.running import Report
from targets.onnxruntime.settings import Settings
from targets.profile import Profile
from targets.sizes import format_size

__all__ = ["execute", "measure", "tools", "venue"]

#: Fresh processes that have to agree on every byte.
AGREEING = 2


def measure(folder: Path, network: Network, profile: Profile) -> Footprint:
    """Peaks of loading and running both files of an export.

    Raises:
        ConfigurationError: a file was altered or is damaged.
        UnsupportedOperationError: a file is above the board's opset or IR.
        ToolMissingError: the runtime or the emulator is not installed, or the heap counter cannot be built.
    """
    settings: Settings = profile.settings
    read_artifact(folder, settings)
    with tempfile.TemporaryDirectory() as scratch:
        base, warm = companions(Path(scratch))
        own = [_beside_control(folder / file_name(form), Path(scratch)) for form in FORMS]
        counted = peaks(settings, [*base.values(), *own], warm)
        default = peaks(settings, [*base.values(), *own], warm, default=True, agreeing=1)
    obtained = obtained_on(settings)
    where = f"emulated {settings.emulation.cpu}" if settings.emulation and obtained == "emulated" else "this machine"
    used = {
        "onnxruntime": str(settings.runtime),
        "measured": f"on {where}, usable heap bytes, arena, memory pattern and optimizer off, one thread, "
        f"{AGREEING} fresh processes agreeing",
        "fixed cost of the runtime": f"{format_size(counted.library_heap_bytes)} of heap and "
        f"{format_size(counted.library_mapped_bytes)} of mapped code, not counted below",
        "control network": _sentence(dict(zip(FORMS, counted.heaps, strict=False))) + ", subtracted",
        "default session (arena and optimizer on)": _sentence(above(default.heaps)),
    }
    return Footprint(footprint_terms(above(counted.heaps), profile), obtained, used)


def _beside_control(path: Path, scratch: Path) -> Path:
    """A copy whose path is as long as that of the control network's: a session keeps its path, and that is not the network's."""
    copy = scratch / "network" / path.name
    copy.parent.mkdir(exist_ok=True)
    shutil.copyfile(path, copy)
    return copy


def peaks(
    settings: Settings,
    files: Sequence[Path],
    warm_up: Sequence[Path],
    *,
    default: bool = False,
    agreeing: int = AGREEING,
) -> Report:
    """Peaks of each file above what was live before it was opened, as so many fresh processes agree on to the byte.

    Where too few agree, the median of all is taken: hash tables of pointers are as full as addresses happen to collide, and a
    kernel may forbid to fix them.
    """
    answers: list[Report] = []
    while len(answers) < 3 * agreeing and max(Counter(answers).values(), default=0) < agreeing:
        answers.append(running.heaps(settings, files, warm_up, default=default))
    return agreed(answers, agreeing)


def agreed(answers: Sequence[Report], agreeing: int) -> Report:
    """What so many of the reports say to the byte, else the median of all."""
    answer, times = Counter(answers).most_common(1)[0]
    if times >= agreeing:
        return answer
    middle = tuple(
        Heap(*(round(median(values)) for values in zip(*map(astuple, heaps), strict=True)))
        for heaps in zip(*(report.heaps for report in answers), strict=True)
    )
    return replace(answer, heaps=middle)


def above(counted: Sequence[Heap]) -> dict[Form, Heap]:
    """The heaps of both files less those of the control network, which come first."""
    base, own = counted[: len(FORMS)], counted[len(FORMS) :]
    return {form: ours - least for form, least, ours in zip(FORMS, base, own, strict=True)}


def companions(folder: Path) -> tuple[Mapping[Form, Path], list[Path]]:
    """Files of the control and of the warm-up networks."""
    warm = [path for name, network in warm_ups().items() for path in write(network, folder / name).values()]
    return write(control(), folder / "control"), warm


def _sentence(by_form: Mapping[Form, Heap]) -> str:
    return "; ".join(
        f"{form}: load {format_size(heap.load_bytes)}, run {format_size(heap.run_bytes)}"
        for form, heap in by_form.items()
    )
