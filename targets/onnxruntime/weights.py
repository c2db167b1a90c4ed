"""Weights in the exported files: whatever their width, a byte each, because the runtime's integer operators take no less."""

from __future__ import annotations

from targets.network import Network
from targets.profile import Profile
from targets.stored_weight import StoredWeight

EXECUTED = "uint8 with zero point 128, accumulated in int32 (ConvInteger, MatMulInteger)"


def weights(network: Network, profile: Profile) -> tuple[StoredWeight, ...]:
    """Every weight tensor, and the bits that a value takes in the file and in memory."""
    return tuple(
        StoredWeight(name=w.name, parameters=w.size, logical_bits=w.bits, stored_bits=8, executed=EXECUTED)
        for w in network.weights
    )
