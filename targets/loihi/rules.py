"""What a Loihi board cannot run, beyond the rules that hold for all targets.

Comes in: a network, with or without values, and a profile. Goes out: findings. Rules about registers look at trained values
where they exist; before training they hold what shapes and bits alone imply, so that search never builds what cannot be
exported. What training must still take care of: a bias is a signed mantissa of 13 bits and a threshold one of 17, both in
units of the synaptic sum, and all neurons of a population share one threshold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from targets.fit import Finding, Rule
from targets.loihi import cores
from targets.loihi.graph import UNREACHABLE_THRESHOLD, Synapses, graph_for, weight_range, weights
from targets.loihi.settings import Settings
from targets.network import INPUT, Dense, Network, Population
from targets.profile import Profile

FRACTION_BITS, STATE_BITS = 6, 24
#: A synaptic sum is kept 6 bits further left in a register of 24 bits.
LARGEST_CURRENT = 2 ** (STATE_BITS - 1 - FRACTION_BITS) - 1
#: Lava wraps the sum of one convolution at 24 bits, before that shift.
LARGEST_SUM = 2 ** (STATE_BITS - 1) - 1
_LEAST_WEIGHT, _GREATEST_WEIGHT = -256, 254


@dataclass(frozen=True)
class Sum:
    """Least and greatest current that connections can deliver to a neuron of a population in one step."""

    low: int
    high: int

    @property
    def magnitude(self) -> int:
        """The larger of both, as a magnitude."""
        return max(-self.low, self.high)


def neurons_have_loihis_arithmetic(network: Network, profile: Profile) -> Iterator[Finding]:
    """Populations that fire leak in Loihi's fixed point; the readout does not leak, or does so in the same fixed point."""
    for population in network.populations:
        neuron = population.neuron
        same = (neuron.fraction_bits, neuron.state_bits, neuron.current_bits) == (FRACTION_BITS, STATE_BITS, STATE_BITS)
        integrates = neuron.fraction_bits == 0 and neuron.keep == 2**neuron.keep_shift
        if not same and (population.fires or not integrates):
            hint = "build the network with this profile's neuron: 6 fraction bits, 24-bit state and current"
            yield Finding(
                "neuron arithmetic", population.name, neuron.fraction_bits, FRACTION_BITS, "fraction bits", hint
            )


def dense_layers_listen_to_few_enough(network: Network, profile: Profile) -> Iterator[Finding]:
    """Each neuron that a dense layer reads takes one input axon on every core of the layer."""
    limit = _settings(profile).input_axons_per_core
    for population in network.populations:
        sources = [c for c in network.into(population.name) if isinstance(c.operation, Dense)]
        used = sum(network.weight_of[c.weight or ""].shape[1] for c in sources)
        if used > limit:
            hint = "pool or stride before the dense layer, or use fewer channels"
            yield Finding("fan-in", population.name, used, limit, "input axons", hint)


def weights_times_multiplier_fit_a_synapse(network: Network, profile: Profile) -> Iterator[Finding]:
    """An effective weight is m * 2**k with m of 8 bits and one k per layer: -128 to 127, or even and -256 to 254."""
    for group in graph_for(network, profile).on_chip:
        if group.connection is None:
            continue
        low, high = weight_range(network, group)
        wide = low < -128 or high > 127
        odd = wide and _may_be_odd(network, group)
        if low < _LEAST_WEIGHT or high > _GREATEST_WEIGHT or odd:
            layer = f"{group.source} -> {group.target}"
            hint = (
                f"weights of fewer bits leave room for the multiplier {group.connection.multiplier}; "
                "it is 1 unless pixels and spikes meet in a population"
            )
            limit = 127 if odd else _GREATEST_WEIGHT
            yield Finding("effective weight", layer, max(-low, high), limit, "units", hint)


def thresholds_fit_and_are_shared(network: Network, profile: Profile) -> Iterator[Finding]:
    """One unsigned mantissa for a whole population."""
    limit = profile.neuron.largest_threshold or UNREACHABLE_THRESHOLD
    for population in network.populations:
        if population.threshold is None:
            continue
        different = len(np.unique(population.threshold))
        if different > 1:
            hint = "train with weight_scale = per_tensor, so that all channels have one threshold"
            yield Finding("thresholds of one population", population.name, different, 1, "values", hint)
        if int(population.threshold.max()) > limit:
            hint = "weights of fewer bits, or a lower resolution, make thresholds smaller"
            yield Finding("threshold", population.name, int(population.threshold.max()), limit, "units", hint)


