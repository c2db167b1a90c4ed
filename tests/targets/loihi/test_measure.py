"""Lava runs what was exported: equal spikes, potentials and currents, and sizes equal to the estimate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from targets import reference
from targets.loihi import measure
from targets.loihi.estimate import estimate
from targets.loihi.export import export
from targets.network import Network
from targets.profile import load_profile
from tests.networks import branching, chain, depthwise, inputs_for
from tests.targets.loihi.examples import currents, differences, fitting, random_fitting, require_lava

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
    assert not (tmp_path / "__pycache__").exists()


@pytest.mark.parametrize(
    ("board", "seed"), [(BOARDS[0], 1), (BOARDS[0], 36), (BOARDS[0], 57), (BOARDS[1], 3), (BOARDS[1], 8)]
)
def test_lava_computes_random_networks(board: str, seed: int, tmp_path: Path) -> None:
    profile = load_profile(board)
    network = random_fitting(seed, profile)
    export(network, profile, tmp_path)
    assert differences(tmp_path, network, profile, inputs_for(network, 3, seed)) == NOTHING
    assert measure.measure(tmp_path, network, profile).terms == estimate(network.without_values(), profile).terms


def test_currents_that_wrap_and_potentials_that_clip_are_lavas(tmp_path: Path) -> None:
    profile = load_profile(BOARDS[0])
    network = fitting(chain(profile.neuron.neuron, 8), profile, pixel_shift=0)
    # channels of one sign each: their sums reach far beyond 24 bits, once shifted
    signs = np.array([1, -1, 1, -1], np.int8).reshape(4, 1, 1, 1)
    stem = (np.abs(network.weight_of["stem"].values.astype(np.int32)).clip(max=127) * signs).astype(np.int8)
    network = replace(network, weights=(replace(network.weights[0], values=stem), *network.weights[1:]))
    inputs = np.full((2, 2, 6, 6), 255, np.uint8)
    inputs[1, :, ::2] = 0
    trace = reference.run(network, inputs)
    sums = currents(network, trace, inputs, "first", graded=True)
    assert (np.abs(sums) > 2**23).mean() > 0.3
    assert (np.abs(trace.membranes["first"]) == 2**23 - 1).mean() > 0.03
    export(network, profile, tmp_path)
    assert differences(tmp_path, network, profile, inputs) == NOTHING
