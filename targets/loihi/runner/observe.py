"""Runs an exported network on Lava's stock simulator and writes down what it did:  python observe.py run|sizes FOLDER DESK

FOLDER holds the artifact; its own loader is what runs. DESK holds inputs.npy and receives, for `run`, one file per neuron
group with a record of spikes, potential and current for each step, and, for `sizes`, sizes.json. The stock process models
compute; after each of their steps an observer copies what they hold, inside the same process, because reading it through
Lava's own variable ports sends every number as a message of its own. What a process model raises is written to
traceback.txt: Lava itself reports only that something went wrong.
"""

from __future__ import annotations

import functools
import json
import multiprocessing.shared_memory
import os
import shutil
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import numpy as np


def main(action: str, folder: Path, desk: Path) -> None:
    """Does one action; the exit status is 0 only if all of it happened."""
    sys.path.insert(0, str(folder))
    _die_with_the_parent(_name_shared_memory(), desk)
    from lava_network import LavaNetwork

    inputs = np.load(desk / "inputs.npy", allow_pickle=False)
    _report_exceptions(desk)
    if action == "sizes":
        network = LavaNetwork(folder, inputs)
        (desk / "sizes.json").write_text(json.dumps(_sizes(network)))
        return
    _observe_neurons(desk)
    network = LavaNetwork(folder, inputs)
    scores = network.scores()
    network.stop()
    np.save(desk / "scores.npy", scores)
    about = {
        "depth": {group["name"]: group["depth"] for group in network.about["neurons"]},
        "file": {name: f"{process.id}.bin" for name, process in network.neurons.items()},
    }
    (desk / "about.json").write_text(json.dumps(about))


def _name_shared_memory() -> str:
    """Lets the parent recognize this run's shared memory, so that a killed run leaves none behind."""
    prefix = os.environ["SPIKEPORT_SHARED_MEMORY"]
    module: Any = multiprocessing.shared_memory
    module._SHM_NAME_PREFIX = f"/{prefix}"
    module._SHM_SAFE_NAME_LENGTH = len(prefix) + 17
    return prefix


def _die_with_the_parent(prefix: str, desk: Path) -> None:
    """Standard input is a pipe that nobody writes to: its end means that the parent is gone."""

    def wait() -> None:
        while os.read(0, 1):
            pass
        for segment in Path("/dev/shm").glob(f"{prefix}*"):  # noqa: S108 - POSIX shared memory lives there
            segment.unlink(missing_ok=True)
        shutil.rmtree(desk, ignore_errors=True)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def _report_exceptions(desk: Path) -> None:
    """Writes the traceback of any process model that fails, then lets Lava go on failing."""
    from lava.magma.core.model.py.model import AbstractPyProcessModel

    original = AbstractPyProcessModel.start

    @functools.wraps(original)
    def start(self: Any) -> None:
        try:
            original(self)
        except BaseException:
            with (desk / "traceback.txt").open("a") as file:
                file.write(f"{type(self).__name__}\n{traceback.format_exc()}")
            raise

    AbstractPyProcessModel.start = start


def _observe_neurons(desk: Path) -> None:
    """After each step's reset of the membrane, which is the last thing a LIF model computes, copies spikes, v and u."""
    from lava.proc.lif.models import AbstractPyLifModelFixed

    original = AbstractPyLifModelFixed.reset_voltage
    files: dict[int, Any] = {}

    @functools.wraps(original)
    def reset_voltage(self: Any, spike_vector: np.ndarray) -> None:
        original(self, spike_vector)
        if self.model_id not in files:
            files[self.model_id] = (desk / f"{self.model_id}.bin").open("wb", buffering=0)
        parts = (spike_vector.astype(np.uint8), self.v.astype("<i4"), self.u.astype("<i4"))
        files[self.model_id].write(b"".join(part.tobytes() for part in parts))

    AbstractPyLifModelFixed.reset_voltage = reset_voltage


def _sizes(network: Any) -> list[dict[str, Any]]:
    """Every variable of the compiled executable: process type, variable, elements and the bits that Lava declares for one."""
    rows = []
    for process, builder in network.compiled().proc_builders.items():
        for name, variable in builder.vars.items():
            bits = builder._get_lava_type(name).precision or 0
            kind, elements = type(process).__name__, int(np.prod(variable.shape))
            rows.append({"process": kind, "id": process.id, "variable": name, "elements": elements, "bits": bits})
    return rows


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
