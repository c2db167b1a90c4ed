"""Scales shared by tied populations: what they must cover, and that integers then stay within every limit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from stages.snn.architecture import Architecture, lower
from stages.snn.float_network import FloatNetwork
from stages.snn.folding import folded, reestimate
from stages.snn.integer_network import IntegerNetwork, integers
from stages.snn.scales import Limits, ties
from targets import reference
from targets.network import INPUT, Network, Neuron
from targets.profile import load_profile
from tests.networks import branching, inputs_for
from tests.stages.random_networks import lowered, random_module, wired

PROFILE = load_profile("jetson_nano")
CELL = "|conv3x3~0|+|skip~0|conv3x3~1|+|zero~0|skip~1|avgpool3x3~2|"


def network(bits: int = 8, neuron: Neuron | None = None) -> Network:
    architecture = Architecture(input_shape=(1, 8, 8), classes=4, cells=(CELL,), channels=4, weight_bits=bits)
    made = lower(architecture, PROFILE)
    if neuron is None:
        return made
    firing = tuple(replace(p, neuron=neuron) if p.fires else p for p in made.populations)
    return replace(made, populations=firing)


def test_populations_that_share_weights_directly_or_through_others_are_tied() -> None:
    tied = [({p.name for p in tie.populations}, {w.name for w in tie.weights}) for tie in ties(branching())]
    assert ({"a", "b", "c"}, {"stem", "edge01", "edge12"}) in tied
    assert ({"readout"}, {"head"}) in tied
    assert len(tied) == 2  # "pooled" has no weight


@pytest.mark.parametrize("scale", ["per_channel", "per_tensor"])
def test_all_weights_of_a_tie_are_multiples_of_one_scale(scale: str) -> None:
    module = random_module(network(), 0, scale)  # type: ignore[arg-type]
    found = module.integers()
    for tie in ties(module.network):
        for weight in tie.weights:
            unit = module.unit(tie.populations[0].name).reshape(-1, *(1 for _ in weight.shape[1:]))
            real = module.layers[weight.name.replace(".", "/")].weight
            assert (found.weights[weight.name] * unit - real).abs().max() <= unit.max() * 0.5001
        scalar = scale == "per_tensor" or tie.populations[0].name == "readout"
        assert len(module.unit(tie.populations[0].name)) == (1 if scalar else 4)


def test_average_pooling_keeps_its_ratio_to_the_weights_beside_it() -> None:
    module = random_module(network(), 3, "per_tensor")
    pooled = module.integers().weights["cell1.edge23"]
    unit = module.unit("head")
    assert pooled.unique().numel() == 1
    assert float((pooled.flatten()[0] * unit).detach()) == pytest.approx(1 / 9, abs=float(unit.detach()))


@pytest.mark.parametrize("seed", range(12))
def test_a_narrow_membrane_never_saturates(seed: int) -> None:
    """The worst case over all inputs lies within the state, for the integers as they come out."""
    made = lowered(seed) if seed % 2 else wired(seed)
    narrow = Neuron(96, 7, 0, 16)
    firing = tuple(replace(p, neuron=narrow) if p.fires and p.neuron.keep else p for p in made.populations)
    module = random_module(replace(made, populations=firing), seed, "per_channel")
    trained = integers(module)
    for population in trained.populations:
        if population.neuron == narrow:
            assert worst_case(trained, population.name) <= narrow.limit


def worst_case(network: Network, name: str) -> float:
    """Largest membrane potential of either sign, from the integers alone."""
    population = network.population_of[name]
    high, low = population.bias.astype(float), population.bias.astype(float)
    for connection in network.into(name):
        rows = network.weight_of[connection.weight].values.reshape(population.channels, -1) * float(
            connection.multiplier
        )
        largest = network.levels_of(connection.source) - 1
        high, low = high + largest * np.maximum(rows, 0).sum(1), low + largest * np.minimum(rows, 0).sum(1)
    keep = population.neuron.keep / 2**population.neuron.keep_shift
    downwards = -np.minimum(low, 0) * sum(keep**t for t in range(network.timesteps))
    return float(np.maximum(np.maximum(high, 0) + keep * population.threshold, downwards).max())


def test_thresholds_and_biases_stay_within_what_the_target_stores() -> None:
    torch.manual_seed(0)
    module = FloatNetwork(network()).eval()
    for norm in module.norms.values():
        norm.bias.data.normal_(0.0, 2.0)

    def largest(limits: Limits) -> tuple[int, int]:
        firing = [p for p in integers(IntegerNetwork.from_float(module, limits=limits)).populations if p.fires]
        return max(int(p.threshold.max()) for p in firing), max(int(np.abs(p.bias).max()) for p in firing)

    threshold, bias = largest(Limits())
    assert threshold > 500
    assert bias > 500
    assert 400 < largest(Limits(threshold=500))[0] <= 500
    assert 400 < largest(Limits(bias=500))[1] <= 500


def test_pixels_that_enter_through_the_bias_fit_beside_it() -> None:
    torch.manual_seed(0)
    module = FloatNetwork(network()).eval()
    trained = integers(IntegerNetwork.from_float(module, "per_tensor", Limits(bias=4095, pixels_in_bias=True)))
    fed = [c.target for c in trained.out_of(INPUT)]
    stem = trained.weight_of["stem"].values.reshape(4, -1).astype(int)
    pixels = 255 * max(np.maximum(stem, 0).sum(1).max(), np.maximum(-stem, 0).sum(1).max())
    assert fed
    assert all(2000 < pixels + np.abs(trained.population_of[name].bias).max() <= 4095 for name in fed)


def test_two_bits_keep_more_than_the_largest_weights() -> None:
    """At 2 bits the scale follows the mean: with the maximum, most weights would round to zero."""
    torch.manual_seed(0)
    values = FloatNetwork(network(2)).eval()
    with torch.no_grad():
        for weight in values.weights.values():
            weight.copy_(torch.randn(weight.shape)) if weight.requires_grad else None
    ternary = integers(IntegerNetwork.from_float(values)).weight_of["cell1.edge01"].values
    assert set(np.unique(ternary)) == {-1, 0, 1}
    assert 0.25 < np.mean(ternary != 0) < 0.75


def test_folding_changes_nothing() -> None:
    """Currents of the folded weights, biases included, are those of conv and BatchNorm."""
    torch.manual_seed(0)
    module = FloatNetwork(network())
    inputs = torch.from_numpy(inputs_for(module.network, 40))
    reestimate(module, [inputs])
    weights, biases = folded(module)
    plain = FloatNetwork(module.network).eval()
    plain.norms.clear()
    for name, values in weights.items():
        plain.weights[name.replace(".", "/")].data.copy_(values)
    plain.bias.data.copy_(biases["readout"])
    fire = plain.fire
    plain.fire = lambda p, current, mode: fire(  # type: ignore[method-assign]
        p, current + (biases[p.name].reshape(-1, 1, 1) if p.fires else 0), mode
    )
    ours, theirs = plain.run(inputs), module.run(inputs)
    for name, spikes in theirs.spikes.items():
        assert (ours.spikes[name] != spikes).float().mean() < 1e-3  # rounding at the threshold


def test_reestimated_statistics_are_those_of_the_data() -> None:
    torch.manual_seed(0)
    module = FloatNetwork(network())
    inputs = torch.from_numpy(inputs_for(module.network, 64))
    momentum = module.norms["stem"].momentum
    reestimate(module, [inputs])
    with torch.no_grad():
        current = torch.nn.functional.conv2d(inputs / 256, module.weights["stem"], padding=1)
    torch.testing.assert_close(module.norms["stem"].running_mean, current.mean((0, 2, 3)))
    torch.testing.assert_close(module.norms["stem"].running_var, current.var((0, 2, 3)))
    assert module.norms["stem"].momentum == momentum
    assert not module.training


@pytest.mark.parametrize("bits", [8, 4])
def test_integers_follow_the_float_network(bits: int) -> None:
    """Before any integer training, 8 bits decide nearly as the float network does."""
    torch.manual_seed(0)
    module = FloatNetwork(network(bits))
    inputs = inputs_for(module.network, 100)
    reestimate(module, [torch.from_numpy(inputs)])
    quantized = IntegerNetwork.from_float(module)
    agree = reference.run(integers(quantized), inputs).predictions == module(torch.from_numpy(inputs)).argmax(1).numpy()
    assert agree.mean() > (0.9 if bits == 8 else 0.5)


def test_gradients_reach_every_parameter() -> None:
    module = random_module(network(4), 0, "per_channel")
    module(torch.from_numpy(inputs_for(module.network, 8))).square().sum().backward()
    for name, parameter in module.named_parameters():
        constant = "edge23" in name
        assert (parameter.grad is None) == constant, name
        assert constant or parameter.grad.abs().sum() > 0, name
