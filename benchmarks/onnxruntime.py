"""The ONNX Runtime family against its bars: `python -m benchmarks.onnxruntime [--jobs N] [VERSION INSTRUCTION_SET]...`.

Prints estimated against measured bytes of every held-out network with every runtime (by default 1.10.0, 1.16.3 and 1.31.1, on
x86-64 and aarch64; what is not this machine's is emulated), then the formats of one large network side by side. Exits with 1 if
a bar is missed. Measurements are kept in build/bench-onnxruntime, by file contents and runtime: interrupted, it goes on where it
was; after a change of the runner, `make clean` first.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from pathlib import Path

from benchmarks.onnxruntime_formats import compare_formats
from benchmarks.onnxruntime_networks import held_out
from targets.errors import ToolMissingError
from targets.footprint import Footprint, compare
from targets.network import Network
from targets.network_file import write_atomically
from targets.onnxruntime.calibrate import settings_of
from targets.onnxruntime.compile import HEAP_COUNTER
from targets.onnxruntime.control import zeroed
from targets.onnxruntime.estimate import estimate, footprint_terms
from targets.onnxruntime.heap_model import Heap
from targets.onnxruntime.machine import obtained_on
from targets.onnxruntime.measure import companions, peaks
from targets.onnxruntime.names import FORMS
from targets.onnxruntime.onnx_file import write
from targets.onnxruntime.runtimes import Runtime
from targets.onnxruntime.settings import Settings
from targets.profile import Profile, load_profile

RUNTIMES = [Runtime(version, isa) for version in ("1.10.0", "1.16.3", "1.31.1") for isa in ("x86_64", "aarch64")]
CACHE = Path("build/bench-onnxruntime")


def measured(network: Network, profile: Profile) -> Footprint:
    """As `measure` does, in one process (the heap counts repeat to a few hundred bytes), and kept."""
    settings: Settings = profile.settings
    with tempfile.TemporaryDirectory() as folder:
        base, warm = companions(Path(folder))
        files = [*base.values(), *write(zeroed(network), Path(folder) / "network").values()]
        tools = (HEAP_COUNTER.read_bytes(), str(settings.runtime).encode())
        key = hashlib.sha256(b"".join((*(path.read_bytes() for path in files), *tools))).hexdigest()[:24]
        path = CACHE / f"{key}.json"
        if not path.exists():
            heaps = peaks(settings, files, warm, agreeing=1).heaps
            write_atomically(path, json.dumps([astuple(heap) for heap in heaps]).encode())
    heaps = tuple(Heap(*values) for values in json.loads(path.read_bytes()))
    above = {form: heaps[len(FORMS) + index] - heaps[index] for index, form in enumerate(FORMS)}
    return Footprint(footprint_terms(above, profile), obtained_on(settings), {})


def judge(runtime: Runtime, jobs: int) -> Iterator[str]:
    """A line for every term, in order; those that miss a bar say so."""
    board = load_profile("jetson_nano")
    profile = board.model_copy(update={"settings": settings_of(runtime)})
    with ThreadPoolExecutor(jobs) as pool:
        found = pool.map(lambda network: measured(network, profile), held_out().values())
        for (name, network), footprint in zip(held_out().items(), found, strict=True):
            for row in compare(estimate(network, profile), footprint, profile.tolerance):
                difference = row.estimated_bytes / row.measured_bytes - 1
                yield (
                    f"{runtime!s:<15}{footprint.obtained:<9}{name:<20}{network.parameters:>11,}  {row.term:<14}"
                    f"{row.estimated_bytes:>12,}{row.measured_bytes:>12,}{difference:>+9.2%}{'' if row.ok else '  MISSED'}"
                )


def main(arguments: Sequence[str]) -> int:
    """Prints the tables; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.onnxruntime")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("runtime", nargs="*", help="VERSION INSTRUCTION_SET, as often as wanted; by default all six")
    asked = parser.parse_args(arguments)
    words = asked.runtime
    runtimes = [Runtime(*pair) for pair in zip(words[::2], words[1::2], strict=True)] or RUNTIMES
    print(
        f"{'runtime':<15}{'by':<9}{'network':<20}{'parameters':>11}  {'term':<14}{'estimated':>12}{'measured':>12}{'off by':>9}"
    )
    missed = 0
    for runtime in runtimes:
        try:
            for line in judge(runtime, asked.jobs):
                missed += line.endswith("MISSED")
                print(line, flush=True)
        except ToolMissingError as error:
            missed += 1
            print(f"{runtime}: not measured, {error.message}; {error.hint}")
    for line in compare_formats():
        missed += line.endswith("MISSED")
        print(line)
    print(f"{missed} bars missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
