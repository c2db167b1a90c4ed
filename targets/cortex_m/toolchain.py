"""Compilers for Cortex-M: the one in the `ziglang` wheel (clang and lld, no root needed), or arm-none-eabi-gcc.

Comes in: C files and a core. Goes out: objects and linked firmware. Objects that do not depend on a network are kept in the
user's cache by a hash of everything that makes them.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from targets.cortex_m.cores import CORES
from targets.cortex_m.settings import CoreName, ToolchainName
from targets.errors import DoesNotFitError, InternalError, ToolMissingError
from targets.network_file import write_atomically
from targets.tool import Tool

SIZE_FLAG = "-Os"
#: Files that do not touch synapses or neurons, compiled for size.
FOR_SIZE = ("firmware.c", "snn_run.c", "snn_scatter.c")
_COMMON = (
    "-std=c11", "-O2", "-g", "-ffreestanding", "-ffunction-sections", "-fdata-sections", "-fomit-frame-pointer",
    "-fno-unwind-tables", "-fno-asynchronous-unwind-tables", "-fno-stack-protector",
    "-fno-optimize-sibling-calls",
    "-Wall", "-Wextra", "-Werror", "-Wconversion",
)  # fmt: skip
_FLAGS: dict[ToolchainName, tuple[str, ...]] = {
    "zig": (*_COMMON, "-target", "thumb-freestanding-eabi", "-mfloat-abi=soft", "-fno-builtin", "-fno-unroll-loops"),
    "gcc": (*_COMMON, "-mthumb", "-mfloat-abi=soft", "-fno-tree-loop-distribute-patterns"),
}
_TIMEOUT_SECONDS = 300
_OVERFLOW = re.compile(r"region [`']?(\w+)'?:? overflowed by (\d+) bytes")


class LinkerRefusalError(DoesNotFitError):
    """The firmware exceeds a region of the memory map; `overflow` is by how many bytes, by region."""

    def __init__(self, overflow: dict[str, int]) -> None:
        regions = ", ".join(f"{region} by {size} B" for region, size in overflow.items())
        super().__init__(f"the linker refuses the firmware: it exceeds {regions}", "choose a smaller network")
        self.overflow = overflow


@dataclass(frozen=True)
class Toolchain:
    """One compiler for one core."""

    name: ToolchainName
    core: CoreName

    @property
    def version(self) -> str:
        """Version of the compiler.

        Raises:
            ToolMissingError: it is not installed.
        """
        found = installed_version(self.name)
        if found is None:
            raise ToolMissingError(*_MISSING[self.name])
        return found

    def tool(self) -> Tool:
        """For `doctor`: whether it is installed."""
        found = installed_version(self.name)
        problem, remedy = _MISSING[self.name]
        return Tool(_SHORT[self.name], problem if found is None else found, remedy if found is None else "")

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags of every file; those of FOR_SIZE have one more."""
        cpu = CORES[self.core].zig if self.name == "zig" else CORES[self.core].gcc
        return (*_FLAGS[self.name], f"-mcpu={cpu}")

    @property
    def flags_in_words(self) -> str:
        """All flags that decide about the code, for a report and for what depends on them."""
        return f"{' '.join(self.flags)}; {SIZE_FLAG} for {' '.join(FOR_SIZE)}"

    @property
    def key(self) -> str:
        """What the code of the kernels depends on, apart from the kernels themselves."""
        return self.key_of(self.version)

    def key_of(self, version: str) -> str:
        """The same for any version of the compiler, installed or not."""
        digest = hashlib.sha256(self.flags_in_words.encode()).hexdigest()[:8]
        return f"{self.name} {version} {self.core} {digest}"

    def compile(self, source: Path, include: Sequence[Path], defines: Sequence[str] = ()) -> bytes:
        """The object of one C file."""
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "out.o"
            paths = [f"-I{path}" for path in include]
            names = [f"-D{name}" for name in defines]
            _run(
                [*self._compiler(), *self.flags, *_sized(source), *paths, *names, "-c", str(source), "-o", str(target)]
            )
            return target.read_bytes()

    def compile_once(self, source: Path, include: Sequence[Path]) -> bytes:
        """The object of one C file; compiled again in this process only when the file or a header beside it has changed."""
        return _remembered(self, self._digest(source, include, ()), source, tuple(include))

    def compile_cached(self, source: Path, include: Sequence[Path], defines: Sequence[str] = ()) -> Path:
        """The object of a C file from the user's cache, by the text of the file and of all headers beside it."""
        key = self._digest(source, include, defines)
        path = cache_folder() / f"{source.stem}-{key[:24]}.o"
        if not path.exists():
            write_atomically(path, self.compile(source, include, defines))
        return path

    def _digest(self, source: Path, include: Sequence[Path], defines: Sequence[str]) -> str:
        """Of everything that an object is made from."""
        content = [source, *sorted(path for folder in include for path in folder.glob("*.h"))]
        texts = [path.read_text(encoding="utf-8") for path in content]
        parts = [self.key, *_sized(source), *defines, source.name, *texts]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def link(self, objects: Sequence[Path], script: Path, target: Path, collect: bool = True) -> None:
        """Firmware from objects; `collect` leaves out what nothing refers to.

        Raises:
            LinkerRefusalError: a region of the memory map overflows.
        """
        linker = ["-T", str(script), "-o", str(target), *(str(path) for path in objects)]
        collecting = ["--gc-sections"] if collect else []
        command = [sys.executable, "-m", "ziglang", "ld.lld", "--build-id=none", *collecting, *linker]
        if self.name == "gcc":
            command = ["arm-none-eabi-ld", *collecting, *linker]
        try:
            _run(command)
        except InternalError as error:
            overflow = {region: int(size) for region, size in _OVERFLOW.findall(error.message)}
            if overflow:
                raise LinkerRefusalError(overflow) from error
            raise

    def _compiler(self) -> list[str]:
        return [sys.executable, "-m", "ziglang", "cc"] if self.name == "zig" else ["arm-none-eabi-gcc"]


_SHORT: dict[ToolchainName, str] = {"zig": "zig cc", "gcc": "arm-none-eabi-gcc"}
_MISSING: dict[ToolchainName, tuple[str, str]] = {
    "zig": ("the compiler of the ziglang wheel is not installed", "pip install ziglang"),
    "gcc": ("arm-none-eabi-gcc is not installed", "apt-get install gcc-arm-none-eabi"),
}


@lru_cache(maxsize=8)
def _remembered(toolchain: Toolchain, digest: str, source: Path, include: tuple[Path, ...]) -> bytes:
    return toolchain.compile(source, include)


@cache
def installed_version(name: ToolchainName) -> str | None:
    """Version of an installed compiler, None where it is missing."""
    if name == "zig":
        try:
            import ziglang  # noqa: F401 - run as `python -m ziglang`

            return version("ziglang")
        except (ImportError, PackageNotFoundError):
            return None
    if shutil.which("arm-none-eabi-gcc") is None or shutil.which("arm-none-eabi-ld") is None:
        return None
    return _run(["arm-none-eabi-gcc", "-dumpfullversion"]).strip()


def cache_folder() -> Path:
    """Where objects and calibrations of this user are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "spikeport" / "cortex_m"


def _sized(source: Path) -> list[str]:
    return [SIZE_FLAG] if source.name in FOR_SIZE else []


def _run(command: Sequence[str]) -> str:
    """Standard output of a tool.

    Raises:
        InternalError: it fails; the message is what it said.
    """
    result = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
    if result.returncode:
        raise InternalError(f"{Path(command[0]).name} failed: {result.stderr.strip()[-4000:]}")
    return result.stdout
