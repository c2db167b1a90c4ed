"""How the memory must be measured is checked before anything is trained, and the error says what is missing."""

from __future__ import annotations

import pytest

from stages.verifying.venue import require, venue_of
from targets.errors import ToolMissingError
from targets.footprint import Venue
from targets.profile import load_profile


def test_each_family_says_how_it_is_measured_here() -> None:
    assert venue_of(load_profile("microbit_v1"), None).obtained == "emulated"
    assert venue_of(load_profile("loihi2_oheo_gulch"), "simulated").obtained == "simulated"
    found = venue_of(load_profile("jetson_nano"), None)
    assert found.obtained == "runtime", "the tests turn QEMU off"
    assert "not by the board's 1.10.0 aarch64" in found.shortfall or not found.shortfall


def test_what_is_required_and_not_offered_names_the_command() -> None:
    with pytest.raises(ToolMissingError, match="--require simulated: microbit_v1 is measured by 'emulated'") as refused:
        venue_of(load_profile("microbit_v1"), "simulated")
    assert refused.value.exit_code == 5
    with pytest.raises(ToolMissingError) as refused:
        venue_of(load_profile("microbit_v1"), "hardware")
    assert "--hardware ssh://" in refused.value.hint
    board = load_profile("jetson_nano")
    short = Venue("runtime", board, "run by another release: no emulator", "sudo apt-get install emulator")
    with pytest.raises(ToolMissingError, match="no emulator") as refused:
        require("runtime", "emulated", short)
    assert refused.value.hint == "sudo apt-get install emulator"
