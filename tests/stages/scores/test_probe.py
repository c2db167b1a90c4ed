"""The probe: untrained networks run as SNASNet runs them, and remembering or streaming changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stages.scores.probe import Probe, normalised, random_weight
from stages.snn.architecture import Architecture, lower
from targets.network import Network, Weight
from targets.profile import load_profile

CHAIN = "|conv3x3~0|+|skip~0|conv3x3~1|+|zero~0|zero~1|conv1x1~2|"
LONGER = "|conv3x3~0|+|skip~0|conv3x3~1|+|zero~0|skip~1|conv5x5~2|"
LOOP = "|conv3x3~0|conv3x3~2|+|skip~0|conv3x3~1|+|zero~0|skip~1|conv1x1~2|"


def network(cell: str, channels: int = 4, cells: int = 2) -> Network:
    a = Architecture(input_shape=(1, 8, 8), classes=3, cells=(cell,) * cells, channels=channels, timesteps=3)
    return lower(a, load_profile("jetson_nano"))


def probe(seed: int = 0) -> Probe:
    images = np.random.default_rng(0).integers(0, 256, (10, 1, 8, 8)).astype(np.uint8)
    return Probe(images, timesteps=3, seed=seed)


def equal(one: Network, other: Network, of_one: Probe, of_other: Probe) -> bool:
    left, right = of_one.spikes(one), of_other.spikes(other)
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_every_firing_population_has_spikes_of_its_shape() -> None:
    net = network(CHAIN)
    spikes = probe().spikes(net)
    assert list(spikes) == [p.name for p in net.populations if p.fires]
    for name, fired in spikes.items():
        assert fired.shape == (3, 10, *net.population_of[name].shape)
        assert set(fired.unique().tolist()) <= {0.0, 1.0}
    assert 0 < float(spikes["head"].mean()) < 1


def test_what_is_remembered_is_what_would_be_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    warm = probe()
    warm.spikes(network(CHAIN))
    calls = 0
    original = warm.remember

    def counted(key: object, spikes: torch.Tensor) -> None:
        nonlocal calls
        calls += 1
        original(key, spikes)

    monkeypatch.setattr(warm, "remember", counted)
    warm_spikes = warm.spikes(network(LONGER))
    fresh = probe().spikes(network(LONGER))
    assert all(torch.equal(warm_spikes[name], fresh[name]) for name in fresh)
    assert calls < len(fresh)  # the common prefix was not computed again


def test_a_different_threshold_or_weight_is_not_taken_for_the_same() -> None:
    one, other = network(CHAIN), network(CHAIN.replace("conv3x3~1", "conv3x3@0.5~1"))
    both = probe()
    left, right = both.spikes(one), both.spikes(other)
    assert not torch.equal(left["head"], right["head"])
    assert not equal(one, one, probe(0), probe(1))


def test_streaming_equals_running_all_steps_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network(CHAIN)
    batched = probe().spikes(net)
    from stages.scores import probe as module

    run = module._Run(probe(), net)
    run.stream([p for p in net.populations if p.fires])
    assert all(torch.equal(batched[name], run.fired[name]) for name in batched)


def test_feedback_acts_from_the_second_step_on() -> None:
    with_loop, without = network(LOOP, cells=1), network(LOOP.replace("|conv3x3~2|", "|", 1), cells=1)
    left, right = probe().spikes(with_loop), probe().spikes(without)
    name = "cell1.node2"
    assert torch.equal(left[name][0], right[name][0])
    assert not torch.equal(left[name][1], right[name][1])


def test_weights_depend_on_seed_name_and_shape_alone() -> None:
    weight = Weight("a", (3, 2, 1, 1), 8)
    assert torch.equal(random_weight(weight, 0), random_weight(weight, 0))
    assert not torch.equal(random_weight(weight, 0), random_weight(weight, 1))
    assert not torch.equal(random_weight(weight, 0), random_weight(Weight("b", (3, 2, 1, 1), 8), 0))
    assert torch.equal(random_weight(Weight("p", (2, 1, 3, 3), 8, constant=1 / 9), 0), torch.full((2, 1, 3, 3), 1 / 9))


def test_normalisation_is_batchnorm_of_each_step() -> None:
    current = torch.randn(2, 5, 3, 4, 4) * 3 + 1
    norm = torch.nn.BatchNorm2d(3, affine=False)
    for step in range(2):
        torch.testing.assert_close(normalised(current)[step], norm(current[step]))
