"""The [cortex_m] table of a profile: which core runs the network, and where code, data and the stack go."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

CoreName = Literal["cortex_m0", "cortex_m0plus", "cortex_m3", "cortex_m4", "cortex_m7", "cortex_m33", "cortex_m55"]
ToolchainName = Literal["zig", "gcc"]


class Settings(BaseModel):
    """Regions are names of the profile's [memory] tables."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Which core is compiled for and emulated.
    core: CoreName
    #: Where code and weights are.
    flash: str
    #: Memories for data, the preferred first; it holds the input, the scores and the stack.
    ram: tuple[str, ...] = Field(min_length=1)
    #: Regions whose reserved bytes lie at the start (a bootloader, a radio stack); else they lie at the end.
    reserved_at_start: tuple[str, ...] = ()
    #: streaming: one time step through all layers; batched: all time steps through one tile of a layer; auto: what fits.
    schedule: Literal["auto", "streaming", "batched"] = "auto"
    #: zig is clang from a wheel; gcc is arm-none-eabi-gcc of the system.
    toolchain: ToolchainName = "zig"
    #: Where the numbers of this table come from; (a choice) for a decision.
    source: str
