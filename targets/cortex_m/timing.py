"""Instructions of one inference on the emulated core. No latency: an emulator's time says nothing of the board's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from targets.cortex_m.measure import executed_instructions, link
from targets.latency import Instructions
from targets.network import Network
from targets.profile import Profile


def instructions(
    folder: Path, network: Network, profile: Profile, inputs: NDArray[np.uint8]
) -> tuple[Instructions, ...]:
    """Of the first input, as the linked firmware takes it."""
    count = executed_instructions(link(folder, profile), network, profile, inputs[0])
    return (Instructions(what="one inference, the first test sample, on the emulated core", count=count),)
