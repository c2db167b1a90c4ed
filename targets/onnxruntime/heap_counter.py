"""The environment in which a process counts its heap: heap_counter.c preloaded, the settings of malloc fixed.

It is small because its size shifts addresses, hence how full hash tables of pointers are.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from targets.onnxruntime.compile import HEAP_COUNTER, compiled

#: Variables without which the runtime may not load.
KEPT = ("LD_LIBRARY_PATH",)
#: One heap and no mapped blocks: a block is what was asked for, rounded to 16 bytes, not to pages.
MALLOC_SETTINGS = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_ARENA_MAX": "1"}


def counting_environment() -> Mapping[str, str]:
    """An environment with the counter preloaded, one thread, and the settings of malloc and of hashing fixed.

    Raises:
        ToolMissingError: the counter cannot be built.
        ConfigurationError: the user's cache cannot be written.
    """
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    fixed = {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    return {**kept, **MALLOC_SETTINGS, **fixed, "LD_PRELOAD": str(compiled(HEAP_COUNTER))}
