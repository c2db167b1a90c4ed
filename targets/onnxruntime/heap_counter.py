"""Builds the heap counter on first use and starts processes with it.

Goes in: heap_counter.c and a C compiler (`cc`, or the one inside the ziglang wheel). Comes out: a shared library in the user's
cache, keyed by its source and machine, and the environment that preloads it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from targets.errors import ConfigurationError, ToolMissingError

SOURCE = Path(__file__).with_suffix(".c")
SECONDS = 120
#: Variables without which the runtime may not load.
KEPT = ("LD_LIBRARY_PATH",)
#: One heap and no mapped blocks: a block is what was asked for, rounded to 16 bytes, not to pages.
MALLOC_SETTINGS = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_ARENA_MAX": "1"}


def counting_environment() -> Mapping[str, str]:
    """An environment with the counter preloaded, one thread, and the settings of malloc and of hashing fixed.

    It is small because its size shifts addresses, hence how full hash tables of pointers are.

    Raises:
        ToolMissingError: the counter cannot be built.
        ConfigurationError: the user's cache cannot be written.
    """
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    fixed = {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    return {**kept, **MALLOC_SETTINGS, **fixed, "LD_PRELOAD": str(library())}


def library() -> Path:
    """The built counter; compiled if this source was not compiled on this machine before."""
    key = hashlib.sha256(SOURCE.read_bytes() + platform.machine().encode()).hexdigest()[:16]
    path = cache_folder() / f"heap_counter-{key}.so"
    if not path.exists():
        _build(path)
    return path


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/spikeport, by default ~/.cache/spikeport."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spikeport"


def compilers() -> list[list[str]]:
    """Commands that may compile C here, best first."""
    found = [[name] for name in ("cc", "gcc", "clang") if shutil.which(name)]
    if importlib.util.find_spec("ziglang"):
        found.append([sys.executable, "-m", "ziglang", "cc"])
    return found


def _build(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"{path.parent}: cannot be created ({error.strerror})", "set XDG_CACHE_HOME to a folder that can be written"
        ) from error
    said = "no C compiler was found"
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        built = Path(folder) / path.name
        for compiler in compilers():
            command = [*compiler, "-O2", "-fPIC", "-shared", str(SOURCE), "-o", str(built), "-ldl"]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
            except (OSError, subprocess.TimeoutExpired) as error:
                said = f"{compiler[0]}: {error}"
                continue
            if done.returncode == 0:
                built.replace(path)
                return
            said = f"{' '.join(compiler)}: {(done.stderr.strip() or 'failed').splitlines()[0]}"
    raise ToolMissingError(f"the heap counter cannot be built ({said})", "pip install ziglang")
