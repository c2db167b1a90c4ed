"""Lava runs what was exported: equal spikes, potentials and currents, and sizes equal to the estimate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from targets.loihi import measure
from targets.loihi.estimate import estimate
from targets.loihi.export import export
from targets.network import Network
from targets.profile import load_profile
from tests.networks import branching, chain, depthwise, inputs_for
from tests.targets.loihi.examples import differences, fitting, random_fitting, require_lava

BOARDS = ("loihi2_oheo_gulch", "kapoho_bay")
NOTHING = {"spikes": 0, "membranes": 0, "currents": 0}


@pytest.fixture(scope="module", autouse=True)
def lava() -> None:
    require_lava()


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize(("build", "bits"), [(chain, 4), (branching, 2), (depthwise, 3)])
def test_lava_computes_the_reference_and_holds_what_was_estimated(
    board: str, build: Callable[..., Network], bits: int, tmp_path: Path
) -> None:
    profile = load_profile(board)
    network = fitting(build(profile.neuron.neuron, bits), profile)
    export(network, profile, tmp_path)
    inputs = inputs_for(network, 4)
    assert differences(tmp_path, network, profile, inputs) == NOTHING
    assert measure.measure(tmp_path, network, profile).terms == estimate(network.without_values(), profile).terms


@pytest.mark.parametrize(("board", "seed"), [*((BOARDS[0], seed) for seed in range(4)), (BOARDS[1], 3), (BOARDS[1], 8)])
def test_lava_computes_random_networks(board: str, seed: int, tmp_path: Path) -> None:
    profile = load_profile(board)
    network = random_fitting(seed, profile)
    export(network, profile, tmp_path)
    assert differences(tmp_path, network, profile, inputs_for(network, 3, seed)) == NOTHING
    assert measure.measure(tmp_path, network, profile).terms == estimate(network.without_values(), profile).terms
