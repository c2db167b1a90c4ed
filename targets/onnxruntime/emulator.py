"""QEMU's user-mode emulator: runs a program of a board's instruction set here, on a core of the board's model.

Goes in: the board's [onnxruntime.emulation] table. Comes out: the command that a guest program is put behind. The guest's C and
C++ libraries are the distribution's cross packages. QEMU 7 lets a guest see the host's /proc/cpuinfo and /sys, at which the
runtime stumbles; so the guest's root (kept in the user's cache) has files there that show the board's cores.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from targets.errors import ToolMissingError
from targets.host_library import cache_folder, made_folder
from targets.onnxruntime.settings import Emulation

#: The emulator to use instead of the one on the path; empty or "off" for none.
VARIABLE = "SPIKEPORT_QEMU"
INSTALL = "sudo apt-get install --yes qemu-user libstdc++6-arm64-cross"


def emulator(instruction_set: str) -> str | None:
    """The path of QEMU's user-mode emulator."""
    asked = os.environ.get(VARIABLE)
    if asked is not None:
        return None if asked in ("", "off") else shutil.which(asked)
    return shutil.which(f"qemu-{instruction_set}") or shutil.which(f"qemu-{instruction_set}-static")


def shortfall(instruction_set: str) -> str:
    """What is missing to emulate an instruction set; empty if nothing is."""
    if os.environ.get(VARIABLE) in ("", "off"):
        return f"{VARIABLE} turns emulation off"
    if emulator(instruction_set) is None:
        return f"qemu-{instruction_set} is not installed"
    libraries = _libraries(instruction_set)
    missing = [name for name in ("libc.so.6", "libstdc++.so.6", "libgcc_s.so.1") if not (libraries / name).exists()]
    return f"{libraries} has no {', '.join(missing)}" if missing else ""


def guest_command(instruction_set: str, emulation: Emulation, environment: Mapping[str, str]) -> list[str]:
    """What a guest program's own command line is put behind; `environment` is the guest's.

    Raises:
        ToolMissingError: the emulator or the guest's libraries are not installed.
    """
    missing, found = shortfall(instruction_set), emulator(instruction_set)
    if missing or found is None:
        raise ToolMissingError(missing, INSTALL)
    variables = [word for name, value in environment.items() for word in ("-E", f"{name}={value}")]
    return [found, "-cpu", emulation.cpu, "-L", str(guest_root(instruction_set, emulation)), *variables]


def guest_root(instruction_set: str, emulation: Emulation) -> Path:
    """A folder that QEMU shows its guest as /: the C library, and the board's processor in /proc and /sys."""
    files = dict(_files(emulation))
    content = repr(sorted(files.items())) + str(_libraries(instruction_set))
    root = cache_folder() / f"guest-{instruction_set}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"
    if root.exists():
        return root
    with tempfile.TemporaryDirectory(dir=made_folder(root.parent)) as scratch:
        made = Path(scratch) / "root"
        for name, text in files.items():
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).write_text(text)
        (made / "lib").symlink_to(_libraries(instruction_set))
        try:
            made.rename(root)
        except OSError:
            if not root.exists():  # another process made it meanwhile
                raise
    return root


def _libraries(instruction_set: str) -> Path:
    return Path(f"/usr/{instruction_set}-linux-gnu/lib")


def _files(emulation: Emulation) -> Iterator[tuple[str, str]]:
    cores = range(emulation.cores)
    yield (
        "proc/cpuinfo",
        "".join(
            f"processor\t: {core}\nBogoMIPS\t: 38.40\nFeatures\t: {emulation.features}\nCPU implementer\t: 0x41\n"
            f"CPU architecture: 8\nCPU variant\t: {emulation.variant:#x}\nCPU part\t: {emulation.part:#05x}\n"
            f"CPU revision\t: {emulation.revision}\n\n"
            for core in cores
        ),
    )
    tree = "sys/devices/system/cpu"
    everyone = f"0-{cores[-1]}\n" if len(cores) > 1 else "0\n"
    for name in ("possible", "present", "online"):
        yield f"{tree}/{name}", everyone
    yield f"{tree}/kernel_max", f"{cores[-1]}\n"
    for core in cores:
        topology = f"{tree}/cpu{core}/topology"
        yield f"{topology}/core_id", f"{core}\n"
        yield f"{topology}/physical_package_id", "0\n"
        yield f"{topology}/thread_siblings_list", f"{core}\n"
        yield f"{topology}/core_siblings_list", everyone
