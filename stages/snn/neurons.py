"""The leaky integrate-and-fire neuron as spikingjelly nodes: one for real values, one for whole numbers.

Comes in: the current of a population, [N, *shape] in step mode "s" or [T, N, *shape] in step mode "m". Goes out: its spikes, in
the same shape; the membrane potential stays in the node until `spikingjelly.activation_based.functional.reset_net`.

Both nodes are `BaseNode`s of spikingjelly: step modes, surrogate functions, `detach_reset`, `store_v_seq` and reset work as
there. They differ from its LIFNode in one point: that one fires at v >= threshold, the arithmetic of `targets.network` is
v > threshold, which no shift of the threshold imitates in floating point.

All T steps run in one autograd function. It stores potentials and spikes instead of a graph of T steps, and computes the
gradient of the recurrence (backpropagation through time) by hand:

    v[t] = charge(v'[t-1], current[t]),  s[t] = v[t] > threshold,  v'[t] = v[t] (1 - s[t])
    ds/dv = g(v / threshold - 1) / threshold,  ds/dthreshold = -ds/dv,  dv[t]/dv'[t-1] = keep,  dv[t]/dcurrent[t] = 1

where g is the surrogate's derivative; rounding and saturation count as the identity (straight-through estimator).
"""

from __future__ import annotations

from typing import Any, cast

import torch
from spikingjelly.activation_based import surrogate
from spikingjelly.activation_based.neuron import BaseNode
from torch import Tensor

from targets.network import Neuron

FLOAT32_EXACT = 2**24
"""Up to this magnitude float32 holds every whole number."""


class LeakyNode(BaseNode):  # type: ignore[misc]
    """v = keep * v + current; spike = v > threshold; v = 0 where it spiked.

    Args:
        keep: What a step leaves of the membrane potential, 0 to 1.
        threshold: None for a readout, which never fires and accumulates for ever.
        surrogate_function: Any surrogate of spikingjelly that defines `backward`; it sees v / threshold - 1.
        detach_reset: Whether the gradient ignores the reset.
        step_mode: "s" for one step, "m" for a sequence.
    """

    def __init__(
        self,
        keep: float,
        threshold: float | None = 1.0,
        surrogate_function: surrogate.SurrogateFunctionBase | None = None,
        detach_reset: bool = True,
        step_mode: str = "m",
    ) -> None:
        function = surrogate_function or surrogate.ATan(alpha=2.0)
        super().__init__(float("inf") if threshold is None else threshold, 0.0, function, detach_reset, step_mode)
        self.keep: float = keep
        self.fires = threshold is not None

    def charge(self, v: Tensor, current: Tensor) -> Tensor:
        """The membrane potential before firing; may overwrite `v`."""
        return v.mul_(self.keep).add_(current)

    def arrive(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor | None]:
        """What reaches the membrane, and the threshold, from the arguments of a call."""
        current = inputs[0]
        return current, current.new_tensor(self.v_threshold) if self.fires else None

    def single_step_functional_forward(
        self, inputs: tuple[Tensor, ...], states: tuple[Any, ...], **kwargs: object
    ) -> tuple[tuple[Tensor, ...], tuple[Any, ...]]:
        """One step: a sequence of length one."""
        sequence = (inputs[0].unsqueeze(0), *inputs[1:])
        (spikes,), states = self.multi_step_functional_forward(sequence, states)
        return (spikes.squeeze(0),), states

    def multi_step_functional_forward(
        self, inputs: tuple[Tensor, ...], states: tuple[Any, ...], **kwargs: object
    ) -> tuple[tuple[Tensor, ...], tuple[Any, ...]]:
        """All steps of a sequence [T, N, *shape]; the state is v [N, *shape] after the reset."""
        spikes, last, _ = self._run(inputs, states)
        return (spikes,), (last, *states[1:])

    def multi_step_forward(self, x_seq: Tensor, *args: Tensor) -> Tensor:
        """All steps; with `store_v_seq`, `v_seq` holds the potentials after each reset."""
        inputs = (x_seq, *args)
        states = self.materialize_states(inputs, tuple(self._memories.values()), "m")
        spikes, self._memories["v"], potentials = self._run(inputs, states)
        if self.store_v_seq:
            self.v_seq = potentials * (1 - spikes)
        return spikes

    def _run(self, inputs: tuple[Tensor, ...], states: tuple[Any, ...]) -> tuple[Tensor, Tensor, Tensor]:
        current, threshold = self.arrive(inputs)
        outputs = _Steps.apply(current, states[0], threshold, self)  # type: ignore[no-untyped-call]
        return cast(tuple[Tensor, Tensor, Tensor], outputs)


