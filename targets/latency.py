"""How long one inference takes, as a summary that says where it was timed; and instructions, where time would mean nothing.

Comes in: the seconds of single runs. Goes out: median, spread and warm-up. There is none for emulators and simulators: what they
take says nothing of the board. An emulated core has a number of instructions instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveFloat, PositiveInt

from targets.errors import InternalError


class Latency(BaseModel):
    """One thing that was timed, run after run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: What was timed: "whole.onnx, one sample".
    what: str
    #: `runtime` is this machine, `hardware` the board.
    obtained: Literal["runtime", "hardware"]
    #: The machine and how it was set up.
    where: str
    #: Runs before the first that counts.
    warm_up: NonNegativeInt
    runs: PositiveInt
    median_seconds: PositiveFloat
    #: Spread: the 10th and the 90th percentile.
    low_seconds: PositiveFloat
    high_seconds: PositiveFloat


class Instructions(BaseModel):
    """Instructions of one inference on an emulated core: repeatable, and no time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: str
    count: PositiveInt


def summarized(
    what: str, obtained: Literal["runtime", "hardware"], where: str, seconds: Sequence[float], warm_up: int
) -> Latency:
    """The summary of single runs, of which the first `warm_up` are left out.

    Raises:
        InternalError: none are left.
    """
    kept = seconds[warm_up:]
    if not kept:
        raise InternalError(f"{what}: {len(seconds)} runs were timed, {warm_up} of them to warm up")
    low, median, high = (float(value) for value in np.percentile(kept, (10, 50, 90)))
    return Latency(
        what=what,
        obtained=obtained,
        where=where,
        warm_up=warm_up,
        runs=len(kept),
        median_seconds=median,
        low_seconds=low,
        high_seconds=high,
    )
