"""Weights on Loihi: a signed mantissa of 8 bits and one exponent per layer, however few bits were trained."""

from __future__ import annotations

from targets.network import Network
from targets.profile import Profile
from targets.stored_weight import StoredWeight

_EXECUTED = "8-bit mantissa, one power of two per layer, accumulated in 24 bits (as Lava's fixed-point models keep it)"


def weights(network: Network, profile: Profile) -> tuple[StoredWeight, ...]:
    """Every weight tensor, and the bits that Lava's compiled executable gives a value; `cores.json` tells what a core packs."""
    return tuple(
        StoredWeight(name=w.name, parameters=w.size, logical_bits=w.bits, stored_bits=8, executed=_EXECUTED)
        for w in network.weights
    )
