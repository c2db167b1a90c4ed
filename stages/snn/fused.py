"""All T steps of a node in one pass over memory: `stages.snn.neurons` on the CPU, compiled from fused.c on first use.

Comes in: a node, its current, threshold and bias. Goes out: what `stages.snn.steps` returns, to the same bits forward. Torch's
own operations write and read every intermediate of the recurrence and of its gradient, some twenty times the potentials;
here a potential is written once and read once.

Neurons are shared out among torch's threads in fixed portions, so a result depends on their number and on nothing else.
Where no compiler is found, training says so once and goes on with torch's operations.
"""

from __future__ import annotations

import ctypes
import math
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from spikingjelly.activation_based import surrogate
from torch import Tensor

from targets.errors import ConfigurationError, ToolMissingError
from targets.host_library import host_library

if TYPE_CHECKING:
    from stages.snn.neurons import LeakyNode

SOURCE = Path(__file__).with_suffix(".c")
FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-lm")
_FEW_BLOCKS, _BLOCK = 64, 512
"""So few blocks are not worth a second thread; so many neurons make a block."""
_TYPES = {torch.float32: "float", torch.float64: "double"}


class _Neuron(ctypes.Structure):
    """`Neuron` of fused.c."""

    _fields_ = (
        *((name, ctypes.c_long) for name in ("steps", "blocks", "size", "channels")),
        *((name, ctypes.c_long) for name in ("innermost", "held", "integer", "detached", "fires")),
        *((name, ctypes.c_double) for name in ("keep", "scale", "limit", "alpha")),
        ("threshold", ctypes.c_void_p),
        ("bias", ctypes.c_void_p),
    )


@cache
def library() -> ctypes.CDLL | None:
    """The compiled kernel; None, with a warning, where it cannot be built."""
    try:
        return ctypes.CDLL(str(host_library(SOURCE, FLAGS, "the fused LIF kernel")))
    except (ToolMissingError, ConfigurationError, OSError) as error:
        warnings.warn(f"training runs without its fused LIF kernel, hence slower: {error}", stacklevel=2)
        return None


def serves(node: LeakyNode, current: Tensor) -> bool:
    """Whether the kernel computes this node: shipped arithmetic, spikingjelly's ATan, tensors on the CPU."""
    return (
        current.device.type == "cpu"
        and current.dtype in _TYPES
        and node.shipped
        and (not node.fires or type(node.surrogate_function) is surrogate.ATan)
        and library() is not None
    )


