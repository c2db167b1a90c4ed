"""What every family's bundle holds: the inputs, and `bundle.json`, which says what is asked.

Goes in: the network, the inputs, the terms that are wanted. Comes out: two files beside those of the family. A script that runs
a bundle on a board reads `bundle.json` and nothing else to know how much there is to do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from targets.network import Network
from targets.network_file import digest
from targets.profile import Profile

DESCRIPTION = "bundle.json"


def describe(
    into: Path,
    network: Network,
    profile: Profile,
    inputs: NDArray[np.uint8],
    terms: Sequence[str],
    more: Mapping[str, Any],
) -> None:
    """Writes inputs.npy ([N, *shape] of uint8) and bundle.json."""
    np.save(into / "inputs.npy", np.ascontiguousarray(inputs), allow_pickle=False)
    content = {
        "format": 1,
        "target": profile.name,
        "family": profile.family,
        "network": digest(network),
        "samples": len(inputs),
        "timesteps": network.timesteps,
        "classes": network.readout.size,
        "input_shape": list(inputs.shape[1:]),
        "terms_wanted": list(terms),
        **more,
    }
    (into / DESCRIPTION).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
