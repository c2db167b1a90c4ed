"""The memory of one network of ten million parameters in three formats: this project's, Brevitas' QCDQ, and float.

Goes in: the held-out chain, built again as a PyTorch module whose weights are Brevitas' 8-bit ones. Comes out: lines with the
peak of running above the control network, in the default session and without arena and memory pattern, by the native runtime.
The exports are of one time step with explicit states, as Brevitas writes it: the module is given its states and returns them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.onnxruntime_networks import TEN_MILLION, held_out
from targets.network import Conv, Network
from targets.onnxruntime.control import zeroed
from targets.onnxruntime.heap_model import Heap
from targets.onnxruntime.machine import natively
from targets.onnxruntime.measure import companions, peaks
from targets.onnxruntime.onnx_file import write
from targets.profile import load_profile

MOST_BYTES = 14_000_000


def compare_formats() -> Iterator[str]:
    """A line for each format; says MISSED where the bar is."""
    network = held_out()[TEN_MILLION]
    settings = natively(load_profile("jetson_nano")).settings
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        base, warm = companions(folder)
        files = {
            "spikeport": write(zeroed(network), folder / "own")["step"],
            "Brevitas QCDQ, 8 bits": _export(network, folder / "qcdq.onnx", quantized=True),
            "float32": _export(network, folder / "float.onnx", quantized=False),
        }
        measured = [
            peaks(settings, [base["step"], *files.values()], warm, default=default, agreeing=1).heaps
            for default in (False, True)
        ]
    yield f"{network.parameters:,} parameters, ONNX Runtime {settings.runtime}, peak of running one step, bytes of heap"
    yield f"{'format':<24}{'without arena':>16}{'default session':>18}"
    for index, name in enumerate(files, start=1):
        plain, default = (_above(heaps, index) for heaps in measured)
        missed = "  MISSED" if index == 1 and plain > MOST_BYTES else ""
        yield f"{name:<24}{plain:>16,}{default:>18,}{missed}"


def _above(heaps: tuple[Heap, ...], index: int) -> int:
    return heaps[index].run_bytes - heaps[0].run_bytes


def _export(network: Network, path: Path, *, quantized: bool) -> Path:
    import torch
    from brevitas.export import export_onnx_qcdq

    module = _module(network, quantized)
    states = [torch.zeros(1, *p.shape) for p in network.populations if p.fires]
    arguments = (torch.zeros(1, *network.input.shape), *states)
    names = ["input", *(f"state{index}" for index in range(len(states)))]
    outputs = ["scores", *(f"{name}.next" for name in names[1:])]
    options: dict[str, Any] = {"input_names": names, "output_names": outputs, "opset_version": 13, "dynamo": False}
    with torch.no_grad():
        if quantized:
            export_onnx_qcdq(module, args=arguments, export_path=str(path), **options)
        else:
            torch.onnx.export(module, arguments, str(path), **options)
    return path


def _module(network: Network, quantized: bool) -> Any:
    import brevitas.nn as qnn
    import torch
    from torch import nn

    class Step(nn.Module):
        """One time step of a chain of convolutions and leaky integrate-and-fire neurons; states in, states out."""

        def __init__(self) -> None:
            super().__init__()
            weights = [network.weight_of[c.weight or ""] for c in network.connections]
            strides = [c.operation.stride for c in network.connections if isinstance(c.operation, Conv)]
            kinds = (qnn.QuantConv2d, qnn.QuantLinear) if quantized else (nn.Conv2d, nn.Linear)
            extra = {"weight_bit_width": 8} if quantized else {}
            self.layers = nn.ModuleList(
                kinds[0](w.shape[1], w.shape[0], w.shape[2], stride=s, padding=w.shape[2] // 2, **extra)
                for w, s in zip(weights[:-1], strides, strict=True)
            )
            self.head = kinds[1](weights[-1].shape[1], weights[-1].shape[0], bias=True, **extra)

        def forward(self, values: torch.Tensor, *states: torch.Tensor) -> tuple[torch.Tensor, ...]:
            after = []
            for layer, state in zip(self.layers, states, strict=True):
                potential = state * 0.25 + layer(values)
                values = (potential > 1.0).to(potential.dtype)
                after.append(potential * (1 - values))
            return (self.head(values.flatten(1)), *after)

    torch.manual_seed(0)
    return Step().eval()