def biases_fit(network: Network, profile: Profile) -> Iterator[Finding]:
    """A signed mantissa per neuron; on Loihi 1 it also carries the pixels' current."""
    limit = profile.neuron.largest_bias or LARGEST_CURRENT
    graph = graph_for(network, profile)
    for population in network.populations:
        pixels = _largest(network, [g for g in graph.on_host if g.target == population.name])
        bias = 0 if population.bias is None else int(np.abs(population.bias).max())
        if bias + pixels.magnitude > limit:
            hint = (
                "weights of fewer bits make biases smaller"
                if pixels.magnitude == 0
                else "fewer bits of pixels (neuron.pixel_shift) or of weights, or a smaller first kernel"
            )
            yield Finding("bias", population.name, bias + pixels.magnitude, limit, "units", hint)


def sums_stay_inside_the_registers(network: Network, profile: Profile) -> Iterator[Finding]:
    """No synaptic sum leaves 24 bits; none wraps after the shift where the host adds a part of it outside of the wrap."""
    graph = graph_for(network, profile)
    fed_by_host = {group.target for group in graph.on_host}
    for population in network.populations:
        limit = LARGEST_CURRENT if population.name in fed_by_host else LARGEST_SUM
        used = _largest(network, [g for g in graph.synapses if g.target == population.name]).magnitude
        if used > limit:
            hint = "weights or pixels of fewer bits, or a smaller fan-in"
            yield Finding("synaptic sum", population.name, used, limit, "units", hint)


def readout_never_clips(network: Network, profile: Profile) -> Iterator[Finding]:
    """The readout adds up over all steps and must neither clip nor reach its threshold, or scores would differ."""
    readout = network.readout
    incoming = [g for g in graph_for(network, profile).synapses if g.target == readout.name]
    used = network.timesteps * _largest(network, incoming, readout).magnitude
    if used > UNREACHABLE_THRESHOLD:
        hint = "weights of fewer bits, pooling before the classifier, or fewer timesteps"
        yield Finding("readout's largest potential", readout.name, used, UNREACHABLE_THRESHOLD, "units", hint)


def network_fits_the_cores(network: Network, profile: Profile) -> Iterator[Finding]:
    """No more cores than the board has, by the published packing rules (Loihi 1) or a lower bound (Loihi 2)."""
    settings = _settings(profile)
    graph = graph_for(network, profile)
    for layer, used, limit, unit in cores.excesses(network, graph, settings):
        yield Finding("core", layer, used, limit, unit, "use fewer channels, a smaller image or weights of fewer bits")


rules: tuple[Rule, ...] = (
    neurons_have_loihis_arithmetic,
    dense_layers_listen_to_few_enough,
    weights_times_multiplier_fit_a_synapse,
    thresholds_fit_and_are_shared,
    biases_fit,
    sums_stay_inside_the_registers,
    readout_never_clips,
    network_fits_the_cores,
)


def _settings(profile: Profile) -> Settings:
    settings: Settings = profile.settings
    return settings


def _may_be_odd(network: Network, group: Synapses) -> bool:
    connection = group.connection
    if connection is None or connection.multiplier % 2 == 0:
        return False
    known = connection.weight is None or network.weight_of[connection.weight].values is not None
    return not known or bool(np.any(weights(network, group) % 2))


def _largest(network: Network, groups: list[Synapses], readout: Population | None = None) -> Sum:
    """Bounds of the sum of all groups (and of the bias, for a readout), by target channel where values are known."""
    low = high = np.zeros(1, np.int64)
    for group in groups:
        name = group.connection.source if group.connection else ""
        most = network.levels_of(name) - 1 if name == INPUT else 1
        known = group.connection is None or group.connection.weight is None
        known = known or network.weight_of[group.connection.weight].values is not None  # type: ignore[union-attr, index]
        if known:
            flat = weights(network, group).reshape(group.kernel[0], -1).astype(np.int64)
            low, high = low + most * np.minimum(flat, 0).sum(1), high + most * np.maximum(flat, 0).sum(1)
        else:
            least, greatest = weight_range(network, group)
            low, high = low + most * group.fan_in * least, high + most * group.fan_in * greatest
    if readout is not None and readout.bias is not None:
        low, high = low + readout.bias, high + readout.bias
    return Sum(int(low.min()), int(high.max()))
