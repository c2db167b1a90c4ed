"""The network of the integer phase: real-valued parameters whose forward pass is the integer recurrence itself.

Comes in: a float network, whose BatchNorm is folded. Goes out: logits to train on, and the integer network to export.
Every pass quantizes the weights with Brevitas, derives integer thresholds and biases from their scales, and runs these
integers (`stages.snn.recurrence`): what is trained is what runs on the target, with zero differing spikes.

    w_int = round(w / u)    threshold_int = max(1, round(theta resolution / u))    bias_int = round(b resolution / u)

u is the scale of `stages.snn.scales`. Rounding has the identity as gradient, and thresholds let gradients through to u.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import brevitas.nn as quantized
import numpy as np
import torch
from brevitas.function.ops_ste import round_ste
from brevitas.quant import Int8WeightPerChannelFloat, Int8WeightPerTensorFloat
from numpy.typing import NDArray
from spikingjelly.activation_based import surrogate
from torch import Tensor, nn

from stages.snn.float_network import FloatNetwork, key
from stages.snn.folding import folded
from stages.snn.recurrence import Integers, Recurrence, per_channel
from stages.snn.scales import Limits, SharedScale, ties
from stages.snn.wiring import Activity
from targets.network import Conv, Network, Weight
from targets.reference import Trace

WeightScale = Literal["per_channel", "per_tensor"]


class IntegerNetwork(nn.Module):
    """Real-valued weights and biases, seen by the forward pass as integers only.

    Args:
        network: Topology, bits, thresholds and gains; its values are ignored.
        weights: Real-valued weights by name; the spikes of a source count 1, its pixels 1 / levels.
        biases: Real-valued bias [channels] by population, in units of theta; absent for those that only pool.
        weight_scale: One scale per output channel, or one for all; the readout's weights always have one.
        limits: What the target can store.
        surrogate_function: Surrogate gradient of all populations; ATan with alpha 2 if left out.
    """

    def __init__(
        self,
        network: Network,
        weights: Mapping[str, Tensor],
        biases: Mapping[str, Tensor],
        weight_scale: WeightScale = "per_channel",
        limits: Limits | None = None,
        surrogate_function: surrogate.SurrogateFunctionBase | None = None,
    ) -> None:
        super().__init__()
        self.network = network.without_values()
        self.recurrence = Recurrence(network, surrogate_function)
        self.biases = nn.ParameterDict({key(name): nn.Parameter(bias.clone()) for name, bias in biases.items()})
        parameters = {
            w.name: nn.Parameter(weights[w.name].clone(), requires_grad=w.constant is None) for w in network.weights
        }
        self.layers, self.scales = nn.ModuleDict(), nn.ModuleDict()
        for tie in ties(self.network):
            # the scores of classes are compared with each other: they need one unit
            scalar = weight_scale == "per_tensor" or any(not population.fires for population in tie.populations)
            bias_of = {p.name: self.biases[key(p.name)] for p in tie.populations}
            scale = SharedScale(self.network, tie, parameters, bias_of, scalar, limits or Limits())
            for weight in tie.weights:
                self.layers[key(weight.name)] = _layer(weight, parameters[weight.name], self._groups(weight), scale)
            for population in tie.populations:
                self.scales[key(population.name)] = scale

    @classmethod
    def from_float(
        cls, network: FloatNetwork, weight_scale: WeightScale = "per_channel", limits: Limits | None = None
    ) -> IntegerNetwork:
        """The float network, folded."""
        node = network.node(network.network.readout)
        return cls(network.network, *folded(network), weight_scale, limits, node.surrogate_function)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits [N, classes] of uint8 inputs, as `run` takes them."""
        return self.run(inputs).logits

    def run(self, inputs: Tensor) -> Activity:
        """One inference of pixels [N, *shape] or 0/1 spikes [N, T, *shape] in whole numbers, scores in real units."""
        readout = self.network.readout
        spikes, scores, arrived = self.recurrence(inputs, self.integers())
        one = self.unit(readout.name) / readout.resolution
        mean = one / (self.network.timesteps * 2**readout.neuron.fraction_bits)
        return Activity(spikes, (scores * mean).flatten(1).float(), (arrived * one).float())

    def integers(self) -> Integers:
        """The whole numbers that the parameters stand for, differentiable."""
        weights, thresholds, biases = {}, {}, {}
        for weight in self.network.weights:
            held = self._layer(weight).quant_weight()
            # value is integer times scale, rounded to float32: the quotient is not always whole
            weights[weight.name] = round_ste(held.value / held.scale)
        for population in self.network.populations:
            if key(population.name) not in self.biases:
                continue
            unit = self.unit(population.name) / population.resolution
            if population.fires:
                threshold = round_ste(population.theta / unit).clamp(min=1).expand(population.channels)
                thresholds[population.name] = per_channel(threshold, population)
            bias = round_ste(self.biases[key(population.name)] / unit)
            biases[population.name] = per_channel(bias, population)
        return Integers(weights, thresholds, biases)

    def unit(self, population: str) -> Tensor:
        """The real size of one integer step of a population's weights, [channels] or [1]; 1 where it has no weights."""
        if key(population) not in self.scales:
            return next(self.parameters()).new_ones(1)
        return cast(SharedScale, self.scales[key(population)]).unit()

    def _layer(self, weight: Weight) -> Any:
        return self.layers[key(weight.name)]

    def _groups(self, weight: Weight) -> int:
        operation = next(c.operation for c in self.network.connections if c.weight == weight.name)
        return operation.groups if isinstance(operation, Conv) else 1


def integers(module: IntegerNetwork) -> Network:
    """The integer network with the values that the module has come to."""

    def whole(values: Tensor) -> NDArray[np.int64]:
        return values.detach().cpu().double().round().numpy().astype(np.int64)

    found, network = module.integers(), module.network
    zeros = {p.name: np.zeros(p.channels, np.int64) for p in network.populations}
    return network.with_values(
        {name: whole(values) for name, values in found.weights.items()},
        {**zeros, **{name: whole(values.flatten()) for name, values in found.thresholds.items()}},
        {**zeros, **{name: whole(values.flatten()) for name, values in found.biases.items()}},
    )


def trace(module: IntegerNetwork, inputs: NDArray[np.uint8]) -> Trace:
    """Spikes, membrane potentials and scores of the module's own forward pass, comparable with the reference's."""
    with torch.no_grad():
        return module.recurrence.trace(inputs, module.integers())


def _layer(weight: Weight, values: nn.Parameter, groups: int, scale: SharedScale) -> nn.Module:
    """A Brevitas layer that holds a weight and its quantizer; its own forward pass is not used."""
    quantizer = Int8WeightPerTensorFloat if scale.scalar else Int8WeightPerChannelFloat
    options = {
        "bias": False,
        "weight_quant": quantizer,
        "weight_bit_width": weight.bits,
        "weight_scaling_impl": scale,
    }
    if len(weight.shape) == 2:
        layer: Any = quantized.QuantLinear(weight.shape[1], weight.shape[0], **options)
    else:
        out, inner, *kernel = weight.shape
        layer = quantized.QuantConv2d(inner * groups, out, tuple(kernel), groups=groups, **options)
    layer.weight = values
    return cast(nn.Module, layer)
