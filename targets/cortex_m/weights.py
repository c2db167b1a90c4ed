"""Weights in flash: packed at the narrowest of 2, 4 and 8 bits that holds them, and widened when a spike meets them."""

from __future__ import annotations

from targets.cortex_m.packing import stored_bits
from targets.network import Network
from targets.profile import Profile
from targets.stored_weight import StoredWeight


def weights(network: Network, profile: Profile) -> tuple[StoredWeight, ...]:
    """Every weight tensor, and the bits that a value takes in flash."""
    return tuple(
        StoredWeight(
            name=weight.name,
            parameters=weight.size,
            logical_bits=weight.bits,
            stored_bits=stored_bits(weight.bits),
            executed="added to a membrane potential of 16 or 32 bits",
        )
        for weight in network.weights
    )
