"""A family with the simplest possible estimator, so that search is tested against budgets of any size.

It exists in tests alone: flash holds the weights at their bits, ram the membranes and one bit per spike.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from stages.snn.architecture import Architecture
from targets import families
from targets.families import Family
from targets.footprint import Footprint, Term
from targets.network import Network
from targets.profile import Profile, load_profile


class Counted(Family):
    """Counts bytes by hand."""

    def rules(self) -> tuple[()]:
        return ()

    def estimate(self, network: Network, profile: Profile) -> Footprint:
        flash = sum((weight.size * weight.bits + 7) // 8 for weight in network.weights)
        ram = sum(population.size * (population.neuron.state_bits + 1) // 8 for population in network.populations)
        return Footprint((Term("weights", "flash", flash), Term("state", "ram", ram)), "estimated", {})


def counted_profile(monkeypatch: pytest.MonkeyPatch, *, flash: int, ram: int, **limits: object) -> Profile:
    """A profile of that family with these bytes available; `limits` replace entries of its [network] table."""
    monkeypatch.setattr(families, "FAMILIES", (*families.FAMILIES, Counted("counted", "for tests")))
    board = load_profile("jetson_nano")
    region = board.memory["ram"]
    memory = {
        "flash": region.model_copy(update={"kind": "flash", "total": flash, "reserved": 0}),
        "ram": region.model_copy(update={"total": ram, "reserved": 0}),
    }
    network = board.network.model_copy(update=limits)
    return board.model_copy(update={"name": "counted", "family": "counted", "memory": memory, "network": network})


def bytes_of(architecture: Architecture, profile: Profile) -> Mapping[str, int]:
    """Bytes by region, computed afresh."""
    from stages.snn.architecture import lower

    footprint = Counted("counted", "for tests").estimate(lower(architecture, profile), profile)
    return {region: footprint.region_bytes(region) for region in footprint.regions}
