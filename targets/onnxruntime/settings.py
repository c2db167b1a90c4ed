"""The [onnxruntime] table of a profile: which runtime the board has, what it accepts, and how the board is emulated."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from targets.onnxruntime.runtimes import Runtime


class Emulation(BaseModel):
    """The board's processor, for QEMU and for what the runtime looks up in /proc and /sys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: As QEMU calls the core (`qemu-aarch64 -cpu help`).
    cpu: str
    cores: int = Field(ge=1)
    #: Main ID register: part number, variant and revision.
    part: int
    variant: int = 0
    revision: int = 0
    #: The Features line of the board's /proc/cpuinfo.
    features: str
    source: str


class Settings(BaseModel):
    """Version of ONNX Runtime on the board and the ceilings it loads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    instruction_set: str
    opset: int = Field(ge=13)
    ir: int = Field(ge=7)
    source: str
    #: Absent: the files are run by the runtime of this machine.
    emulation: Emulation | None = None

    @property
    def runtime(self) -> Runtime:
        """What estimates are for, and measurements are made with."""
        return Runtime(self.version, self.instruction_set)