class IntegerNode(LeakyNode):
    """The arithmetic of `targets.network.Neuron`, its whole numbers held in floating point.

    A call takes the current [.., N, *shape], then threshold and bias per channel (broadcastable to one sample; the threshold is
    absent for a readout), all in whole numbers without fraction bits. It computes in the precision of the current.

    float64 is always exact: |v| < 2**31 and keep <= 2**12, so |v * keep| < 2**53. float32 is exact where `float32_is_exact`
    says so: every sum stays below 2**24, and so does v * keep, unless keep is a power of two, which only moves the exponent
    (trunc then drops bits that were all there). Dividing by 2**keep_shift moves the exponent too.
    """

    def __init__(
        self,
        neuron: Neuron,
        fires: bool = True,
        surrogate_function: surrogate.SurrogateFunctionBase | None = None,
        detach_reset: bool = True,
        step_mode: str = "m",
    ) -> None:
        keep = neuron.keep / 2**neuron.keep_shift
        super().__init__(keep, 1.0 if fires else None, surrogate_function, detach_reset, step_mode)
        self.neuron = neuron

    def float32_is_exact(self, largest_current: float, timesteps: int) -> bool:
        """Whether float32 holds every number of a run whose currents, bias included, stay within the given magnitude."""
        arriving = largest_current * 2**self.neuron.fraction_bits
        v = min(self.neuron.limit, timesteps * arriving)
        product = v if self.neuron.keep & (self.neuron.keep - 1) == 0 else v * self.neuron.keep
        return bool(max(product, v + arriving) < FLOAT32_EXACT)

    def charge(self, v: Tensor, current: Tensor) -> Tensor:
        """clip(trunc0(v * keep / 2**keep_shift) + current); may overwrite `v`."""
        limit = self.neuron.limit
        return v.mul_(self.keep).trunc_().add_(current).clamp_(-limit, limit)

    def arrive(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor | None]:
        """wrap(current << F) + (bias << F), and threshold << F."""
        current, threshold, bias = inputs if self.fires else (inputs[0], None, inputs[1])
        scale = 2.0**self.neuron.fraction_bits
        arriving = self.wrapped(current * scale if scale != 1 else current) + bias.to(current.dtype) * scale
        return arriving, None if threshold is None else threshold.to(current.dtype) * scale

    def wrapped(self, current: Tensor) -> Tensor:
        """The current as a register of current_bits holds it (`targets.reference.wrap`); its gradient is the identity."""
        if self.neuron.current_bits is None:
            return current
        half, full = 2.0 ** (self.neuron.current_bits - 1), 2.0**self.neuron.current_bits
        return current - full * (current.detach() > half) + full * (current.detach() <= -half)


class _Steps(torch.autograd.Function):
    """T steps of a node: (current [T, N, ...], v [N, ...], threshold) to (spikes, v after the last reset, potentials)."""

    @staticmethod
    def forward(
        ctx: Any, current: Tensor, v: Tensor, threshold: Tensor | None, node: LeakyNode
    ) -> tuple[Tensor, Tensor, Tensor]:
        potentials = torch.empty(current.shape, dtype=current.dtype, device=current.device)
        spikes = torch.zeros(current.shape, device=current.device)
        v = v.to(current.dtype, copy=True)
        for t in range(len(current)):
            v = node.charge(v, current[t])
            potentials[t] = v
            if threshold is not None:
                torch.gt(v, threshold, out=spikes[t])
                v.mul_(1 - spikes[t])  # several times faster than masked_fill_
        ctx.save_for_backward(potentials, spikes, threshold)
        ctx.node = node
        ctx.mark_non_differentiable(potentials)
        return spikes, v, potentials

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        potentials, spikes, threshold = ctx.saved_tensors
        node, (of_spikes, of_v, _) = ctx.node, gradients
        if threshold is not None:
            function = node.surrogate_function
            relative = potentials / threshold - 1
            slope = function.backward(torch.ones_like(relative), relative, **function._sg_params) / threshold
        of_current = torch.empty_like(potentials)
        for t in reversed(range(len(potentials))):
            if threshold is None:
                of_current[t] = of_v
            else:
                of_spike = of_spikes[t] if node.detach_reset else of_spikes[t] - of_v * potentials[t]
                slope[t].mul_(of_spike)
                torch.addcmul(slope[t], of_v, 1 - spikes[t], out=of_current[t])
            of_v = of_current[t] * node.keep
        of_threshold = -slope.sum(0).sum_to_size(threshold.shape) if ctx.needs_input_grad[2] else None
        return of_current, of_v, of_threshold, None
