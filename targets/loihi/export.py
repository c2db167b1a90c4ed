"""Writes the artifact: the network, the loader and the script that run it in Lava, and how it packs into cores.

Comes in: a network with values that fits. Goes out, in one folder: `network.net` for a chain (NetX's format) or `network.h5`
for a branching network, `run_lava.py` with its two modules and `requirements.txt`, and `cores.json`. The scripts are those that
`targets.loihi.measure` starts, so what a user runs is what was verified. `classes.json` names the columns of the scores.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from targets.errors import ConfigurationError
from targets.fit import require_fit
from targets.loihi import container, cores, graph
from targets.loihi.settings import Settings
from targets.network import Network
from targets.network_file import write_atomically
from targets.profile import Profile

HERE = Path(__file__).parent
SCRIPTS = ("run_lava.py", "lava_network.py", "lava_compat.py")


def export(network: Network, profile: Profile, folder: Path, class_names: Sequence[str] = ()) -> Mapping[str, Path]:
    """Writes everything; returns the files by a name for people.

    Raises:
        ConfigurationError: the network has no values.
        DoesNotFitError: trained thresholds, biases or weights exceed the chip's registers.
    """
    if not network.has_values:
        raise ConfigurationError("this integer network has shapes only and cannot be exported", "train it first")
    require_fit(network, profile)
    settings: Settings = profile.settings
    processes = graph.graph_for(network, profile)
    netx = container.is_netx(network, processes)
    files = {"network": folder / ("network.net" if netx else "network.h5")}
    write_atomically(files["network"], container.to_bytes(network, processes, netx))
    for name in SCRIPTS:
        files[name.removesuffix(".py")] = folder / name
        write_atomically(folder / name, (HERE / "runner" / name).read_bytes())
    files["cores"] = folder / "cores.json"
    write_atomically(files["cores"], cores.report(network, processes, settings))
    files["requirements"] = folder / "requirements.txt"
    write_atomically(files["requirements"], (HERE / "requirements.txt").read_bytes())
    files["classes"] = folder / "classes.json"
    names = list(class_names) or [str(index) for index in range(network.readout.size)]
    write_atomically(files["classes"], (json.dumps(names) + "\n").encode())
    return files
