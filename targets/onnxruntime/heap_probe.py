"""Measures the heap of exported files in a process of its own: `python -m targets.onnxruntime.heap_probe`, counter preloaded.

Goes in: JSON on stdin, {"warm_up": [paths], "files": [paths], "default": bool}. Comes out: JSON on stdout, per file the bytes
above what was live before it was opened: at the peak of loading, after loading, and at the peak of running, inputs and states
included. The process never imports torch. The warm-up files touch every operator first, so that what the library sets up once
is not counted. Addresses and string hashes are fixed, because hash tables of pointers are as full as addresses happen to
collide: with them the same files give the same bytes, without them some hundred more or less.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import sys
from pathlib import Path
from typing import Any

RUNS = 3
_ADDR_NO_RANDOMIZE = 0x0040000
_QUERY = 0xFFFFFFFF


def main() -> None:
    """Reads the request, measures, answers."""
    from targets.onnxruntime.session import open_session

    request = json.load(sys.stdin)
    heap = ctypes.CDLL(None)
    heap.heap_live_bytes.restype = heap.heap_peak_bytes.restype = ctypes.c_long
    gc.collect()
    gc.disable()
    for path in request["warm_up"]:
        _run(open_session(Path(path), default=request["default"]))
    answer = []
    for path in request["files"]:
        start = heap.heap_live_bytes()
        heap.heap_reset_peak()
        session = open_session(Path(path), default=request["default"])
        load_peak, loaded = heap.heap_peak_bytes() - start, heap.heap_live_bytes() - start
        heap.heap_reset_peak()
        _run(session)
        answer.append({"load_peak": load_peak, "loaded": loaded, "run_peak": heap.heap_peak_bytes() - start})
        del session
    json.dump({"files": answer, "torch": "torch" in sys.modules}, sys.stdout)


def _run(session: Any) -> None:
    """Several runs from zero states; where states go in, each run gets those of the run before, as on a board."""
    from onnxruntime import OrtValue

    outputs = [output.name for output in session.get_outputs()]
    fed = {i.name: OrtValue.ortvalue_from_shape_and_type(i.shape, _numpy_name(i.type)) for i in session.get_inputs()}
    for _ in range(RUNS):
        after = dict(zip(outputs, session.run_with_ort_values(outputs, fed), strict=True))
        fed = {name: after.get(f"{name}.next", value) for name, value in fed.items()}


def _numpy_name(onnx_type: str) -> str:
    return onnx_type.removeprefix("tensor(").removesuffix(")")


def with_fixed_addresses() -> None:
    """Starts this process again without address space randomization, once, where the kernel allows it (personality(2))."""
    heap = ctypes.CDLL(None)
    current = heap.personality(ctypes.c_ulong(_QUERY))
    if current >= 0 and not current & _ADDR_NO_RANDOMIZE:
        wanted = ctypes.c_ulong(current | _ADDR_NO_RANDOMIZE)
        if heap.personality(wanted) >= 0 and heap.personality(ctypes.c_ulong(_QUERY)) & _ADDR_NO_RANDOMIZE:
            os.execv(sys.executable, [sys.executable, "-m", "targets.onnxruntime.heap_probe"])  # noqa: S606 - no shell wanted


if __name__ == "__main__":
    with_fixed_addresses()
    main()
