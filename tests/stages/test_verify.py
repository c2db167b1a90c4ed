"""The verify stage on the real runtime: equal networks pass, every kind of tampering is noticed and named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import stages.verify
from stages.data.dataset import Dataset, Split
from stages.export import export
from stages.progress import silent
from stages.verify import Verification, VerifyConfig, require_verified, verify
from stages.verifying.activity import most_operations
from targets.errors import FootprintError, ParityError
from targets.footprint import Tolerance, Venue
from targets.network import Network
from targets.onnxruntime.execute import execute
from targets.onnxruntime.machine import natively
from targets.profile import MemoryRegion, Profile, load_profile
from targets.reference import Trace, run
from tests.networks import NETWORKS, filled, inputs_for

#: How well memory is estimated is the family's test.
WIDE = {"default": Tolerance(relative_high=9, relative_low=9)}
PROFILE = load_profile("jetson_nano").model_copy(update={"tolerance": WIDE})


def dataset_for(network: Network, samples: int = 7) -> Dataset:
    """Random images whose labels are what the network says of them, but for the last."""
    images = inputs_for(network, samples)
    labels = run(network, images).predictions.copy()
    labels[-1] = (labels[-1] + 1) % network.readout.size
    split = Split(images, labels)
    return Dataset("random", split, split, split, tuple(str(index) for index in range(network.readout.size)))


def verified(
    network: Network, folder: Path, *, exported: Network | None = None, profile: Profile = PROFILE, batch: int = 3
) -> Verification:
    """Exports one network and verifies it as if it were the other, in batches of a few samples."""
    export(exported or network, PROFILE, folder)
    values = network.timesteps * sum(population.size for population in network.populations)
    config = VerifyConfig(trace_memory=values * 32 * batch, examples=3)
    return verify(network, profile, folder, dataset_for(network), config, silent)


def tampered(network: Network, weight: str) -> Network:
    """The network with every weight into one neuron or channel changed by one (a single one may have a silent source)."""
    values = {w.name: np.array(w.values) for w in network.weights}
    first = values[weight][0]
    values[weight][0] = np.where(first < 0, first + 1, first - 1)
    return network.with_values(
        values,
        {p.name: p.threshold for p in network.populations if p.threshold is not None},
        {p.name: p.bias for p in network.populations if p.bias is not None},
    )


def test_a_slow_emulator_replays_the_first_samples_and_this_machine_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runtimes stand for both: the venue's own and, where the profile is natively this machine's, the faster one."""
    network = filled(NETWORKS["chain"]())
    export(network, PROFILE, tmp_path)
    native = natively(PROFILE)
    slow = Venue("emulated", native.model_copy(update={"name": "slow"}), native=native)
    monkeypatch.setattr(stages.verify, "venue_of", lambda profile, required: slow)
    ran: list[tuple[str, int]] = []

    def noting(folder: Path, network: Network, profile: Profile, inputs: NDArray[np.uint8]) -> Trace:
        ran.append((profile.name, len(inputs)))
        return execute(folder, network, profile, inputs)

    monkeypatch.setattr("targets.onnxruntime.measure.execute", noting)
    config = VerifyConfig(emulated_operations=2 * most_operations(network) + 1, examples=1)
    found = verify(network, PROFILE, tmp_path, dataset_for(network), config, silent)
    assert [(part.obtained, part.samples) for part in found.replayed] == [("emulated", 2), ("runtime", 5)]
    assert ran == [("slow", 2), (PROFILE.name, 5)]
    assert found.parity.samples == 7
    assert sum(part.spikes_compared for part in found.replayed) == found.parity.spikes_compared > 0
    assert found.replayed[0].spikes_compared * 5 == found.replayed[1].spikes_compared * 2
    assert found.parity.holds


def test_whole_samples_are_emulated_and_at_least_one() -> None:
    network = NETWORKS["chain"]()
    each = most_operations(network)
    emulated = [VerifyConfig(emulated_operations=n).emulated_samples(network, 7) for n in (1, 3 * each, 99 * each)]
    assert emulated == [1, 3, 7]


