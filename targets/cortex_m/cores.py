"""The processor cores of the family: what each compiler and the emulator call them.

Code is compiled for integers only; no core's floating-point unit is touched. The Cortex-M55 runs the code of the Cortex-M33
(Armv8-M mainline, a subset of its own instruction set): the emulator has no vector extension, so none is used.
"""

from __future__ import annotations

from dataclasses import dataclass

from targets.cortex_m.settings import CoreName


@dataclass(frozen=True)
class CoreFlags:
    """A core as -mcpu of the two compilers, and the constant of Unicorn's model (UC_CPU_ARM_*)."""

    zig: str
    gcc: str
    unicorn: str


CORES: dict[CoreName, CoreFlags] = {
    "cortex_m0": CoreFlags("cortex_m0", "cortex-m0", "CORTEX_M0"),
    "cortex_m0plus": CoreFlags("cortex_m0plus", "cortex-m0plus", "CORTEX_M0"),
    "cortex_m3": CoreFlags("cortex_m3", "cortex-m3", "CORTEX_M3"),
    "cortex_m4": CoreFlags("cortex_m4", "cortex-m4", "CORTEX_M4"),
    "cortex_m7": CoreFlags("cortex_m7", "cortex-m7", "CORTEX_M7"),
    "cortex_m33": CoreFlags("cortex_m33", "cortex-m33", "CORTEX_M33"),
    "cortex_m55": CoreFlags("cortex_m33", "cortex-m33", "CORTEX_M33"),
}
