"""The leaky integrate-and-fire neuron as spikingjelly nodes: one for real values, one for whole numbers.

Comes in: the current of a population, [N, *shape] in step mode "s" or [T, N, *shape] in step mode "m". Goes out: its spikes, in
the same shape; the membrane potential stays in the node until `spikingjelly.activation_based.functional.reset_net`.

Both nodes are `BaseNode`s of spikingjelly: step modes, surrogate functions, `detach_reset`, `store_v_seq` and reset work as
there. They differ from its LIFNode in one point: that one fires at v >= threshold, the arithmetic of `targets.network` is
v > threshold, which no shift of the threshold imitates in floating point.

All T steps run in one autograd function: compiled for the CPU (`stages.snn.fused`) where the node is as shipped, else
written in torch's operations (`stages.snn.steps`), which any device runs and which calls `charge`. To change the neuron,
derive from one of these classes and override `charge`.
"""

from __future__ import annotations

from typing import Any

from spikingjelly.activation_based import surrogate
from spikingjelly.activation_based.neuron import BaseNode
from torch import Tensor

from stages.snn.fused import fused_steps, serves
from stages.snn.steps import torch_steps
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
        timesteps: So many steps a sequence of length one is held for: constant pixels deliver the same current at each.
    """

    #: What a whole number is multiplied by before it reaches the membrane.
    scale: float = 1.0
    #: Largest magnitude of a membrane potential; None for no limit, and no rounding.
    limit: int | None = None
    #: Whether potentials need float64.
    wide: bool = False

    def __init__(
        self,
        keep: float,
        threshold: float | None = 1.0,
        surrogate_function: surrogate.SurrogateFunctionBase | None = None,
        detach_reset: bool = True,
        step_mode: str = "m",
        timesteps: int = 1,
    ) -> None:
        function = surrogate_function or surrogate.ATan(alpha=2.0)
        super().__init__(float("inf") if threshold is None else threshold, 0.0, function, detach_reset, step_mode)
        self.keep: float = keep
        self.fires = threshold is not None
        self.timesteps = timesteps

    @property
    def shipped(self) -> bool:
        """Whether this is the arithmetic of this module, not that of a derived class."""
        return type(self) in (LeakyNode, IntegerNode)

    def charge(self, v: Tensor, current: Tensor) -> Tensor:
        """The membrane potential before firing; may overwrite `v`."""
        return v.mul_(self.keep).add_(current)

    def arguments(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Current, threshold and bias of a call, none of them scaled yet."""
        current = inputs[0]
        return current, current.new_tensor(self.v_threshold) if self.fires else None, None

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
        current, threshold, bias = self.arguments(inputs)
        steps = self.timesteps if self.step_mode == "m" and len(current) == 1 else len(current)
        run = fused_steps if serves(self, current) else torch_steps
        return run(self, current, states[0], threshold, bias, steps)


class IntegerNode(LeakyNode):
    """The arithmetic of `targets.network.Neuron`, its whole numbers held in floating point.

    A call takes the current [.., N, *shape], then threshold and bias per channel (broadcastable to one sample; the threshold is
    absent for a readout), all in whole numbers without fraction bits. It computes in float64 where `wide` is set or the current
    comes so, else in float32.

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
        timesteps: int = 1,
    ) -> None:
        keep = neuron.keep / 2**neuron.keep_shift
        super().__init__(keep, 1.0 if fires else None, surrogate_function, detach_reset, step_mode, timesteps)
        self.neuron = neuron
        self.scale = 2.0**neuron.fraction_bits
        self.limit = neuron.limit

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

    def arguments(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Current, threshold and bias of a call; a current that may overflow its register comes as the register holds it."""
        current, threshold, bias = inputs if self.fires else (inputs[0], None, inputs[1])
        if self.neuron.current_bits is not None:
            current = self.wrapped(current * self.scale) / self.scale  # a power of two: exact both ways
        if self.wide and self.store_v_seq:
            current = current.double()  # stored potentials have the precision of the current
        return current, threshold, bias

    def wrapped(self, current: Tensor) -> Tensor:
        """The current as a register of current_bits holds it (`targets.reference.wrap`); its gradient is the identity."""
        bits = self.neuron.current_bits or 0
        half, full = 2.0 ** (bits - 1), 2.0**bits
        return current - full * (current.detach() > half) + full * (current.detach() <= -half)
