"""A bundle for whoever has access to a Loihi system: the artifact with its loader, inputs, and the terms that are wanted.

Only a program of the user's own can run it (`--hardware command:PROGRAM`): the systems are reached through Intel's cloud. It
replaces the simulator's run configuration by that of the hardware and returns scores, and bytes by term, as a record.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from targets.hardware.bundle import describe
from targets.hardware.observe import Observation, footprint_of, latencies_of, scores_of
from targets.hardware.record import Returned
from targets.loihi.estimate import estimate
from targets.network import Network
from targets.profile import Profile


def bundle(folder: Path, network: Network, profile: Profile, inputs: NDArray[np.uint8], into: Path) -> None:
    """The artifact in `artifact/`, the inputs, and what to measure."""
    shutil.copytree(folder, into / "artifact")
    terms = [term.name for term in estimate(network, profile).terms]
    describe(into, network, profile, inputs, terms, {"run": "artifact/run_lava.py inputs.npy scores.npy"})


def read_back(
    returned: Returned, folder: Path, network: Network, profile: Profile, inputs: NDArray[np.uint8]
) -> Observation:
    """What the program said: every term, and all scores."""
    record = returned.record
    footprint = footprint_of(record, estimate(network, profile))
    return Observation(footprint, scores_of(record), None, profile, record.board, latencies_of(record))
