"""What becomes of a weight's bits: how many it has, how many it takes, and what the target computes with."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, PositiveInt


class StoredWeight(BaseModel):
    """One weight tensor on one target."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    parameters: PositiveInt
    #: Width that it was trained with.
    logical_bits: PositiveInt
    #: Bits of memory that one value takes in what the target loads.
    stored_bits: PositiveInt
    #: The type that the arithmetic is done in, in words.
    executed: str
