"""The board's own runtime, emulated: parity, measurement and estimate there, and what is said where it cannot be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.onnxruntime_networks import chain
from targets.errors import ConfigurationError, ToolMissingError
from targets.footprint import compare
from targets.onnxruntime import emulator, machine, runtimes
from targets.onnxruntime.estimate import estimate
from targets.onnxruntime.export import export
from targets.onnxruntime.machine import tools, venue
from targets.onnxruntime.measure import execute, measure
from targets.onnxruntime.runtimes import Runtime, library_of
from targets.profile import Profile, load_profile
from targets.reference import run
from tests.networks import filled, inputs_for


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Profile:
    monkeypatch.delenv(emulator.VARIABLE)
    profile = load_profile("jetson_nano")
    found = venue(profile)
    if found.shortfall:
        pytest.skip(f"{found.shortfall}: {found.command}")
    if not runtimes.is_here(profile.settings.runtime):
        pytest.skip(f"not fetched: {runtimes.fetch_command(profile.settings.runtime)}")
    return found.profile


def test_the_board_computes_and_needs_what_was_promised(board: Profile, tmp_path: Path) -> None:
    network = filled(chain((1, 8, 8), [(14, 3, 1), (28, 3, 1)], 10, 2, pool=2))
    inputs = inputs_for(network, 2)
    export(network, board, tmp_path)
    expected, found = run(network, inputs), execute(tmp_path, network, board, inputs)
    for name, spikes in expected.spikes.items():
        assert np.array_equal(found.spikes[name], spikes)
    for name, potentials in expected.membranes.items():
        assert np.array_equal(found.membranes[name], potentials)
    measured = measure(tmp_path, network, board)
    assert measured.obtained == "emulated"
    assert measured.tools["onnxruntime"] == "1.10.0 aarch64"
    assert [row for row in compare(estimate(network, board), measured, board.tolerance) if not row.ok] == []


def test_a_library_of_another_version_is_refused_by_name(
    nano: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = filled(chain((1, 4, 4), [(2, 3, 1)], 2, 1))
    export(network, nano, tmp_path)
    here = library_of(nano.settings.runtime)
    monkeypatch.setattr(machine, "library_of", lambda _: here)
    other = nano.model_copy(update={"settings": nano.settings.model_copy(update={"version": "1.10.99"})})
    with pytest.raises(ConfigurationError, match=rf"is ONNX Runtime {nano.settings.version}, expected 1\.10\.99"):
        execute(tmp_path, network, other, inputs_for(network))


def test_without_an_emulator_it_runs_natively_and_says_so() -> None:
    profile = load_profile("jetson_nano")
    found = venue(profile)
    if profile.settings.instruction_set == runtimes.native_runtime().instruction_set:
        pytest.skip("this machine has the board's instruction set")
    assert found.obtained == "runtime"
    assert "1.10.0 aarch64" in found.shortfall
    assert found.command.startswith("sudo apt-get install")
    assert found.profile.settings.runtime == runtimes.native_runtime()
    assert found.profile.settings.opset == profile.settings.opset
    lacking = {tool.name: tool for tool in tools(profile)}["emulator"]
    assert lacking.remedy == emulator.INSTALL
    assert not lacking.needed


def test_what_is_not_pinned_is_not_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ToolMissingError, match=r"0\.0\.1 abacus") as refused:
        library_of(Runtime("0.0.1", "abacus"))
    assert "1.10.0 aarch64" in refused.value.hint


def test_without_a_network_it_says_which_command_fetches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(runtimes.shutil, "which", lambda _: "false")
    with pytest.raises(ToolMissingError, match="cannot be fetched") as refused:
        library_of(Runtime("1.10.0", "aarch64"))
    assert "python" in refused.value.hint and "1.10.0 aarch64" in refused.value.hint
    assert not list(tmp_path.rglob("*.so*")), "nothing half-fetched stays"


def test_an_archive_that_was_replaced_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def other(source: runtimes.Source, runtime: Runtime, folder: Path) -> Path:
        (folder / "package.tgz").write_bytes(b"something else")
        return folder / "package.tgz"

    monkeypatch.setattr(runtimes, "_from_npm", other)
    with pytest.raises(ConfigurationError, match=r"package\.tgz: SHA-256"):
        library_of(Runtime("1.10.0", "aarch64"))


def test_the_guest_sees_the_boards_cores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    root = emulator.guest_root("aarch64", load_profile("jetson_nano").settings.emulation)
    assert (root / "proc/cpuinfo").read_text().count("CPU part\t: 0xd07") == 4
    assert (root / "sys/devices/system/cpu/present").read_text() == "0-3\n"
    assert emulator.guest_root("aarch64", load_profile("raspberry_pi_4").settings.emulation) != root
