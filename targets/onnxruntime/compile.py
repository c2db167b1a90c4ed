"""Compiles this family's C sources on first use, for this machine or for a board's instruction set.

Goes in: a source beside this file. Comes out: a program or a shared library in the user's cache, keyed by its sources and the
instruction set. This machine's own compiler is tried first, then the one inside the ziglang wheel; for another instruction set
the wheel's comes first, because it links against a C library as old as the boards' (glibc 2.27, Ubuntu 18.04).
"""

from __future__ import annotations

import hashlib
import importlib.util
import platform
import shutil
import sys
from pathlib import Path

from targets.host_library import build, cache_folder

FOLDER = Path(__file__).parent
HEAP_COUNTER = FOLDER / "heap_counter.c"
RUNNER = FOLDER / "runner" / "runner.c"
#: Oldest C library of the boards: JetPack 4.6 is Ubuntu 18.04.
GLIBC = "2.27"


def compiled(source: Path, instruction_set: str = "") -> Path:
    """The built `source`: RUNNER is a program, HEAP_COUNTER a shared library. Compiled if it was not before.

    Args:
        source: the C file; the headers beside it belong to it.
        instruction_set: as `platform.machine()` says it; this machine's by default.

    Raises:
        ToolMissingError: no compiler can build it.
        ConfigurationError: the user's cache cannot be written.
    """
    instruction_set = instruction_set or platform.machine()
    content = b"".join(path.read_bytes() for path in (source, *sorted(source.parent.glob("*.h"))))
    key = hashlib.sha256(content + instruction_set.encode()).hexdigest()[:16]
    suffix = ".so" if source == HEAP_COUNTER else ""
    path = cache_folder() / f"{source.stem}-{instruction_set}-{key}{suffix}"
    if not path.exists():
        _build(source, instruction_set, path)
    return path


def compilers(instruction_set: str) -> list[list[str]]:
    """Commands that may compile C for an instruction set here, best first."""
    wheel = [[sys.executable, "-m", "ziglang", "cc"]] if importlib.util.find_spec("ziglang") else []
    if instruction_set == platform.machine():
        return [*([name] for name in ("cc", "gcc", "clang") if shutil.which(name)), *wheel]
    cross = f"{instruction_set}-linux-gnu-gcc"
    return [
        *([*command, "-target", f"{instruction_set}-linux-gnu.{GLIBC}"] for command in wheel),
        *([cross] for _ in range(bool(shutil.which(cross)))),
    ]


def _build(source: Path, instruction_set: str, path: Path) -> None:
    flags = ["-std=gnu11", "-O2", *(["-fPIC", "-shared"] if path.suffix == ".so" else []), str(source), "-ldl"]
    commands = [[*compiler, *flags] for compiler in compilers(instruction_set)]
    build(path, commands, f"{source.name} cannot be compiled for {instruction_set}")
