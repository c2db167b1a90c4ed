"""The LIF nodes against spikingjelly's own node, and their whole numbers against the reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from spikingjelly.activation_based import functional, neuron, surrogate

from stages.snn import fused
from stages.snn.neurons import IntegerNode, LeakyNode
from stages.snn.steps import torch_steps
from targets import host_library
from targets.network import Neuron

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


NODES = {
    "float": LeakyNode(0.25, timesteps=3),
    "attached": LeakyNode(0.9, 0.7, detach_reset=False, timesteps=3),
    "readout": LeakyNode(1.0, None, timesteps=3),
    "integer": IntegerNode(Neuron(96, 7, 0, 16), timesteps=3),
    "narrow": IntegerNode(Neuron(100, 7, 2, 9), timesteps=3),
    "wide": IntegerNode(Neuron(1000, 12, 6, 24), timesteps=3),
}
NODES["wide"].wide = True


@pytest.mark.parametrize("shape", [(3, 40, 6, 5, 5), (1, 40, 6, 5, 5), (3, 40, 6)], ids=str)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["planes", "innermost"])
@pytest.mark.parametrize("name", NODES)
def test_the_kernel_is_the_same_function(name: str, layout: torch.memory_format, shape: tuple[int, ...]) -> None:
    """Forward to the same bits; backward but for the order of sums. A current of one step is held for all."""
    node, whole = NODES[name], isinstance(NODES[name], IntegerNode)
    random = torch.Generator().manual_seed(len(name))
    plain = torch.randn(shape, generator=random)
    plain = (300 * plain).round() if whole else plain
    if len(shape) == 5:
        plain = plain.flatten(0, 1).contiguous(memory_format=layout).unflatten(0, shape[:2])
    channel = [6, *(1 for _ in shape[3:])]
    most = min(500, (node.limit or 0) / node.scale)
    threshold = (most * torch.rand(channel, generator=random)).round() if whole else torch.full((), node.v_threshold)
    bias = (100 * torch.randn(channel, generator=random)).round() if whole else None
    weights, v = torch.randn((3, *shape[1:]), generator=random), torch.zeros(shape[1:])

    def outcome(run: object) -> list[torch.Tensor]:
        inputs = [
            plain.clone(memory_format=torch.preserve_format),
            threshold.clone(),
            None if bias is None else bias.clone(),
        ]
        learning = [x.requires_grad_() for x in inputs if x is not None and (whole or x.dim())]
        if not node.fires:
            inputs[1] = None
        spikes, last, potentials = run(node, inputs[0], v, *inputs[1:], 3)  # type: ignore[operator]
        loss = (spikes * weights).sum() * node.fires + (last * weights[0]).sum()
        return [spikes, last, potentials.float(), *torch.autograd.grad(loss, learning)]

    assert fused.serves(node, plain)
    ours, expected = outcome(fused.fused_steps), outcome(torch_steps)
    assert 0.02 < expected[0].mean() < 0.98 or not node.fires
    assert all(torch.equal(one, other.to(one.dtype)) for one, other in zip(ours[:3], expected[:3], strict=True))
    for one, other in zip(ours[3:], expected[3:], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_threads_share_the_work_and_change_only_the_order_of_sums() -> None:
    current = torch.randn(4, 64, 8, 6, 6)
    before, outcomes = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            inputs = current.clone().requires_grad_()
            spikes = LeakyNode(0.25)(inputs)
            (gradient,) = torch.autograd.grad((spikes * current).sum(), inputs)
            outcomes.append((spikes, gradient))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(*outcomes, strict=True))


def test_a_node_of_the_user_computes_what_the_user_wrote() -> None:
    class Forgetful(LeakyNode):
        def charge(self, v: torch.Tensor, current: torch.Tensor) -> torch.Tensor:
            return current

    current = currents().detach()
    assert torch.equal(Forgetful(0.9)(current), (current > 1).float())


def test_without_a_compiler_training_goes_on_and_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(host_library, "compilers", lambda: [["no-such-compiler"]])
    fused.library.cache_clear()
    try:
        with pytest.warns(UserWarning, match="slower"):
            assert LeakyNode(0.25)(currents().detach()).sum() > 0
    finally:
        fused.library.cache_clear()
