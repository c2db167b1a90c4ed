"""Builds the firmware of an exported folder and reads it back: what the linker made, term by term.

Comes in: the folder that `export` wrote. Goes out: an ELF file, and sizes from its sections and symbols.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from targets.cortex_m.memory_map import origin
from targets.cortex_m.settings import Settings
from targets.cortex_m.toolchain import Toolchain
from targets.errors import ConfigurationError, InternalError
from targets.footprint import Term
from targets.profile import Profile

#: Of an exported folder, in the order of linking; the library comes first, so that its layout is that of the platform table.
KERNELS = ("firmware/firmware.c", "src/snn_run.c", "src/snn_scatter.c", "src/snn_deliver.c", "src/snn_neurons.c")
MODEL = ("src/snn_model.c", "firmware/input.c")
TRACE = "SNN_TRACE"


def build(folder: Path, toolchain: Toolchain, script: Path, target: Path, trace: bool = False) -> None:
    """Compiles and links an exported folder; `trace` builds the variant that records every neuron.

    Raises:
        ConfigurationError: the folder is not an export.
        LinkerRefusalError: the firmware exceeds the memory map.
    """
    missing = [name for name in (*KERNELS, *MODEL) if not (folder / name).exists()]
    if missing:
        raise ConfigurationError(
            f"{folder} is not an exported network: {', '.join(missing)} missing", "export it again"
        )
    include, objects = [folder / "src"], []
    for name in (*KERNELS, *MODEL):
        compiled = target.with_suffix("") / f"{Path(name).stem}.o"
        compiled.parent.mkdir(parents=True, exist_ok=True)
        if name in KERNELS:
            own = [folder / "src"]
            shutil.copyfile(toolchain.compile_cached(folder / name, own, [TRACE] if trace else []), compiled)
        else:
            compiled.write_bytes(toolchain.compile_once(folder / name, include))
        objects.append(compiled)
    toolchain.link(objects, script, target)


@dataclass(frozen=True)
class Firmware:
    """A linked ELF file."""

    content: bytes

    @cached_property
    def elf(self) -> Any:
        """The parsed file."""
        from elftools.elf.elffile import ELFFile

        return ELFFile(io.BytesIO(self.content))

    @cached_property
    def symbols(self) -> Mapping[str, tuple[int, int]]:
        """Address (without the Thumb bit) and size by name."""
        table = self.elf.get_section_by_name(".symtab")
        return {
            symbol.name: (symbol["st_value"] & ~(symbol["st_info"]["type"] == "STT_FUNC"), symbol["st_size"])
            for symbol in table.iter_symbols()
            if symbol.name and symbol["st_shndx"] != "SHN_UNDEF"
        }

    @cached_property
    def loaded(self) -> list[tuple[int, bytes]]:
        """Contents of flash: address and bytes of each section that is not zero-initialized."""
        sections = (s for s in self.elf.iter_sections() if s["sh_flags"] & 2 and s["sh_type"] == "SHT_PROGBITS")
        return [(section["sh_addr"], section.data()) for section in sections if section["sh_size"]]

    @cached_property
    def frames(self) -> Mapping[int, int]:
        """Bytes of stack of every function by its address, from the call frame information of the linker's output."""
        result: dict[int, int] = {}
        for entry in self.elf.get_dwarf_info().CFI_entries():
            if "initial_location" in entry.header:
                depth = max(row["cfa"].offset for row in entry.get_decoded().table)
                result[entry["initial_location"] & ~1] = depth
        return result

    def address(self, symbol: str) -> int:
        """Where a symbol is.

        Raises:
            InternalError: the firmware does not have it.
        """
        if symbol not in self.symbols:
            raise InternalError(f"the firmware has no symbol {symbol}")
        return self.symbols[symbol][0]

    def total(self, *prefixes: str) -> int:
        """Bytes of all symbols whose names begin so, each in whole words."""
        return sum(-(-size // 4) * 4 for name, (_, size) in self.symbols.items() if name.startswith(prefixes))

    def flash_end(self) -> int:
        """First address behind what is loaded."""
        return max(address + len(content) for address, content in self.loaded)


def flash_terms(firmware: Firmware, profile: Profile) -> list[Term]:
    """Bytes of flash by term; `code` is all that belongs to no other, padding included."""
    settings: Settings = profile.settings
    sizes = {
        "weights": firmware.total("snn_weights_"),
        "neurons": firmware.total("snn_constants_"),
        "descriptors": firmware.total("snn_layers", "snn_connections", "snn_delays", "snn_model"),
        "vectors": firmware.elf.get_section_by_name(".vectors")["sh_size"],
    }
    whole = firmware.flash_end() - origin(profile, settings.flash)
    sizes["code"] = whole - sum(sizes.values())
    return [Term(name, settings.flash, size) for name, size in sizes.items() if size]


def ram_terms(firmware: Firmware, profile: Profile) -> list[Term]:
    """Bytes of static RAM by term and region; `runtime` is all that belongs to no other."""
    settings: Settings = profile.settings
    terms: list[Term] = []
    for region in settings.ram:
        for kind in ("membranes", "spikes"):
            terms.append(Term(kind, region, firmware.total(f"snn_{kind}_{region}")))
    first = settings.ram[0]
    terms.append(Term("scores", first, firmware.total("snn_scores")))
    terms.append(Term("input", first, firmware.total("firmware_input")))
    whole = firmware.elf.get_section_by_name(".bss")["sh_size"]
    terms.append(Term("runtime", first, whole - sum(t.size_bytes for t in terms if t.region == first)))
    return [term for term in terms if term.size_bytes]
