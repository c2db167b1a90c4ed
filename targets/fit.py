"""Whether a network fits a target: one small function per rule, a sentence for a name, yielding all findings.

Goes in: a network (shapes are enough), a profile, and the footprint that the family estimates. Comes out: findings with the
layer, what it uses, the limit and what to do. A rule never raises and never stops at its first finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from targets.errors import DoesNotFitError
from targets.families import family_named
from targets.footprint import Footprint
from targets.network import Conv, Network
from targets.profile import Profile
from targets.sizes import format_size


@dataclass(frozen=True)
class Finding:
    """One way in which a network exceeds a target."""

    rule: str
    layer: str
    used: int
    limit: int
    unit: str
    hint: str

    def __str__(self) -> str:
        used, limit = (format_size(n) if self.unit == "B" else f"{n:,} {self.unit}" for n in (self.used, self.limit))
        return f"{self.layer}: {self.rule}: {used} of {limit}"


Rule = Callable[[Network, Profile], Iterator[Finding]]


def findings(network: Network, profile: Profile, footprint: Footprint | None = None) -> list[Finding]:
    """Everything that keeps the network off the target; empty when it fits. Estimates the footprint unless given."""
    family = family_named(profile.family)
    found = [finding for rule in (*RULES, *family.rules()) for finding in rule(network, profile)]
    if footprint is None and not found:
        footprint = family.estimate(network, profile)
    if footprint is not None:
        found += footprint_fits_every_region(footprint, profile)
    return found


def require_fit(network: Network, profile: Profile) -> None:
    """Raises:
    DoesNotFitError: the network exceeds the target; the message lists every finding.
    """
    found = findings(network, profile)
    if found:
        lines = "".join(f"\n  - {finding}" for finding in found)
        raise DoesNotFitError(f"the network does not fit {profile.name}:{lines}", found[0].hint)


def weights_have_an_allowed_width(network: Network, profile: Profile) -> Iterator[Finding]:
    """Every weight is stored in a number of bits that the target reads."""
    allowed = profile.network.weight_bits
    for weight in network.weights:
        if weight.bits not in allowed:
            hint = f"the target takes {', '.join(str(bits) for bits in allowed)} bits"
            yield Finding("weight width", weight.name, weight.bits, max(allowed), "bits", hint)


def kernels_have_an_allowed_size(network: Network, profile: Profile) -> Iterator[Finding]:
    """Every convolution's kernel is one that the target runs."""
    allowed = profile.network.kernel_sizes
    for name in sorted({c.weight for c in network.connections if isinstance(c.operation, Conv) and c.weight}):
        size = max(network.weight_of[name].shape[2:])
        if size not in allowed:
            hint = f"the target runs kernels of {', '.join(str(size) for size in allowed)}"
            yield Finding("kernel size", name, size, max(allowed), "pixels", hint)


def membranes_have_an_allowed_width(network: Network, profile: Profile) -> Iterator[Finding]:
    """No firing population needs a wider membrane potential than the target's arithmetic has."""
    for population in network.populations:
        used, limit = population.neuron.state_bits, profile.neuron.state_bits
        if population.fires and used > limit:
            yield Finding("membrane width", population.name, used, limit, "bits", "train it in the target's arithmetic")


def feedback_is_allowed(network: Network, profile: Profile) -> Iterator[Finding]:
    """Delayed connections need a target that keeps spikes from one step to the next."""
    if "feedback" in profile.network.operations:
        return
    for connection in network.connections:
        if connection.delay:
            layer = f"{connection.source} -> {connection.target}"
            yield Finding(
                "feedback", layer, connection.delay, 0, "steps", "search without feedback edges for this target"
            )


RULES: tuple[Rule, ...] = (
    weights_have_an_allowed_width,
    kernels_have_an_allowed_size,
    membranes_have_an_allowed_width,
    feedback_is_allowed,
)


def footprint_fits_every_region(footprint: Footprint, profile: Profile) -> Iterator[Finding]:
    """No region of memory holds more than is available in it."""
    for region in footprint.regions:
        used, limit = footprint.region_bytes(region), profile.memory[region].available_bytes
        if used > limit:
            worst = max((t for t in footprint.terms if t.region == region), key=lambda term: term.size_bytes)
            hint = f"{format_size(used - limit)} too much in {region}; the largest part is {worst.name}"
            yield Finding(f"memory in {region}", "network", used, limit, "B", hint)
