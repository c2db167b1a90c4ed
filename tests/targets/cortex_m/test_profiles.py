"""Every shipped board of the family: real regions, a network that fits, and a linker that agrees about where it lies."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from targets.cortex_m.export import export
from targets.cortex_m.measure import link
from targets.cortex_m.memory_map import origin
from targets.fit import findings
from targets.profile import load_profile, profile_names
from tests.networks import NETWORKS, filled

BOARDS = [name for name in profile_names() if load_profile(name).family == "cortex_m"]


def test_there_are_fifteen() -> None:
    assert len(BOARDS) >= 15


@pytest.mark.parametrize("name", BOARDS)
def test_regions_exist_and_do_not_overlap(name: str) -> None:
    profile = load_profile(name)
    used = (profile.settings.flash, *profile.settings.ram)
    kinds = [profile.memory[region].kind for region in used]
    assert kinds == ["flash"] + ["ram"] * len(profile.settings.ram)
    spans = sorted((origin(profile, r), origin(profile, r) + profile.memory[r].available_bytes) for r in used)
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    assert findings(NETWORKS["chain"](neuron=profile.neuron.neuron), profile) == []


@pytest.mark.parametrize("name", ["microbit_v1", "nucleo_h743zi", "arduino_nano_33_ble", "rp2350"])
def test_firmware_links_into_the_regions(name: str, tmp_path: Path) -> None:
    pytest.importorskip("ziglang")
    profile = load_profile(name)
    export(filled(NETWORKS["chain"](neuron=profile.neuron.neuron)), profile, tmp_path)
    firmware = link(tmp_path, profile)
    flash, ram = profile.settings.flash, profile.settings.ram[0]
    assert firmware.address("firmware_vectors") == origin(profile, flash)
    assert firmware.address("firmware_stack_top") == origin(profile, ram) + profile.memory[ram].available_bytes
