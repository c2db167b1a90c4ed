"""A run of Lava that fails, hangs or loses its parent is reported, and leaves neither processes nor shared memory behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from targets.loihi.export import export
from targets.loihi.lava_process import LavaRunError, observed
from targets.network import Network
from targets.profile import load_profile
from tests.networks import chain, inputs_for
from tests.targets.loihi.examples import fitting, require_lava

FAIL = 'raise ValueError("the third step went wrong")'
HANG = "import time; time.sleep(600)"
#: Appended to the artifact's loader: the LIF model does this in its third step, in a process of its own.
BREAKAGE = """
from lava.proc.lif.models import PyLifResetModelBitAcc as _Model
_step = _Model.run_spk
def _broken(self):
    if self.time_step == 3:
        {action}
    _step(self)
_Model.run_spk = _broken
"""


@pytest.fixture(scope="module", autouse=True)
def lava() -> None:
    require_lava()


def broken(folder: Path, action: str) -> Network:
    """An artifact whose neurons do something bad."""
    profile = load_profile("loihi2_oheo_gulch")
    network = fitting(chain(profile.neuron.neuron, 4), profile)
    loader = export(network, profile, folder)["lava_network"]
    loader.write_text(loader.read_text() + BREAKAGE.format(action=action))
    return network


def leftovers(folder: Path) -> list[str]:
    """Processes that were started on the folder, and shared memory that a run of ours named."""
    found = [str(path) for path in Path("/dev/shm").glob("spikeport*")]  # noqa: S108
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if str(folder).encode() in command:
            found.append(process.name)
    return found


def wait_until_gone(folder: Path) -> list[str]:
    for _ in range(50):
        if not leftovers(folder):
            break
        time.sleep(0.1)
    return leftovers(folder)


def test_a_process_models_traceback_reaches_the_user(tmp_path: Path) -> None:
    network = broken(tmp_path, FAIL)
    with pytest.raises(LavaRunError) as caught, observed("run", tmp_path, inputs_for(network), 60):
        pass
    assert "ValueError: the third step went wrong" in caught.value.message
    assert wait_until_gone(tmp_path) == []


def test_a_hanging_run_is_ended(tmp_path: Path) -> None:
    network = broken(tmp_path, HANG)
    with (
        pytest.raises(LavaRunError, match="did not finish within 4 s"),
        observed("run", tmp_path, inputs_for(network), 4),
    ):
        pass
    assert wait_until_gone(tmp_path) == []


def test_a_run_ends_with_the_program_that_started_it(tmp_path: Path) -> None:
    network = broken(tmp_path, HANG)
    np.save(tmp_path / "in.npy", inputs_for(network))
    program = (
        "import sys, numpy; from pathlib import Path; from targets.loihi.lava_process import observed\n"
        "with observed('run', Path(sys.argv[1]), numpy.load(sys.argv[1] + '/in.npy'), 600): pass"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)])
    while len(leftovers(tmp_path)) < 8:  # the program, Lava's main process, its processes and shared memory
        assert parent.poll() is None
        time.sleep(0.1)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert wait_until_gone(tmp_path) == []
