"""Measures an exported folder: linked against the board's memory map, taken apart by section and symbol, run on an emulated core.

Two variants are built from the same files. The firmware is what is measured and what gives the scores. The test build records
the membrane potential of every neuron in every step besides; it never counts for sizes, and its scores must be the same.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from targets.cortex_m.emulator import Emulator, Memory, unicorn_version
from targets.cortex_m.estimate import planned
from targets.cortex_m.firmware import Firmware, build, flash_terms, ram_terms
from targets.cortex_m.frames import SPIKE, frames_of, is_streamed, recorded
from targets.cortex_m.memory_map import origin, roomy_script
from targets.cortex_m.parallel import on_each
from targets.cortex_m.parts import parts_of
from targets.cortex_m.plan import Plan
from targets.cortex_m.platform import platform_for
from targets.cortex_m.settings import Settings
from targets.cortex_m.toolchain import Toolchain
from targets.errors import ParityError
from targets.footprint import Footprint, Term, Venue
from targets.network import Network
from targets.network_file import write_atomically
from targets.profile import Profile
from targets.reference import Trace, check_inputs
from targets.tool import Tool

_MIB = 1 << 20


@dataclass(frozen=True)
class Run:
    """One inference of the firmware, counted."""

    instructions: int
    stack_bytes: int
    painted_bytes: int


def venue(profile: Profile) -> Venue:
    """Everywhere the same: a core that Unicorn emulates."""
    return Venue("emulated", profile)


def tools(profile: Profile) -> Sequence[Tool]:
    """For `doctor`: the compiler that the profile names."""
    settings: Settings = profile.settings
    return [Toolchain(settings.toolchain, settings.core).tool()]


def measure(folder: Path, network: Network, profile: Profile) -> Footprint:
    """Every term of `estimate`, from the linked firmware and one inference on the emulated core.

    Raises:
        LinkerRefusalError: the firmware exceeds the board's memory.
        ToolMissingError: the compiler or the emulator is missing.
        VerificationError: the firmware faults or hangs.
    """
    settings: Settings = profile.settings
    firmware = link(folder, profile)
    stack = Term("stack", settings.ram[0], deepest_stack(firmware, network, profile))
    terms = (*flash_terms(firmware, profile), *ram_terms(firmware, profile), stack)
    toolchain = Toolchain(settings.toolchain, settings.core)
    used = {
        settings.toolchain: toolchain.version,
        "flags": toolchain.flags_in_words,
        "unicorn": unicorn_version(),
    }
    return Footprint(terms, "emulated", used)


def execute(folder: Path, network: Network, profile: Profile, inputs: NDArray[np.uint8]) -> Trace:
    """Spikes and membrane potentials of the test build, scores of the firmware itself.

    Raises:
        ParityError: the two builds give different scores.
    """
    check_inputs(network, inputs)
    plan = _plan(network, profile)
    scores = _scores(link(folder, profile), plan, _memories(profile), profile, inputs)
    recordings, traced = _recordings(folder, plan, profile, inputs)
    if not np.array_equal(scores, traced):
        raise ParityError("the measured firmware and its test build give different scores", "report this as a bug")
    values = recorded(plan, recordings)
    firing = [p.name for p in network.populations if p.fires]
    membranes = {name: np.where(v == SPIKE, 0, v) for name, v in values.items()}
    spikes = {name: (values[name] == SPIKE).astype(np.uint8) for name in firing}
    return Trace(spikes, {p.name: membranes[p.name] for p in network.populations}, scores)


def link(folder: Path, profile: Profile) -> Firmware:
    """The firmware of an exported folder, linked against the board's memory map.

    Raises:
        LinkerRefusalError: it does not fit; the overflow is in the error.
    """
    return _built(folder, profile, folder / "firmware/firmware.ld", trace=False)


def deepest_stack(firmware: Firmware, network: Network, profile: Profile) -> int:
    """Bytes of stack of one inference: where each called function begins, and the frame that the linker's output says it has.

    A synaptic kernel whose source did not spike in that inference counts as if its caller had called it.
    """
    plan = _plan(network, profile)
    emulator = Emulator(firmware, profile.settings.core, _memories(profile))
    with emulator.watch_entries() as lowest:
        emulator.infer(frames_of(plan, _busy_sample(network)), is_streamed(plan))
    scatter, arrive = firmware.address("snn_scatter"), firmware.address("arrive")
    for name in parts_of(network, plan.schedule.layers).for_spikes:
        address = firmware.address(name)
        if address not in lowest:
            lowest[address] = lowest[scatter] - firmware.frames[scatter] - firmware.frames[arrive]
    reset = firmware.frames[firmware.address("firmware_reset")]  # entered before it is watched
    below = (emulator.stack_top - pointer + firmware.frames[address] for address, pointer in lowest.items())
    return max([reset, *below])


def counted_run(firmware: Firmware, network: Network, profile: Profile, sample: NDArray[np.uint8]) -> Run:
    """Instructions of one inference and its stack, block by block: slow, for benchmarks and as a check of `deepest_stack`."""
    plan = _plan(network, profile)
    emulator = Emulator(firmware, profile.settings.core, _memories(profile))
    low = emulator.stack_top - firmware.elf.get_section_by_name(".stack")["sh_size"]
    emulator.paint(low)
    with emulator.watch() as counters:
        emulator.infer(frames_of(plan, sample), is_streamed(plan))
    stack = emulator.stack_top - counters.lowest_stack_pointer
    return Run(counters.instructions, stack, emulator.painted_over(low))


def executed_instructions(firmware: Firmware, network: Network, profile: Profile, sample: NDArray[np.uint8]) -> int:
    """Instructions that one inference executes; those that a condition skips do not count."""
    plan = _plan(network, profile)
    emulator = Emulator(firmware, profile.settings.core, _memories(profile))
    return emulator.count(frames_of(plan, sample), is_streamed(plan))


def _busy_sample(network: Network) -> NDArray[np.uint8]:
    shape = (network.timesteps, *network.input.shape) if network.input.spiking else network.input.shape
    values = np.random.default_rng(0).integers(0, 2 if network.input.spiking else 256, shape)
    return values.astype(np.uint8)


def _built(folder: Path, profile: Profile, script: Path, trace: bool) -> Firmware:
    settings: Settings = profile.settings
    with tempfile.TemporaryDirectory() as work:
        target = Path(work) / "firmware.elf"
        build(folder, Toolchain(settings.toolchain, settings.core), script, target, trace)
        return Firmware(target.read_bytes())


def _plan(network: Network, profile: Profile) -> Plan:
    settings: Settings = profile.settings
    return planned(network, profile, platform_for(settings.toolchain, settings.core)[0])


def _memories(profile: Profile) -> list[Memory]:
    settings: Settings = profile.settings
    names = (settings.flash, *settings.ram)
    return [Memory(origin(profile, name), profile.memory[name].available_bytes) for name in names]


def _scores(
    firmware: Firmware, plan: Plan, memories: list[Memory], profile: Profile, inputs: NDArray[np.uint8]
) -> NDArray[np.int32]:
    def infer(emulator: Emulator, sample: NDArray[np.uint8]) -> NDArray[np.int32]:
        return emulator.infer(frames_of(plan, sample), is_streamed(plan))

    return np.stack(on_each(lambda: Emulator(firmware, profile.settings.core, memories), infer, list(inputs)))


def _recordings(
    folder: Path, plan: Plan, profile: Profile, inputs: NDArray[np.uint8]
) -> tuple[list[NDArray[np.int32]], NDArray[np.int32]]:
    """Recordings and scores of the test build, in a memory map with room for it."""
    settings: Settings = profile.settings
    with tempfile.TemporaryDirectory() as work:
        script = Path(work) / "roomy.ld"
        write_atomically(script, roomy_script(profile).encode())
        firmware = _built(folder, profile, script, trace=True)
    words = plan.network.timesteps * sum(layer.population.size for layer in plan.schedule.layers)
    memories = [Memory(0, 64 * _MIB), Memory(0x20000000, 64 * _MIB * len(settings.ram))]

    def record(emulator: Emulator, sample: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        scores = emulator.infer(frames_of(plan, sample), is_streamed(plan))
        return emulator.trace(), scores

    found = on_each(lambda: Emulator(firmware, settings.core, memories, words), record, list(inputs))
    return [recording for recording, _ in found], np.stack([scores for _, scores in found])
