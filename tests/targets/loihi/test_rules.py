"""What does not fit a Loihi board is found before training where shapes show it, and before export where values do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from targets import fit
from targets.errors import DoesNotFitError
from targets.loihi.export import export
from targets.network import (
    INPUT,
    READOUT,
    Connection,
    Conv,
    Dense,
    Input,
    Network,
    Neuron,
    Population,
    Weight,
)
from targets.profile import load_profile
from tests.networks import branching, chain, feedback
from tests.targets.loihi.examples import fitting

BOARD = load_profile("loihi2_oheo_gulch")
LOIHI1 = load_profile("kapoho_bay")
NEURON = BOARD.neuron.neuron


def rules_broken(network: Network, profile: fit.Profile = BOARD) -> set[str]:
    return {finding.rule for finding in fit.findings(network, profile)}


def test_a_fitting_network_has_no_findings() -> None:
    network = fitting(chain(NEURON, 4), BOARD)
    assert rules_broken(network) == set()
    assert rules_broken(network.without_values()) == set()


def test_dense_layer_on_8192_inputs_is_refused_before_training() -> None:
    network = Network(
        Input((3, 32, 32)),
        (Population("wide", (8, 32, 32), NEURON), Population("readout", (10,), READOUT, fires=False)),
        (Connection(INPUT, "wide", Conv(padding=1), "stem"), Connection("wide", "readout", Dense(), "head")),
        (Weight("stem", (8, 3, 3, 3), 2), Weight("head", (10, 8192), 2)),
        timesteps=4,
    )
    found = [finding for finding in fit.findings(network, BOARD) if finding.rule == "fan-in"]
    assert [(f.layer, f.used, f.limit) for f in found] == [("readout", 8192, 4096)]
    assert "pool" in found[0].hint


def with_population(change: Callable[[Population], Population]) -> Network:
    network = fitting(chain(NEURON, 4), BOARD)
    return replace(network, populations=(change(network.populations[0]), *network.populations[1:]))


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("threshold", lambda p: replace(p, threshold=np.full(4, 2**17, np.int32))),
        ("thresholds of one population", lambda p: replace(p, threshold=np.array([1, 2, 2, 2], np.int32))),
        ("bias", lambda p: replace(p, bias=np.full(4, 4096, np.int32))),
        ("bias", lambda p: replace(p, bias=np.full(4, -5000, np.int32))),
        ("neuron arithmetic", lambda p: replace(p, neuron=Neuron(state_bits=24))),
    ],
)
def test_registers_bound_trained_values(rule: str, change: Callable[[Population], Population], tmp_path: Path) -> None:
    network = with_population(change)
    assert rules_broken(network) == {rule}
    with pytest.raises(DoesNotFitError, match="first"):
        export(network, BOARD, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_largest_values_of_the_registers_fit() -> None:
    edge = with_population(
        lambda p: replace(p, threshold=np.full(4, 2**17 - 1, np.int32), bias=np.full(4, 4095, np.int32))
    )
    assert rules_broken(edge) == set()


@pytest.mark.parametrize(
    ("bits", "multiplier", "fits"),
    [
        (8, 1, True),
        (8, 2, True),
        (8, 3, False),
        (4, 16, True),
        (4, 30, True),
        (4, 31, False),
        (5, 17, False),
        (2, 128, True),
        (2, 256, False),
    ],
)
def test_weight_times_multiplier_is_an_8_bit_mantissa_and_an_exponent(bits: int, multiplier: int, fits: bool) -> None:
    network = chain(NEURON, 2)
    wide = replace(
        network,
        connections=(
            network.connections[0],
            replace(network.connections[1], multiplier=multiplier),
            network.connections[2],
        ),
        weights=(network.weights[0], replace(network.weights[1], bits=bits), network.weights[2]),
    )
    assert ("effective weight" not in rules_broken(wide)) == fits


def test_readout_that_could_clip_is_refused() -> None:
    network = chain(NEURON, 8)
    assert "readout's largest potential" not in rules_broken(replace(network, timesteps=2))
    assert "readout's largest potential" in rules_broken(replace(network, timesteps=40))


def test_pixels_of_8_bits_overflow_the_bias_of_loihi_1_only() -> None:
    network = chain(NEURON, 4)
    assert "bias" in rules_broken(network, LOIHI1)
    assert "bias" not in rules_broken(network, BOARD)
    assert "bias" not in rules_broken(replace(network, input=replace(network.input, shift=5)), LOIHI1)


def test_feedback_is_refused() -> None:
    assert "feedback" in rules_broken(feedback(NEURON, 2))


def test_board_without_enough_cores_is_refused() -> None:
    tiny = BOARD.model_copy(update={"settings": BOARD.settings.model_copy(update={"neurons_per_core": 1})})
    assert "core" in rules_broken(branching(NEURON, 2), tiny)
