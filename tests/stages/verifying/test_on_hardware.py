"""verify with a board: what it measured counts, and a board that computes something else fails the whole verification."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from stages.verify import Verification, read_latencies, require_verified, write_latencies
from targets.errors import ParityError
from targets.hardware.ways import Command, MeasureTable
from targets.onnxruntime.runtimes import library_of, native_runtime
from tests.networks import NETWORKS, filled
from tests.stages.test_verify import PROFILE, verified

#: The bundle's own script, started by a program instead of ssh.
RUN = 'SPIKEPORT_LIBRARY="$0" sh "$1/run.sh"'


def on_board(folder: Path, script: str) -> Verification:
    command = ("sh", "-c", script, str(library_of(native_runtime())))
    table = MeasureTable(hardware=Command(command=command, samples=5, seconds=120))
    settings = PROFILE.settings.model_copy(
        update={"version": "0.0.0", "instruction_set": platform.machine(), "emulation": None}
    )
    profile = PROFILE.model_copy(update={"measure": table, "settings": settings})
    return verified(filled(NETWORKS["chain"]()), folder, profile=profile)


def test_what_the_board_measured_is_the_measurement(tmp_path: Path) -> None:
    verification = on_board(tmp_path, RUN)
    require_verified(verification)
    found = verification.hardware
    assert found is not None
    assert (found.samples, found.scores_differing, found.spikes_differing) == (5, 0, 0)
    assert found.spikes_compared * 7 == verification.parity.spikes_compared * 5
    assert found.transport.startswith("command sh -c")
    assert "fixed cost of the runtime" in verification.tools
    native = [latency for latency in verification.latencies if "natively" in latency.where]
    assert len(verification.latencies) == 4 and len(native) == 2
    assert "median_seconds" not in verification.model_dump_json()
    write_latencies(verification, tmp_path)
    assert read_latencies(tmp_path) == verification.latencies


def test_a_board_that_computes_something_else_fails_verification(tmp_path: Path) -> None:
    blind = 'tr "\\000-\\377" "\\000" <"$1/inputs.bin" >"$1/zeros" && mv "$1/zeros" "$1/inputs.bin" && ' + RUN
    verification = on_board(tmp_path, blind)
    assert verification.parity.holds and not verification.ok
    with pytest.raises(ParityError, match=r"differs from the trained network in \d+ scores, [\d,]+ of [\d,]+ spikes"):
        require_verified(verification)
