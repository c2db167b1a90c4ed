"""The float network: its wiring, its gains, its gradients and its input, on lowered cells."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from stages.snn.architecture import Architecture, lower
from stages.snn.float_network import FloatNetwork
from targets.errors import ConfigurationError
from targets.network import INPUT, Network
from targets.profile import load_profile
from tests.networks import depthwise

PROFILE = load_profile("jetson_nano")
CELL = "|conv3x3~0|+|skip~0|avgpool3x3~1|+|zero~0|skip~1|conv1x1@0.5~2|"
FEEDBACK = "|conv3x3~0|conv1x1~3|+|skip~0|zero~1|+|zero~0|conv3x3~1|skip~2|"


def lowered(cell: str, **macro: object) -> Network:
    return lower(Architecture(input_shape=(1, 8, 8), classes=4, cells=(cell,), channels=4, **macro), PROFILE)


def made(network: Network) -> FloatNetwork:
    torch.manual_seed(0)
    return FloatNetwork(network)


def pixels(samples: int = 6) -> torch.Tensor:
    return torch.randint(0, 256, (samples, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "network", [lowered(CELL, head_pool=2, hidden=5), lowered(FEEDBACK), lowered(CELL, spiking_input=True)]
)
def test_every_population_spikes_in_its_shape_and_every_weight_learns(network: Network) -> None:
    module = made(network)
    inputs = pixels()
    if network.input.spiking:
        inputs = (inputs > 127).to(torch.uint8).unsqueeze(1).repeat(1, network.timesteps, 1, 1, 1)
    activity = module.run(inputs)
    assert {name: tuple(s.shape) for name, s in activity.spikes.items()} == {
        p.name: (network.timesteps, 6, *p.shape) for p in network.populations if p.fires
    }
    assert activity.logits.shape == (6, 4)
    activity.logits.square().sum().backward()
    for weight in network.weights:
        gradient = module.weights[weight.name.replace(".", "/")].grad
        assert (gradient is None) if weight.constant else (gradient.abs().sum() > 0)


def test_spikes_of_a_network_without_feedback_do_not_depend_on_the_schedule() -> None:
    """A delayed connection whose weights are zero forces all steps to be taken together."""
    network = lowered(FEEDBACK)
    delayed = {c.weight for c in network.connections if c.delay}
    chain = replace(
        network,
        connections=tuple(c for c in network.connections if not c.delay),
        weights=tuple(w for w in network.weights if w.name not in delayed),
    )
    together, batched = made(network).eval(), made(chain).eval()
    for name, values in together.state_dict().items():
        if any(name.startswith(f"weights.{weight.replace('.', '/')}") for weight in delayed if weight):
            values.zero_()
    batched.load_state_dict({k: v for k, v in together.state_dict().items() if k in batched.state_dict()})
    ours, others = together.run(pixels()), batched.run(pixels())
    assert all(torch.equal(ours.spikes[name], others.spikes[name]) for name in others.spikes)
    torch.testing.assert_close(ours.logits, others.logits)


def test_pixels_and_spikes_enter_a_shared_population_at_their_real_size() -> None:
    network = lowered("|conv3x3~0|+|skip~0|conv3x3~1|+|zero~0|zero~1|skip~2|")
    module = made(network)
    assert {module.gain(c) for c in network.into("head")} == {1.0}
    assert {c.source for c in network.into("head")} == {INPUT, "cell1.node1"}


def test_pooling_fires_where_any_spike_is() -> None:
    activity = made(lowered(CELL, head_pool=2)).run(pixels())
    head, pooled = activity.spikes["head"], activity.spikes["pooled"]
    assert torch.equal(pooled, head.unfold(3, 2, 2).unfold(4, 2, 2).amax((-1, -2)))
    assert 0 < pooled.mean() < 1


def test_pixels_may_come_as_integers_or_as_fractions() -> None:
    module = made(lowered(CELL)).eval()
    torch.testing.assert_close(module(pixels()), module(pixels() / 256))


def test_a_skip_is_part_of_the_current() -> None:
    with_skip, without = lowered(CELL), lowered(CELL.replace("skip~0", "zero~0"))
    assert not torch.equal(made(with_skip)(pixels()), made(without)(pixels()))


def test_wrong_inputs_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="1, 8, 8"):
        made(lowered(CELL))(torch.zeros(2, 1, 8, 7, dtype=torch.uint8))


def test_plain_spikes_beside_weighted_ones_are_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="'own'"):
        FloatNetwork(depthwise())
