"""What the family's kernels cannot run, as `targets.fit` rules."""

from __future__ import annotations

from collections.abc import Iterator

from targets.bounds import potential_bound
from targets.fit import Finding
from targets.network import Conv, Network, Pool
from targets.profile import Profile

_INT32 = 2**31 - 1


def potentials_fit_32_bits(network: Network, profile: Profile) -> Iterator[Finding]:
    """No sum of currents and no product with the leak leaves 32 bits, where C leaves the result undefined."""
    for population in network.populations:
        bound, neuron = potential_bound(network, population), population.neuron
        used = max(bound.magnitude, min(bound.magnitude, neuron.limit) * max(1, neuron.keep))
        if used > _INT32:
            hint = "use narrower weights, a smaller kernel or a larger pixel_shift"
            yield Finding("membrane arithmetic", population.name, used.bit_length() + 1, 32, "bits", hint)


def currents_do_not_wrap(network: Network, profile: Profile) -> Iterator[Finding]:
    """The kernels add in 16 or 32 bits; a narrower register of currents is Loihi's."""
    for population in network.populations:
        if population.neuron.current_bits is not None:
            bits = population.neuron.current_bits
            yield Finding("current width", population.name, bits, 32, "bits", "train in the target's arithmetic")


def shapes_fit_descriptors(network: Network, profile: Profile) -> Iterator[Finding]:
    """Descriptors hold 16-bit sizes (spikes of a step: in 32-bit words), 8-bit kernels and 8-bit counts."""
    for population in network.populations:
        if population.size > 65535 * 32:
            yield Finding("size", population.name, population.size, 65535 * 32, "neurons", "use a smaller layer")
        largest = max(population.shape)
        if largest > 65535:
            yield Finding("size of an axis", population.name, largest, 65535, "neurons", "use a smaller layer")
        count = len(network.into(population.name))
        if count > 255:
            yield Finding("incoming connections", population.name, count, 255, "connections", "use a smaller cell")
    for connection in network.connections:
        operation, kernel = connection.operation, 0
        if isinstance(operation, Conv) and connection.weight:
            kernel = max(network.weight_of[connection.weight].shape[2:])
        elif isinstance(operation, Pool):
            kernel = operation.kernel
        if kernel > 255:
            layer = f"{connection.source} -> {connection.target}"
            yield Finding("kernel size", layer, kernel, 255, "pixels", "use a smaller kernel")


rules = (potentials_fit_32_bits, currents_do_not_wrap, shapes_fit_descriptors)
