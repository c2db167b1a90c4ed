"""The [onnxruntime] table of a profile: which runtime the board has and what it accepts."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Version of ONNX Runtime on the board and the ceilings it loads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    opset: int = Field(ge=13)
    ir: int = Field(ge=7)
    source: str
