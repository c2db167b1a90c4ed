"""What the kernel library costs on a platform, function by function: the constants that an estimate adds to the model's bytes.

Comes in: a toolchain (compiler, version, core, flags). Goes out: size, alignment and references of every section of the
library's objects, and the stack frame of every function. They are read from the objects and their call frame information,
so nothing is fitted: the code of a network is what the linker keeps of them.

`platforms.json` holds them for the versions that were tried; any other version is calibrated on first use, which takes
a second, into the user's cache. Regenerate the file with

    python -m targets.cortex_m.platform
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from targets.cortex_m.cores import CORES
from targets.cortex_m.parts import Parts
from targets.cortex_m.settings import CoreName, ToolchainName
from targets.cortex_m.toolchain import Toolchain, cache_folder, installed_version
from targets.errors import InternalError, ToolMissingError
from targets.network_file import write_atomically

LIBRARY = Path(__file__).parent / "library"
TABLE = Path(__file__).parent / "platforms.json"
SOURCES = ("firmware/firmware.c", "snn_run.c", "snn_scatter.c", "snn_deliver.c", "snn_neurons.c")
"""The library in the order in which it is linked."""
_STACK_POINTER = 13
_ENTRIES = ("firmware_vectors", "firmware_reset")


class Section(BaseModel):
    """A section of one object and the symbols that it refers to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int
    alignment: int
    #: text, rodata or bss.
    kind: str
    #: Symbols defined in it.
    defines: tuple[str, ...]
    refers: tuple[str, ...]
    #: Bytes of stack of the function in it.
    frame: int = 0


