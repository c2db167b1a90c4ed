"""The program that is exported, decided once: schedule, buffers and their addresses. Estimator and exporter read this one object.

Comes in: a network (shapes are enough) and a profile. Goes out: a Plan. Which schedule: the one that the profile asks for,
or, when it says `auto`,

- feedback (delayed connections): streaming, nothing else can run it;
- spikes as input: streaming, so that frames need not be collected; time-batched if only that fits;
- pixels as input: whichever needs less RAM (streaming when equal). Time-batched keeps a first layer's constant current where
  the memory has room for it, and computes it again in every step where not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from targets.cortex_m.lowering import Link, layers
from targets.cortex_m.packing import Packing
from targets.cortex_m.placement import Buffer, Placement, place
from targets.cortex_m.schedule import Schedule, batched, has_feedback, streaming
from targets.cortex_m.settings import Settings
from targets.errors import UnsupportedOperationError
from targets.network import Network
from targets.profile import Profile


@dataclass(frozen=True)
class Area:
    """All buffers of one kind ("membranes" or "spikes") in one memory region: one C array."""

    kind: str
    region: str
    placement: Placement

    @property
    def symbol(self) -> str:
        """Name of the C array."""
        return f"snn_{self.kind}_{self.region}"


@dataclass(frozen=True)
class Plan:
    """A schedule with an address for everything."""

    network: Network
    schedule: Schedule
    areas: tuple[Area, ...]

    @property
    def input_bytes(self) -> int:
        """Bytes that the application provides: an image, one frame of spikes (streaming), or the frames of all steps."""
        frames = self.network.timesteps if self.network.input.spiking and self.schedule.name == "batched" else 1
        return frames * self.frame_bytes

    @property
    def frame_bytes(self) -> int:
        """Bytes of an image, or of the bit-packed spikes of one step, in whole words."""
        size = prod(self.network.input.shape)
        return -(-size // 32) * 4 if self.network.input.spiking else size

    @property
    def scores_bytes(self) -> int:
        """Bytes of the readout's membrane potentials."""
        return 4 * self.network.readout.size

    @property
    def links(self) -> Iterator[Link]:
        """All connections, layer by layer in the order of computation."""
        return (link for layer in self.schedule.layers for link in layer.links)

    @property
    def weights(self) -> Mapping[str, Packing]:
        """Packed weights by the name under which links refer to them; shared ones appear once."""
        return {link.stored: link.packing for link in self.links if link.stored and link.packing}

    def address(self, kind: str, name: str) -> tuple[str, int]:
        """C array and offset in bytes of a buffer."""
        area = next(a for a in self.areas if a.kind == kind and name in a.placement.offsets)
        return area.symbol, area.placement.offsets[name]

    def area_bytes(self, kind: str) -> Mapping[str, int]:
        """Bytes of one kind by region, without empty ones."""
        return {a.region: a.placement.size_bytes for a in self.areas if a.kind == kind and a.placement.size_bytes}


def make_plan(network: Network, profile: Profile, fixed_bytes: int) -> Plan:
    """The program for a target; `fixed_bytes` of the first RAM region go to the stack and the runtime.

    A network that fits nowhere is planned as well, so that its shortage can be told.

    Raises:
        UnsupportedOperationError: the profile asks for the time-batched schedule, the network has feedback.
    """
    settings: Settings = profile.settings
    lowered = layers(network)
    needed = fixed_bytes + 4 * network.readout.size

    def placed(schedule: Schedule) -> tuple[int, int, Plan]:
        plan = _placed(network, schedule, settings, profile, needed)
        total = plan.input_bytes + sum(area.placement.size_bytes for area in plan.areas)
        return _shortage(plan, profile, needed + plan.input_bytes), total, plan

    options: list[tuple[int, int, Plan]] = []
    if settings.schedule != "batched":
        options.append(placed(streaming(network, lowered)))
    if settings.schedule != "streaming" and not has_feedback(network):
        options.append(placed(batched(network, lowered, keep_currents=False)))
    if not options:
        raise UnsupportedOperationError(
            f"{profile.name} asks for the time-batched schedule, which cannot run feedback",
            'set schedule = "auto" in [cortex_m] of the profile, or search without feedback edges',
        )
    # min takes the first of equals: streaming
    _, _, chosen = min(options, key=lambda option: (option[0], 0 if network.input.spiking else option[1]))
    if chosen.schedule.name == "batched" and not network.input.spiking:
        short, _, keeping = placed(batched(network, lowered, keep_currents=True))
        chosen = keeping if short == 0 else chosen
    return chosen


def _placed(network: Network, schedule: Schedule, settings: Settings, profile: Profile, needed: int) -> Plan:
    """Buffers in the first region; those that do not fit there, largest first, in the next one that has room."""
    kinds: dict[str, Sequence[Buffer]] = {"membranes": schedule.membranes, "spikes": schedule.spikes}
    whole = Plan(network, schedule, tuple(Area(k, settings.ram[0], place(b)) for k, b in kinds.items()))
    if len(settings.ram) == 1 or _shortage(whole, profile, needed + whole.input_bytes) == 0:
        return whole
    capacity = {region: profile.memory[region].available_bytes for region in settings.ram}
    capacity[settings.ram[0]] -= needed + whole.input_bytes
    chosen: dict[tuple[str, str], list[Buffer]] = {}
    ordered = sorted(((k, b) for k, buffers in kinds.items() for b in buffers), key=lambda item: -item[1].size_bytes)
    for kind, buffer in ordered:
        region = next((r for r in settings.ram if _fits(chosen, kind, buffer, r, capacity[r])), settings.ram[0])
        chosen.setdefault((kind, region), []).append(buffer)
    areas = (Area(kind, region, place(buffers)) for (kind, region), buffers in chosen.items())
    return Plan(network, schedule, tuple(sorted(areas, key=lambda a: (a.kind, settings.ram.index(a.region)))))


def _fits(
    chosen: Mapping[tuple[str, str], Sequence[Buffer]], kind: str, buffer: Buffer, region: str, capacity: int
) -> bool:
    sizes: Iterable[int] = (
        place([*chosen.get((k, region), ()), *([buffer] if k == kind else [])]).size_bytes
        for k in ("membranes", "spikes")
    )
    return sum(sizes) <= capacity


def _shortage(plan: Plan, profile: Profile, first_region_bytes: int) -> int:
    """Bytes that are missing over all regions; 0 when the plan fits."""
    used: dict[str, int] = {profile.settings.ram[0]: first_region_bytes}
    for area in plan.areas:
        used[area.region] = used.get(area.region, 0) + area.placement.size_bytes
    return sum(max(0, size - profile.memory[region].available_bytes) for region, size in used.items())
