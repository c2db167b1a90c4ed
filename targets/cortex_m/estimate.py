"""The footprint of a network on a Cortex-M, from shapes and bits alone: exact bytes of the model plus the platform's constants.

Comes in: a network and a profile. Goes out: a Footprint whose terms `measure` finds again in the linked firmware.

    flash   weights, neurons (thresholds, biases), descriptors, code (of the kernels that are used), vectors
    ram     membranes, spikes, scores, input, runtime, and the deepest stack
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from targets.cortex_m.lowering import Layer, layers
from targets.cortex_m.parts import parts_of
from targets.cortex_m.plan import Plan, make_plan
from targets.cortex_m.platform import Platform, laid_out, platform_for
from targets.cortex_m.settings import Settings
from targets.footprint import Footprint, Term
from targets.network import Network
from targets.profile import Profile

#: Bytes of the C structures on a 32-bit core; snn_model.c asserts them.
LAYER_BYTES, LINK_BYTES, DELAY_BYTES, MODEL_BYTES = 36, 32, 12, 36


@dataclass(frozen=True)
class Costs:
    """What the platform adds to a model."""

    vectors: int
    code: int
    runtime: int
    stack: int


def estimate(network: Network, profile: Profile) -> Footprint:
    """All terms in bytes.

    Raises:
        ToolMissingError: the profile's compiler is neither installed nor known.
    """
    settings: Settings = profile.settings
    platform, version = platform_for(settings.toolchain, settings.core)
    plan = planned(network, profile, platform)
    terms = [Term(name, settings.flash, size) for name, size in _flash(plan, platform) if size]
    terms += [Term(name, region, size) for name, region, size in _ram(plan, platform, settings.ram[0]) if size]
    return Footprint(tuple(terms), "estimated", {settings.toolchain: version})


def planned(network: Network, profile: Profile, platform: Platform) -> Plan:
    """The program, placed beside the stack and the runtime of the kernels that it uses."""
    used = parts_of(network, layers(network))
    size = laid_out(platform.kept(used.symbols))
    deepest = max(platform.stack_bytes(used, streamed) for streamed in (False, True))
    return make_plan(network, profile, size.bss + deepest)


def costs(plan: Plan, platform: Platform) -> Costs:
    """Code, fixed RAM and stack of the kernels that a plan uses."""
    used = parts_of(plan.network, plan.schedule.layers, plan.schedule)
    size = laid_out(platform.kept(used.symbols))
    frames_arrive_one_by_one = plan.network.input.spiking and plan.schedule.name == "streaming"
    stack = platform.stack_bytes(used, frames_arrive_one_by_one)
    return Costs(size.vectors, size.code + size.rodata, size.bss, stack)


def _flash(plan: Plan, platform: Platform) -> Iterable[tuple[str, int]]:
    cost, scheduled = costs(plan, platform), plan.schedule.layers
    yield "weights", sum(packing.size_bytes for packing in plan.weights.values())
    yield "neurons", sum(neuron_bytes(layer) for layer in scheduled)
    delays = DELAY_BYTES * len(plan.schedule.delayed)
    yield "descriptors", MODEL_BYTES + LAYER_BYTES * len(scheduled) + LINK_BYTES * len(list(plan.links)) + delays
    yield "code", cost.code
    yield "vectors", cost.vectors


def _ram(plan: Plan, platform: Platform, first: str) -> Iterable[tuple[str, str, int]]:
    cost = costs(plan, platform)
    for kind in ("membranes", "spikes"):
        for region, size in plan.area_bytes(kind).items():
            yield kind, region, size
    yield "scores", first, plan.scores_bytes
    yield "input", first, -(-plan.input_bytes // 4) * 4
    yield "runtime", first, cost.runtime
    yield "stack", first, cost.stack


def neuron_bytes(layer: Layer) -> int:
    """Biases and thresholds of a layer, together in whole words."""
    vectors = 0 if layer.is_pool else 2 if layer.population.fires else 1
    return int(-(-vectors * layer.population.channels * layer.width // 32) * 4)