class Platform(BaseModel):
    """All sections of the library, in the order of linking."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sections: tuple[Section, ...]

    def kept(self, roots: Iterable[str]) -> list[Section]:
        """Sections that the linker keeps for a model whose descriptors refer to `roots`."""
        home = {symbol: section for section in self.sections for symbol in section.defines}
        wanted, reached = [*_ENTRIES, *roots], set[str]()
        while wanted:
            section = home.get(wanted.pop())
            if section is not None and not reached >= set(section.defines):
                reached |= set(section.defines)
                wanted += section.refers
        return [section for section in self.sections if set(section.defines) & reached]

    def stack_bytes(self, parts: Parts, streamed: bool) -> int:
        """The deepest stack: reset, an entry point, and the longest way through what it calls.

        Direct calls are references in the objects; calls through pointers are those of the descriptors.
        """
        home = {symbol: section for section in self.sections for symbol in section.defines}
        not_entered = "snn_classify" if streamed else "snn_step"

        def depth(symbol: str, pointers: Mapping[str, frozenset[str]]) -> int:
            section = home.get(symbol)
            if section is None or section.kind != "text" or symbol == not_entered:
                return 0
            through = (pointers[name] for name in section.defines if name in pointers)
            called = [s for s in section.refers if s not in section.defines]
            return section.frame + max(
                (depth(s, pointers) for s in called + [s for t in through for s in t]), default=0
            )

        missing = parts.symbols - home.keys()
        if missing or not {"run", "arrive", "snn_scatter"} <= home.keys():
            raise InternalError(f"the kernel library lacks functions: {sorted(missing)}")
        return max(depth("firmware_reset", pointers) for pointers in parts.paths())


@dataclass(frozen=True)
class Sizes:
    """Bytes of what is linked from the library."""

    vectors: int
    code: int
    rodata: int
    bss: int


def laid_out(sections: Iterable[Section]) -> Sizes:
    """Sizes with the padding that alignment needs, in the order of linking."""
    ends = dict.fromkeys(("vectors", "text", "rodata", "bss"), 0)
    for section in sections:
        kind = "vectors" if "firmware_vectors" in section.defines else section.kind
        ends[kind] = -(-ends[kind] // section.alignment) * section.alignment + section.size
    return Sizes(ends["vectors"], -(-ends["text"] // 4) * 4, ends["rodata"], ends["bss"])


def platform_for(name: ToolchainName, core: CoreName) -> tuple[Platform, str]:
    """The constants for an installed compiler and its version; where it is missing, those of the newest version on file.

    Raises:
        ToolMissingError: the compiler is missing and no version of it is on file for this library.
    """
    table, toolchain = _table(), Toolchain(name, core)
    installed = installed_version(name)
    versions = {key.split()[1] for key in table}
    known = sorted(version for version in versions if toolchain.key_of(version) in table)
    if installed is None:
        if not known:
            raise ToolMissingError(f"nothing is known about {name} on {core}", "install the compiler to calibrate it")
        return table[toolchain.key_of(known[-1])], known[-1]
    if toolchain.key in table:
        return table[toolchain.key], installed
    return _calibrated_once(toolchain), installed


def calibrate(toolchain: Toolchain) -> Platform:
    """Compiles the library and reads its objects."""
    objects = [toolchain.compile_cached(LIBRARY / source, [LIBRARY]) for source in SOURCES]
    return Platform(sections=tuple(section for path in objects for section in _sections(path)))


def library_digest() -> str:
    """Of all C files that constants depend on."""
    files = [LIBRARY / source for source in SOURCES] + [LIBRARY / "snn_kernels.h"]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()[:16]


@cache
def _table() -> Mapping[str, Platform]:
    """Committed constants, empty when they belong to another state of the library."""
    stored = json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {}
    if stored.get("library") != library_digest():
        return {}
    return {key: Platform.model_validate(value) for key, value in stored["platforms"].items()}


@cache
def _calibrated_once(toolchain: Toolchain) -> Platform:
    path = cache_folder() / f"platform-{library_digest()}-{toolchain.key.replace(' ', '_')}.json"
    if path.exists():
        return Platform.model_validate_json(path.read_text(encoding="utf-8"))
    platform = calibrate(toolchain)
    write_atomically(path, platform.model_dump_json().encode())
    return platform


def _sections(path: Path) -> Iterator[Section]:
    from elftools.elf.elffile import ELFFile
    from elftools.elf.relocation import RelocationSection

    elf: Any = ELFFile(io.BytesIO(path.read_bytes()))
    symbols = elf.get_section_by_name(".symtab")
    frames = _frames(elf, symbols)
    refers: dict[int, list[str]] = {}
    for section in elf.iter_sections():
        if isinstance(section, RelocationSection):
            found = (_named(path, elf, symbols.get_symbol(r["r_info_sym"])) for r in section.iter_relocations())
            refers.setdefault(section["sh_info"], []).extend(found)
    for index, section in enumerate(elf.iter_sections()):
        kind = _kind(section)
        if kind is None or section["sh_size"] == 0:
            continue
        own = [s.name for s in symbols.iter_symbols() if s["st_shndx"] == index and s.name and s.name[0] not in "$."]
        yield Section(
            size=section["sh_size"],
            alignment=max(1, section["sh_addralign"]),
            kind=kind,
            defines=tuple(dict.fromkeys([_unique(path, section.name), *own])),
            refers=tuple(sorted(set(refers.get(index, ())))),
            frame=frames.get(section.name, 0),
        )


def _unique(path: Path, section: str) -> str:
    return f"{path.stem.split('-')[0]}:{section}"


def _named(path: Path, elf: Any, symbol: Any) -> str:
    """Name of a symbol, of its section where it is a section symbol."""
    return str(symbol.name) if symbol.name else _unique(path, elf.get_section(symbol["st_shndx"]).name)


def _kind(section: Any) -> str | None:
    for prefix, kind in ((".text", "text"), (".rodata", "rodata"), (".bss", "bss"), (".vectors", "text")):
        if section.name.startswith(prefix):
            return kind
    if section["sh_flags"] & 2 and section["sh_size"] and not section.name.startswith(".ARM"):
        raise InternalError(f"the kernel library has an unexpected section {section.name}")
    return None


def _frames(elf: Any, symbols: Any) -> dict[str, int]:
    """Largest distance of the stack pointer from its value at entry, by section of the function."""
    relocations = elf.get_section_by_name(".rel.debug_frame")
    if relocations is None:
        return {}
    home = {r["r_offset"]: symbols.get_symbol(r["r_info_sym"]) for r in relocations.iter_relocations()}
    result: dict[str, int] = {}
    for entry in elf.get_dwarf_info(relocate_dwarf_sections=False).CFI_entries():
        symbol = home.get(entry.offset + 8)
        if symbol is None:
            continue
        depth = 0
        for row in entry.get_decoded().table:
            if row["cfa"].reg != _STACK_POINTER:
                raise InternalError("a kernel uses a frame pointer, its stack cannot be read")
            depth = max(depth, row["cfa"].offset)
        result[elf.get_section(symbol["st_shndx"]).name] = depth
    return result


def main() -> None:
    """Writes `platforms.json` for every core and every compiler that is installed."""
    names: tuple[ToolchainName, ...] = ("zig", "gcc")
    toolchains = [Toolchain(name, core) for name in names if installed_version(name) for core in CORES]
    platforms = {t.key: calibrate(t).model_dump(mode="json") for t in toolchains}
    content = {"library": library_digest(), "platforms": platforms}
    write_atomically(TABLE, (json.dumps(content, indent=None, separators=(",", ":")) + "\n").encode())
    sys.stdout.write(f"{len(platforms)} platforms written to {TABLE}\n")


if __name__ == "__main__":
    main()
