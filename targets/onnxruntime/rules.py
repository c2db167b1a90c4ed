"""What the family adds to the fit rules: the runtime computes in int32, so every intermediate result must fit it."""

from __future__ import annotations

from collections.abc import Iterator

from targets.fit import Finding, Rule
from targets.network import Network
from targets.onnxruntime.ranges import INT32_MAX, bounds
from targets.profile import Profile


def every_result_fits_int32(network: Network, profile: Profile) -> Iterator[Finding]:
    """ONNX Runtime has no wider integer arithmetic for these operators, and int32 wraps silently."""
    for population in network.populations:
        found = bounds(network, population)
        if found.largest <= INT32_MAX:
            continue
        if found.product == found.largest:
            hint = "use a smaller keep_shift, a keep with a common factor, or narrower states (state_bits)"
        else:
            hint = "use fewer fraction bits, smaller multipliers, narrower weights or a smaller fan-in"
        needed = found.largest.bit_length() + 1
        yield Finding("integer width", population.name, needed, 32, "bits", hint)


rules: tuple[Rule, ...] = (every_result_fits_int32,)
