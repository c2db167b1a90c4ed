"""The LIF nodes against spikingjelly's own node, and their whole numbers against the reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from spikingjelly.activation_based import functional, neuron, surrogate

from stages.snn.neurons import LeakyNode

SURROGATES = [surrogate.ATan(2.0), surrogate.Sigmoid(4.0), surrogate.PiecewiseQuadratic(1.0), surrogate.Erf(2.0)]


def currents(seed: int = 0) -> torch.Tensor:
    return torch.randn(5, 3, 4, 2, 2, generator=torch.Generator().manual_seed(seed)).requires_grad_()


@pytest.mark.parametrize("function", SURROGATES, ids=lambda f: type(f).__name__)
@pytest.mark.parametrize("detach_reset", [True, False])
def test_spikes_and_gradients_are_those_of_spikingjelly(
    function: surrogate.SurrogateFunctionBase, detach_reset: bool
) -> None:
    mine, theirs = currents(), currents()
    node = LeakyNode(0.25, 1.0, function, detach_reset)
    reference = neuron.LIFNode(4 / 3, False, 1.0, 0.0, function, detach_reset, "m")
    weights = torch.rand_like(mine)
    spikes, expected = node(mine), reference(theirs)
    assert torch.equal(spikes, expected)
    assert 0 < spikes.mean() < 1
    (spikes * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(mine.grad, theirs.grad)


def test_steps_one_by_one_are_the_sequence() -> None:
    whole, single = currents(), currents()
    node = LeakyNode(0.5)
    together = node(whole)
    functional.reset_net(node)
    node.step_mode = "s"
    apart = torch.stack([node(current) for current in single])
    assert torch.equal(together, apart)
    together.square().sum().backward()
    apart.square().sum().backward()
    torch.testing.assert_close(whole.grad, single.grad)


def test_a_potential_that_equals_the_threshold_does_not_fire() -> None:
    node = LeakyNode(1.0)
    assert node(torch.tensor([[[1.0]], [[0.0]], [[0.5]]])).flatten().tolist() == [0, 0, 1]


def test_potentials_are_stored_after_the_reset() -> None:
    node = LeakyNode(0.5)
    node.store_v_seq = True
    node(torch.tensor([[[0.5]], [[1.0]], [[0.25]]]))
    assert node.v_seq.flatten().tolist() == [0.5, 0.0, 0.25]


def test_a_readout_accumulates_and_lets_gradients_through() -> None:
    current = currents()
    node = LeakyNode(1.0, None)
    assert node(current).sum() == 0
    torch.testing.assert_close(node.v, current.sum(0))
    node.v.sum().backward()
    assert np.allclose(current.grad, 1)
