"""The [onnxruntime] table of a profile: which runtime the board has, what it accepts, and how the board is emulated."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from targets.onnxruntime.runtimes import Runtime

#: The oldest opset with every operator that is written, and its IR: any board's runtime loads them.
OPSET = 13
IR = 7
#: ONNX, docs/Versioning.md.
_IR_OF_OPSET = {13: IR, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11, 24: 12, 25: 13, 26: 13}


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
    #: Opset of the files that are written: by default the oldest that has every operator needed.
    export_opset: int = Field(default=OPSET, ge=OPSET)
    #: Absent: the files are run by the runtime of this machine.
    emulation: Emulation | None = None

    @property
    def export_ir(self) -> int:
        """The oldest IR version that a file of that opset may have."""
        return _IR_OF_OPSET[self.export_opset]

    @model_validator(mode="after")
    def _the_board_loads_what_is_written(self) -> Self:
        if self.export_opset > self.opset:
            raise ValueError(f"the board's ONNX Runtime {self.version} loads up to opset {self.opset}")
        if self.export_opset not in _IR_OF_OPSET:
            raise ValueError(f"opset {self.export_opset} is newer than the newest known here, {max(_IR_OF_OPSET)}")
        if self.export_ir > self.ir:
            raise ValueError(f"opset {self.export_opset} needs IR {self.export_ir}, the board loads up to {self.ir}")
        return self

    @property
    def runtime(self) -> Runtime:
        """What estimates are for, and measurements are made with."""
        return Runtime(self.version, self.instruction_set)