class _FusedSteps(torch.autograd.Function):
    """(current [T or 1, N, ...], v [N, ...], threshold, bias) to (spikes, v after the last reset, potentials)."""

    @staticmethod
    def forward(
        ctx: Any, current: Tensor, v: Tensor, threshold: Tensor | None, bias: Tensor | None, node: LeakyNode, steps: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        call = _Call(node, current, threshold, bias, steps)
        potentials, spikes = call.empty(steps, current.dtype), call.empty(steps, torch.float32)
        v = call.copy(v.expand(current.shape[1:]).unsqueeze(0), call.real)
        call.run("forward", call.laid_out(current), v, potentials, spikes)
        ctx.save_for_backward(potentials, threshold, bias)
        ctx.node, ctx.held = node, len(current) < steps
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(potentials)
        return spikes, v[0], potentials

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        potentials, threshold, bias = ctx.saved_tensors
        of_spikes, of_v, _ = gradients
        call = _Call(ctx.node, potentials[:1] if ctx.held else potentials, threshold, bias, len(potentials))
        of_current = call.empty(1 if ctx.held else len(potentials), potentials.dtype)
        of_v = call.empty(1, call.real).zero_() if of_v is None else call.copy(of_v.unsqueeze(0), call.real)
        arriving = None if of_spikes is None else call.laid_out(of_spikes.float())
        sums = call.sums()
        call.run("backward", potentials, arriving, of_v, of_current, sums)
        of_threshold, of_bias = sums.sum(0) * ctx.node.scale
        return (
            of_current,
            of_v[0] if ctx.needs_input_grad[1] else None,
            _like(threshold, of_threshold) if ctx.needs_input_grad[2] else None,
            _like(bias, of_bias) if ctx.needs_input_grad[3] else None,
            None,
            None,
        )


def _like(constant: Tensor, gradient: Tensor) -> Tensor:
    """The gradient per channel in the shape of the constant; where one constant serves all channels, their sum."""
    return (
        (gradient if constant.numel() == len(gradient) else gradient.sum()).to(constant.dtype).reshape(constant.shape)
    )


class _Call:
    """One pass of the kernel: the node as a C struct, how its tensors are laid out, and who computes which blocks."""

    def __init__(
        self, node: LeakyNode, current: Tensor, threshold: Tensor | None, bias: Tensor | None, steps: int
    ) -> None:
        self.shape = tuple(current.shape[1:])
        samples, self.channels, *_ = self.shape
        self.innermost = current.dim() != 5 or current.flatten(0, 1).is_contiguous(memory_format=torch.channels_last)
        self.real = torch.float64 if node.wide else current.dtype
        self.suffix = f"{_TYPES[current.dtype]}_{_TYPES[self.real]}"
        self.scale = node.scale
        self.constants = (self._constants(threshold), self._constants(bias))  # C holds only their addresses
        plane = math.prod(self.shape[2:])
        size = self.channels * _pixels(samples * plane, self.channels) if self.innermost else plane
        self.blocks = math.prod(self.shape) // size
        thresholds, biases = (None if values is None else values.data_ptr() for values in self.constants)
        self.neuron = _Neuron(
            steps=steps,
            blocks=self.blocks,
            size=size,
            channels=self.channels,
            innermost=self.innermost,
            held=len(current) < steps,
            integer=node.limit is not None,
            detached=node.detach_reset,
            fires=node.fires,
            keep=node.keep,
            scale=node.scale,
            limit=float("inf") if node.limit is None else node.limit,
            alpha=node.surrogate_function.alpha if node.fires else 0.0,
            threshold=thresholds,
            bias=biases,
        )

    def _constants(self, values: Tensor | None) -> Tensor | None:
        """One value a channel, scaled."""
        if values is None:
            return None
        return (values.detach().double().flatten() * self.scale).expand(self.channels).contiguous()

    def empty(self, steps: int, dtype: torch.dtype) -> Tensor:
        """A tensor [steps, N, ...] laid out as the current."""
        samples, *shape = self.shape
        if len(shape) == 3 and self.innermost:
            flat = torch.empty((steps * samples, *shape), dtype=dtype, memory_format=torch.channels_last)
            return flat.view(steps, samples, *shape)
        return torch.empty((steps, samples, *shape), dtype=dtype)

    def copy(self, values: Tensor, dtype: torch.dtype) -> Tensor:
        """A copy [steps, N, ...], laid out so."""
        return self.empty(len(values), dtype).copy_(values)

    def laid_out(self, values: Tensor) -> Tensor:
        """The values [steps, N, ...] laid out so; copied only if they are not."""
        flat = values.flatten(0, 1)
        channels_last = flat.dim() == 4 and self.innermost
        return flat.contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)

    def sums(self) -> Tensor:
        """Room for the gradients of thresholds and biases, [threads, 2, channels]."""
        return torch.zeros(torch.get_num_threads(), 2, self.channels, dtype=torch.float64)

    def run(self, name: str, *tensors: Tensor | None) -> None:
        """All blocks through a function of the kernel; tensors with a row for each thread are the last."""
        function = getattr(library(), f"{name}_{self.suffix}")

        def portion(number: int, first: int, last: int) -> None:
            addresses = [None if tensor is None else tensor.data_ptr() for tensor in tensors]
            if name == "backward":
                addresses[-1] = cast(Tensor, tensors[-1])[number].data_ptr()
            function(
                ctypes.byref(self.neuron), ctypes.c_long(first), ctypes.c_long(last), *map(ctypes.c_void_p, addresses)
            )

        _shared_out(self.blocks, portion)


def _pixels(pixels: int, channels: int) -> int:
    """Pixels of a block: as many as divide all of them and keep the block in the first-level cache."""
    return max(n for n in range(1, max(1, _BLOCK // channels) + 1) if pixels % n == 0)


def _shared_out(blocks: int, work: Callable[[int, int, int], None]) -> None:
    """Calls work(portion, first, last) for equal portions of the blocks, one on each of torch's threads."""
    threads = torch.get_num_threads() if blocks >= _FEW_BLOCKS else 1
    bounds = [blocks * portion // threads for portion in range(threads + 1)]
    waiting = [_pool().submit(work, part, bounds[part], bounds[part + 1]) for part in range(1, threads)]
    work(0, bounds[0], bounds[1])
    for future in waiting:
        future.result()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="lif")


def fused_steps(
    node: LeakyNode, current: Tensor, v: Tensor, threshold: Tensor | None, bias: Tensor | None, steps: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Spikes, last potentials and all potentials of a node that `serves` accepts."""
    outputs = _FusedSteps.apply(current, v, threshold, bias, node, steps)  # type: ignore[no-untyped-call]
    return cast(tuple[Tensor, Tensor, Tensor], outputs)
