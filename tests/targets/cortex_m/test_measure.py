"""The exported firmware computes what the reference computes, and is as large as the estimate says: no difference anywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from targets.cortex_m import measure as measuring
from targets.cortex_m.estimate import estimate
from targets.cortex_m.export import export
from targets.cortex_m.measure import counted_run, deepest_stack, execute, executed_instructions, link, measure
from targets.cortex_m.timing import instructions
from targets.footprint import compare
from targets.network import Network, Neuron
from targets.profile import Profile
from targets.reference import run
from tests.networks import NETWORKS, filled, inputs_for, random_network
from tests.targets.cortex_m.boards import board

unicorn = pytest.importorskip("unicorn")
pytest.importorskip("ziglang")

CASES = [(name, schedule) for name in NETWORKS for schedule in ("streaming", "batched") if name != "feedback"]


def agrees(network: Network, profile: Profile, folder: Path, samples: int = 3) -> None:
    """Spikes, membrane potentials and scores are those of the reference."""
    export(network, profile, folder)
    inputs = inputs_for(network, samples)
    expected, got = run(network, inputs), execute(folder, network, profile, inputs)
    assert got.spikes.keys() == expected.spikes.keys()
    for name, spikes in expected.spikes.items():
        np.testing.assert_array_equal(got.spikes[name], spikes, err_msg=name)
    for name, membranes in expected.membranes.items():
        np.testing.assert_array_equal(got.membranes[name], membranes, err_msg=name)
    np.testing.assert_array_equal(got.scores, expected.scores)


def as_large_as_estimated(network: Network, profile: Profile, folder: Path) -> None:
    """Every term is equal to the byte."""
    estimated, measured = estimate(network.without_values(), profile), measure(folder, network, profile)
    assert {t.name for t in estimated.terms} == {t.name for t in measured.terms}
    for row in compare(estimate(network, profile), measured, profile.tolerance):
        assert row.estimated_bytes == row.measured_bytes, row
    assert measured.obtained == "emulated"


@pytest.mark.parametrize(("name", "schedule"), [*CASES, ("feedback", "streaming")])
def test_named_networks(name: str, schedule: str, tmp_path: Path) -> None:
    profile = board(schedule=schedule)
    network = filled(NETWORKS[name]())
    agrees(network, profile, tmp_path)
    as_large_as_estimated(network, profile, tmp_path)


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize(
    "neuron", [Neuron(), Neuron(keep=100, state_bits=16), Neuron(keep=64, fraction_bits=3)], ids=str
)
def test_widths_and_leaks(bits: int, neuron: Neuron, tmp_path: Path) -> None:
    agrees(filled(NETWORKS["branching"](neuron, bits)), board(), tmp_path)


CORES = ["cortex_m0", "cortex_m0plus", "cortex_m3", "cortex_m4", "cortex_m7", "cortex_m33", "cortex_m55"]


@pytest.mark.parametrize("core", CORES)
def test_cores(core: str, tmp_path: Path) -> None:
    network, profile = filled(NETWORKS["chain"](bits=4)), board(core=core)
    agrees(network, profile, tmp_path)
    as_large_as_estimated(network, profile, tmp_path)


@pytest.mark.parametrize("seed", range(8))
def test_random_networks(seed: int, tmp_path: Path) -> None:
    core = CORES[seed % len(CORES)]
    network = random_network(seed, feedback_edges=seed % 4 == 3)
    profile = board(core=core, schedule="streaming" if seed % 4 == 3 else ("streaming", "batched")[seed % 2])
    agrees(network, profile, tmp_path)


@pytest.mark.parametrize("schedule", ["streaming", "batched"])
def test_stack_is_the_lowest_pointer_and_what_was_painted_over(schedule: str, tmp_path: Path) -> None:
    network, profile = filled(NETWORKS["chain"]()), board(schedule=schedule)
    export(network, profile, tmp_path)
    firmware = link(tmp_path, profile)
    counted = counted_run(firmware, network, profile, inputs_for(network, 1)[0])
    assert deepest_stack(firmware, network, profile) == counted.stack_bytes
    assert 0.8 * counted.stack_bytes <= counted.painted_bytes <= counted.stack_bytes


def test_instructions_are_those_that_a_hook_in_python_sees(tmp_path: Path) -> None:
    network, profile = filled(NETWORKS["feedback"]()), board(schedule="streaming")
    export(network, profile, tmp_path)
    firmware, sample = link(tmp_path, profile), inputs_for(network, 1)[0]
    executed = executed_instructions(firmware, network, profile, sample)
    assert instructions(tmp_path, network, profile, sample[None])[0].count == executed
    seen = [0]

    def see(*_: object) -> None:
        seen[0] += 1

    emulator = measuring.Emulator(firmware, profile.settings.core, measuring._memories(profile))
    emulator._engine.hook_add(unicorn.UC_HOOK_CODE, see)
    plan = measuring._plan(network, profile)
    emulator.infer(measuring.frames_of(plan, sample), measuring.is_streamed(plan))
    assert executed == seen[0]
    with_skipped_ones = counted_run(firmware, network, profile, sample).instructions
    assert 0.9 * with_skipped_ones < executed <= with_skipped_ones


def test_a_kernel_whose_source_is_silent_counts_for_the_stack(tmp_path: Path) -> None:
    """In this network the source of the deepest kernel does not spike for the input that is measured with."""
    network, profile = random_network(1006), board(schedule="batched")
    export(network, profile, tmp_path)
    as_large_as_estimated(network, profile, tmp_path)
