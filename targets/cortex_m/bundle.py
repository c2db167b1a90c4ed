"""A bundle for a program that flashes a board: the C export, the measured firmware linked, inputs as the firmware takes them.

There are two ways to run it. A debug probe flashes `firmware.elf`, writes each frame to `firmware_input` whenever the core stops
at `firmware_exchange`, and reads `snn_scores`; it paints the stack before and looks how far it was written. Or a firmware of
the user's own compiles `artifact/src`, and receives inputs and sends scores over a serial port. `bundle.json` has the addresses
and sizes that both need.

The board tells the bytes of its stack, which no linker knows. Flash and static RAM are those of the linked firmware, unless the
record says otherwise.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from targets.cortex_m.estimate import estimate, planned
from targets.cortex_m.firmware import Firmware, flash_terms, ram_terms
from targets.cortex_m.frames import frames_of, is_streamed
from targets.cortex_m.measure import link
from targets.cortex_m.platform import platform_for
from targets.cortex_m.settings import Settings
from targets.hardware.bundle import describe
from targets.hardware.observe import Observation, footprint_of, latencies_of, scores_of
from targets.hardware.record import Returned
from targets.network import Network
from targets.profile import Profile

_SYMBOLS = ("firmware_exchange", "firmware_input", "snn_scores", "firmware_class")


def bundle(folder: Path, network: Network, profile: Profile, inputs: NDArray[np.uint8], into: Path) -> None:
    """The export in `artifact/`, `firmware.elf`, `frames.bin`, and what to measure.

    Raises:
        LinkerRefusalError: the firmware exceeds the board's memory.
        ToolMissingError: the compiler is missing.
    """
    settings: Settings = profile.settings
    plan = planned(network, profile, platform_for(settings.toolchain, settings.core)[0])
    shutil.copytree(folder, into / "artifact")
    firmware = link(folder, profile)
    (into / "firmware.elf").write_bytes(firmware.content)
    frames = [frame for sample in inputs for frame in frames_of(plan, sample)]
    (into / "frames.bin").write_bytes(b"".join(frames))
    more = {
        "frame_bytes": len(frames[0]),
        "frames_per_sample": len(frames) // len(inputs),
        "exchanges_per_sample": len(frames) // len(inputs) + (1 if is_streamed(plan) else 0),
        "symbols": {name: [f"0x{firmware.symbols[name][0]:08X}", firmware.symbols[name][1]] for name in _SYMBOLS},
        "stack": _stack(firmware),
    }
    describe(into, network, profile, inputs, ["stack"], more)


def read_back(
    returned: Returned, folder: Path, network: Network, profile: Profile, inputs: NDArray[np.uint8]
) -> Observation:
    """The board's stack and scores beside the terms of the linked firmware."""
    record, firmware = returned.record, link(folder, profile)
    known = (*flash_terms(firmware, profile), *ram_terms(firmware, profile))
    footprint = footprint_of(record, estimate(network, profile), known)
    return Observation(footprint, scores_of(record), None, profile, record.board, latencies_of(record))


def _stack(firmware: Firmware) -> dict[str, str]:
    section = firmware.elf.get_section_by_name(".stack")
    low = section["sh_addr"]
    return {"lowest": f"0x{low:08X}", "top": f"0x{low + section['sh_size']:08X}"}