@pytest.mark.parametrize("name", ["chain", "branching", "depthwise"])
def test_what_was_exported_is_verified(name: str, tmp_path: Path) -> None:
    network = filled(NETWORKS[name]())
    verification = verified(network, tmp_path)
    assert verification.ok
    require_verified(verification)
    assert verification.accuracy == 6 / 7
    assert (verification.parity.samples, verification.parity.steps) == (7, network.timesteps)
    assert verification.parity.spikes_compared == 7 * network.timesteps * sum(
        p.size for p in network.populations if p.fires
    )
    trace = run(network, dataset_for(network).test.images)
    assert verification.activity.spike_rate == pytest.approx(trace.spike_rate)
    for population, rates in verification.activity.rates.items():
        spikes = trace.spikes[population]
        assert rates == pytest.approx([float(step.mean()) for step in spikes])
    assert {row.region for row in verification.footprint} == {"ram"}
    assert all(row.estimated_bytes > 0 and row.measured_bytes > 0 for row in verification.footprint)


def test_the_batch_size_changes_nothing(tmp_path: Path) -> None:
    network = filled(NETWORKS["chain"]())
    results = []
    for batch in (1, 7):
        (tmp_path / str(batch)).mkdir()
        results.append(verified(network, tmp_path / str(batch), batch=batch))
    one, other = results
    # Measured bytes are another run of another process and may jitter by a heap block; what was compared may not.
    assert (one.parity, one.accuracy, one.activity) == (other.parity, other.accuracy, other.activity)


@pytest.mark.parametrize("weight", ["stem", "down", "head"])
def test_changed_weights_are_noticed_and_their_population_named(weight: str, tmp_path: Path) -> None:
    network = filled(NETWORKS["chain"]())
    verification = verified(network, tmp_path, exported=tampered(network, weight))
    population = {"stem": "first", "down": "second", "head": "readout"}[weight]
    assert not verification.ok
    first = verification.parity.first_difference
    assert first is not None and first.population == population
    with pytest.raises(ParityError) as caught:
        require_verified(verification)
    assert population in caught.value.hint


def test_a_silent_network_is_refused(tmp_path: Path) -> None:
    network = filled(NETWORKS["chain"]())
    highest = {p.name: np.full(p.channels, p.neuron.limit) for p in network.populations if p.fires}
    silent_network = network.with_values(
        {w.name: np.array(w.values) for w in network.weights},
        highest,
        {p.name: p.bias for p in network.populations if p.bias is not None},
    )
    with pytest.raises(ParityError, match="no neuron fires"):
        verified(silent_network, tmp_path)


def test_a_term_outside_its_tolerance_is_named(tmp_path: Path) -> None:
    network = filled(NETWORKS["chain"]())
    strict = PROFILE.model_copy(update={"tolerance": {"default": Tolerance()}})
    verification = verified(network, tmp_path, profile=strict)
    outside = [row for row in verification.footprint if not row.ok]
    assert outside and not verification.ok and verification.fits
    with pytest.raises(FootprintError, match=outside[0].term):
        require_verified(verification)


def test_measured_memory_that_is_not_available_is_refused(tmp_path: Path) -> None:
    network = filled(NETWORKS["chain"]())
    least = verified(network, tmp_path)
    short = MemoryRegion(kind="ram", total=least.budget[0].measured_bytes - 1, source="test")
    row = least.budget[0].model_copy(update={"available_bytes": short.available_bytes})
    verification = least.model_copy(update={"budget": (row,)})
    assert not verification.fits
    with pytest.raises(FootprintError, match="available"):
        require_verified(verification)


def test_examples_show_what_the_network_did(tmp_path: Path) -> None:
    network = filled(NETWORKS["branching"]())
    verification = verified(network, tmp_path, batch=7)
    data = dataset_for(network).test
    trace = run(network, data.images)
    example = verification.examples[0]
    assert example.prediction != example.label  # the wrong one comes first
    assert example.image == tuple(data.images[-1].reshape(-1).tolist())
    for name, spikes in trace.spikes.items():
        bits = example.raster(name, network.timesteps)[:, : spikes[0, 0].size]
        assert np.array_equal(bits, spikes[:, -1].reshape(network.timesteps, -1))
    assert example.scores[-1] == tuple(trace.scores[-1].tolist())
