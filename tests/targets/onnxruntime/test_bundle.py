"""The bundle on a machine that plays the board, over a real ssh connection, and by itself as a tarball."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest

from targets.errors import HardwareError
from targets.footprint import compare
from targets.hardware.observe import Observation, observe
from targets.hardware.record import Record, Returned
from targets.hardware.ways import MeasureTable
from targets.onnxruntime.bundle import read_back
from targets.onnxruntime.estimate import estimate
from targets.onnxruntime.export import export
from targets.onnxruntime.runtimes import library_of, native_runtime
from targets.profile import Profile, load_profile
from targets.reference import run
from tests.networks import NETWORKS, filled, inputs_for
from tests.targets.hardware.sshd import serving

NANO = load_profile("jetson_nano")
NETWORK = filled(NETWORKS["feedback"](NANO.neuron.neuron))
INPUTS = inputs_for(NETWORK, 6)


def without_emulation() -> Profile:
    """No program and library for the board's own processor go along: they are another test's."""
    changes = {"version": "0.0.0", "instruction_set": platform.machine(), "emulation": None}
    return NANO.model_copy(update={"settings": NANO.settings.model_copy(update=changes)})


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifact")
    export(NETWORK, NANO, folder)
    return folder


@pytest.fixture(scope="module")
def observed(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Observation:
    folder = tmp_path_factory.mktemp("board")
    (folder / "disk").mkdir()
    with serving(folder, folder / "disk") as server:
        way = server.way(library=str(library_of(native_runtime())), seconds=120)
        profile = without_emulation().model_copy(update={"measure": MeasureTable(hardware=way)})
        found = observe(artifact, NETWORK, profile, INPUTS)
        assert server.left_behind("spikeport_runner") == []
    return found


def test_every_value_comes_back_equal_to_the_reference(observed: Observation) -> None:
    golden = run(NETWORK, INPUTS)
    assert observed.trace is not None
    np.testing.assert_array_equal(observed.scores, golden.scores)
    for name, spikes in golden.spikes.items():
        np.testing.assert_array_equal(observed.trace.spikes[name], spikes)
    for name, membranes in golden.membranes.items():
        np.testing.assert_array_equal(observed.trace.membranes[name], membranes)


def test_a_machine_that_is_no_board_is_not_called_one(observed: Observation) -> None:
    if Path("/proc/device-tree/model").exists():
        pytest.skip("this machine names itself as a board")
    assert observed.footprint.obtained == "runtime"
    assert "does not say what it is" in observed.board
    assert {latency.obtained for latency in observed.latencies} == {"runtime"}


def test_memory_is_that_of_the_estimate_for_the_runtime_found(observed: Observation) -> None:
    assert observed.profile.settings.runtime == native_runtime()
    rows = compare(estimate(NETWORK, observed.profile), observed.footprint, NANO.tolerance)
    assert [row.term for row in rows if not row.ok] == []


def test_latencies_are_of_both_files(observed: Observation) -> None:
    step, whole = observed.latencies
    assert (whole.runs, whole.warm_up) == (5, 1)
    assert step.runs + step.warm_up == len(INPUTS) * NETWORK.timesteps
    assert 0 < whole.low_seconds <= whole.median_seconds <= whole.high_seconds


def test_a_board_with_another_runtime_than_its_profile_says_is_refused(observed: Observation, tmp_path: Path) -> None:
    told = '{"runtime": "1.11.0", "library_heap_bytes": 1, "library_mapped_bytes": 1, "files": [%s]}'
    heap = '{"heap": {"load_peak_bytes": 2, "ready_bytes": 1, "run_peak_bytes": 2}}'
    for number in (1, 2, 3):
        (tmp_path / f"heap{number}.json").write_text(told % ", ".join([heap] * 4))
    record = Record(format=1, obtained="hardware", board="Nano", tools={"instruction set": "aarch64"})
    with pytest.raises(HardwareError, match=r"has ONNX Runtime 1\.11\.0, the profile jetson_nano says 1\.10\.0"):
        read_back(Returned(record, tmp_path), tmp_path, NETWORK, NANO, INPUTS)


def test_the_tarball_builds_and_checks_itself_without_python(artifact: Path, tmp_path: Path) -> None:
    if not shutil.which("make") or not shutil.which("cc"):
        pytest.skip("no make or no C compiler on this machine")
    with tarfile.open(artifact / "board.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    environment = {**os.environ, "SPIKEPORT_LIBRARY": str(library_of(native_runtime()))}
    command = ["make", "-C", str(tmp_path / "board"), "check"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "all scores are as expected" in done.stdout
    wrong = tmp_path / "board/expected.bin"
    wrong.write_bytes(bytes([wrong.read_bytes()[0] ^ 1]) + wrong.read_bytes()[1:])
    assert subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False).returncode != 0
