"""Compiles C sources of this project into the user's cache, once.

Comes in: a C file, flags. Goes out: a shared library for this processor, keyed by source, flags and processor. The compiler is
`cc`, or the one inside the ziglang wheel, so that nothing has to be installed by hand. Who compiles for other machines brings
the commands (`build`).
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
from collections.abc import Sequence
from pathlib import Path

from targets.errors import ConfigurationError, ToolMissingError

SECONDS = 120


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/spikeport, by default ~/.cache/spikeport."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spikeport"


def compilers() -> list[list[str]]:
    """Commands that may compile C here, best first."""
    found = [[name] for name in ("cc", "gcc", "clang") if shutil.which(name)]
    if importlib.util.find_spec("ziglang"):
        found.append([sys.executable, "-m", "ziglang", "cc"])
    return found


def host_library(source: Path, flags: Sequence[str], what: str) -> Path:
    """The built library; compiled if this source was not compiled with these flags for this processor before.

    Args:
        source: A C file.
        flags: For the compiler.
        what: The library in words, for the error.

    Raises:
        ToolMissingError: no compiler builds it.
        ConfigurationError: the user's cache cannot be written.
    """
    key = hashlib.sha256(source.read_bytes() + "\n".join([*flags, _processor()]).encode()).hexdigest()[:16]
    path = cache_folder() / f"{source.stem}-{key}.so"
    if not path.exists():
        commands = [[*compiler, "-fPIC", "-shared", str(source), *flags] for compiler in compilers()]
        build(path, commands, f"{what} cannot be built")
    return path


def _processor() -> str:
    """Tells processors with other instructions apart: a home folder may be shared by several machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine() + platform.processor()
    return platform.machine() + next((line for line in lines if line.startswith(("flags", "Features"))), "")


def build(path: Path, commands: Sequence[Sequence[str]], failed: str) -> None:
    """Compiles with the first command that can; the file appears whole.

    Args:
        path: What is built.
        commands: Compilers with their arguments, best first; the output is added.
        failed: Begins the error.

    Raises:
        ToolMissingError: none can.
        ConfigurationError: the folder cannot be written.
    """
    said = "no C compiler was found"
    with tempfile.TemporaryDirectory(dir=made_folder(path.parent)) as folder:
        built = Path(folder) / path.name
        for command in commands:
            try:
                done = subprocess.run(
                    [*command, "-o", str(built)], capture_output=True, text=True, timeout=SECONDS, check=False
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                said = f"{command[0]}: {error}"
                continue
            if done.returncode == 0:
                built.replace(path)
                return
            said = f"{' '.join(command)}: {(done.stderr.strip() or 'failed').splitlines()[0]}"
    raise ToolMissingError(f"{failed} ({said})", "pip install ziglang")


def made_folder(path: Path) -> Path:
    """The folder, created if need be.

    Raises:
        ConfigurationError: it cannot be.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be created ({error.strerror})", "set XDG_CACHE_HOME to a folder that can be written"
        ) from error
    return path
