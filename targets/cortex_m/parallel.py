"""Inferences on several emulated cores at once, one for each core of this machine: Unicorn runs without Python's lock.

Comes in: how an emulator is made, what is done with it, inputs. Goes out: a result for each input, in their order. Every emulator
still runs one input after another, so that an inference that depended on the one before it would show.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from targets.cortex_m.emulator import Emulator

Sample = TypeVar("Sample")
Result = TypeVar("Result")


def on_each(
    make: Callable[[], Emulator], run: Callable[[Emulator, Sample], Result], inputs: Sequence[Sample]
) -> list[Result]:
    """What `run` returns for each input. After an error or Ctrl-C only inferences that have begun are finished."""
    first = make()  # reads the firmware's file, of which the threads then share what was read
    threads = min(len(os.sched_getaffinity(0)), len(inputs))
    if threads < 2:
        return [run(first, sample) for sample in inputs]
    own = threading.local()

    def one(sample: Sample) -> Result:
        if not hasattr(own, "emulator"):
            own.emulator = make()
        return run(own.emulator, sample)

    pool = ThreadPoolExecutor(threads)
    try:
        return list(pool.map(one, inputs))
    finally:
        pool.shutdown(cancel_futures=True)
