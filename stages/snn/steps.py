"""All T steps of a node in torch's operations, on any device, with any surrogate and any `charge`.

Comes in: a node, its current, threshold and bias. Goes out: spikes and membrane potentials. One autograd function stores
potentials and spikes instead of a graph of T steps, and computes the gradient of the recurrence (backpropagation through
time) by hand:

    v[t] = charge(v'[t-1], current[t]),  s[t] = v[t] > threshold,  v'[t] = v[t] (1 - s[t])
    ds/dv = g(v / threshold - 1) / threshold,  ds/dthreshold = -ds/dv,  dv[t]/dv'[t-1] = keep,  dv[t]/dcurrent[t] = 1

where g is the surrogate's derivative; rounding and saturation count as the identity (straight-through estimator). On a GPU
torch.compile turns both loops into one kernel each.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

if TYPE_CHECKING:
    from stages.snn.neurons import LeakyNode


def torch_steps(
    node: LeakyNode, current: Tensor, v: Tensor, threshold: Tensor | None, bias: Tensor | None, steps: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Spikes [T, N, ...], potentials after the last reset, and all potentials before their reset.

    Args:
        node: What computes.
        current: [T, N, ...], or [1, N, ...] if it is the same at each of the steps.
        v: Potentials [N, ...] to begin with.
        threshold: Broadcastable over [N, ...], without fraction bits; None for a readout.
        bias: The same, or None.
        steps: T.
    """
    dtype = torch.float64 if node.wide else current.dtype
    arriving = current.to(dtype) * node.scale if node.scale != 1 else current.to(dtype)
    if bias is not None:
        arriving = arriving + bias.to(dtype) * node.scale
    if len(arriving) < steps:
        arriving = arriving.expand(steps, *arriving.shape[1:])
    threshold = None if threshold is None else threshold.to(dtype) * node.scale
    outputs = _Steps.apply(arriving, v, threshold, node)  # type: ignore[no-untyped-call]
    return cast(tuple[Tensor, Tensor, Tensor], outputs)


class _Steps(torch.autograd.Function):
    """T steps of a node: (current [T, N, ...], v [N, ...], threshold) to (spikes, v after the last reset, potentials)."""

    @staticmethod
    def forward(
        ctx: Any, current: Tensor, v: Tensor, threshold: Tensor | None, node: LeakyNode
    ) -> tuple[Tensor, Tensor, Tensor]:
        run = _compiled(run_steps) if current.is_cuda else run_steps
        potentials, spikes, v = run(current, v.to(current.dtype, copy=True), threshold, node.charge)
        ctx.save_for_backward(potentials, spikes, threshold)
        ctx.node = node
        ctx.mark_non_differentiable(potentials)
        return spikes, v, potentials

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        potentials, spikes, threshold = ctx.saved_tensors
        node, (of_spikes, of_v, _) = ctx.node, gradients
        slope = torch.empty(0, device=potentials.device)
        if threshold is not None:
            function = node.surrogate_function
            relative = potentials / threshold - 1
            slope = function.backward(torch.ones_like(relative), relative, **function._sg_params) / threshold
        back = _compiled(run_back) if potentials.is_cuda else run_back
        of_current, of_v, slope = back(
            potentials, spikes, slope, of_spikes, of_v, node.keep, node.detach_reset, node.fires
        )
        of_threshold = -slope.sum(0).sum_to_size(threshold.shape) if ctx.needs_input_grad[2] else None
        return of_current, of_v, of_threshold, None


def run_steps(
    current: Tensor, v: Tensor, threshold: Tensor | None, charge: Callable[[Tensor, Tensor], Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Potentials, spikes and last potentials of all steps."""
    potentials = torch.empty(current.shape, dtype=current.dtype, device=current.device)
    spikes = torch.zeros(current.shape, device=current.device)
    for t in range(len(current)):
        v = charge(v, current[t])
        potentials[t] = v
        if threshold is not None:
            spikes[t] = v > threshold
            v = v * (1 - spikes[t])
    return potentials, spikes, v


def run_back(
    potentials: Tensor,
    spikes: Tensor,
    slope: Tensor,
    of_spikes: Tensor,
    of_v: Tensor,
    keep: float,
    detach_reset: bool,
    fires: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of currents and first potentials, and of the potentials through the spikes: the slopes times what arrives."""
    of_current, through = torch.empty_like(potentials), torch.empty_like(slope)
    for t in reversed(range(len(potentials))):
        if fires:
            of_spike = of_spikes[t] if detach_reset else of_spikes[t] - of_v * potentials[t]
            through[t] = slope[t] * of_spike
            of_current[t] = through[t] + of_v * (1 - spikes[t])
        else:
            of_current[t] = of_v
        of_v = of_current[t] * keep
    return of_current, of_v, through


@cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """One kernel for the whole loop; compiled once for each shape."""
    return torch.compile(function, dynamic=False)
