"""Cortex-M firmware against its bars: `python -m benchmarks.cortex_m [random networks]`.

Prints, with every compiler that is installed: estimated against measured bytes on networks that nothing was calibrated with;
spikes, membrane potentials and scores of random networks against the reference; instructions and bytes of one image network
at 10 % spikes. Exits with 1 if a bar is missed. Everything runs on an emulated core (Unicorn).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.cortex_m_networks import image_network
from targets.cortex_m.estimate import estimate
from targets.cortex_m.export import export
from targets.cortex_m.measure import counted_run, execute, link, measure
from targets.cortex_m.settings import CoreName, ToolchainName
from targets.cortex_m.toolchain import installed_version
from targets.footprint import Footprint, compare
from targets.network import Network
from targets.profile import Profile, load_profile
from targets.reference import run
from tests.networks import inputs_for, random_network

CORES: tuple[CoreName, ...] = ("cortex_m0", "cortex_m3", "cortex_m4", "cortex_m7", "cortex_m33")
FOOTPRINT_NETWORKS = 20
FLASH_RELATIVE, FLASH_LOW_BYTES, STATIC_BYTES = 0.002, 16, 8
#: Of the image network: instructions, bytes of flash (by bits), times the least static RAM when streaming, bytes time-batched.
INSTRUCTIONS, FLASH_BYTES, STREAMING_RAM, BATCHED_BYTES = 950_000, {8: 13_004, 4: 7_987}, 1.03, 4096
BATCHED_INSTRUCTIONS = 1.15


def board(core: CoreName, toolchain: ToolchainName, schedule: str = "auto") -> Profile:
    """A board with room for everything, with another core."""
    profile = load_profile("nucleo_f446re")
    settings = profile.settings.model_copy(update={"core": core, "toolchain": toolchain, "schedule": schedule})
    return profile.model_copy(update={"settings": settings})


def toolchains() -> list[ToolchainName]:
    """Those that are installed."""
    names: tuple[ToolchainName, ...] = ("zig", "gcc")
    return [name for name in names if installed_version(name)]


def static_bytes(footprint: Footprint) -> int:
    """RAM without the stack."""
    return footprint.region_bytes("sram") - term(footprint, "stack")


def term(footprint: Footprint, name: str) -> int:
    """Bytes of one term."""
    return sum(t.size_bytes for t in footprint.terms if t.name == name)


def footprints() -> Iterator[str]:
    """Estimate against measurement; yields a sentence for every missed bar."""
    worst: dict[str, int] = {"flash": 0, "static": 0, "stack": 0, "terms": 0}
    pairs = 0
    for toolchain in toolchains():
        for core in CORES[:4]:
            for seed in range(1000, 1000 + FOOTPRINT_NETWORKS):
                feedback = seed % 5 == 0
                network = random_network(seed, feedback_edges=feedback)
                profile = board(core, toolchain, "streaming" if feedback or seed % 2 else "batched")
                with tempfile.TemporaryDirectory() as folder:
                    export(network, profile, Path(folder))
                    measured, estimated = measure(Path(folder), network, profile), estimate(network, profile)
                pairs += 1
                flash = estimated.region_bytes("flash") - measured.region_bytes("flash")
                static = static_bytes(estimated) - static_bytes(measured)
                stack = term(estimated, "stack") - term(measured, "stack")
                rows = compare(estimated, measured, profile.tolerance)
                wrong = sum(row.estimated_bytes != row.measured_bytes for row in rows)
                for name, difference in (("flash", flash), ("static", static), ("stack", stack), ("terms", wrong)):
                    worst[name] = max(worst[name], abs(difference))
                relative = abs(flash) / measured.region_bytes("flash")
                if relative > FLASH_RELATIVE or flash < -FLASH_LOW_BYTES or abs(static) > STATIC_BYTES or stack:
                    yield f"{toolchain} {core} network {seed}: flash {flash:+} B, static {static:+} B, stack {stack:+} B"
    print(
        f"estimate against measurement, {pairs} pairs ({', '.join(toolchains())}; {', '.join(CORES[:4])}): largest "
        f"difference flash {worst['flash']} B, static RAM {worst['static']} B, stack {worst['stack']} B; "
        f"at most {worst['terms']} terms differ"
    )


def parity(count: int) -> Iterator[str]:
    """Random networks on all cores in turn; yields a sentence for every network that differs."""
    compared = differing = 0
    for seed in range(2000, 2000 + count):
        feedback = seed % 4 == 0
        network = random_network(seed, feedback_edges=feedback)
        available = toolchains()
        profile = board(
            CORES[seed % len(CORES)],
            available[seed // len(CORES) % len(available)],
            "streaming" if feedback or seed % 2 else "batched",
        )
        inputs = inputs_for(network, 2, seed)
        with tempfile.TemporaryDirectory() as folder:
            export(network, profile, Path(folder))
            got = execute(Path(folder), network, profile, inputs)
        expected = run(network, inputs)
        wrong = sum(int((got.spikes[name] != spikes).sum()) for name, spikes in expected.spikes.items())
        wrong += sum(int((got.membranes[name] != v).sum()) for name, v in expected.membranes.items())
        wrong += int((got.scores != expected.scores).sum())
        compared += sum(spikes.size for spikes in expected.spikes.values())
        differing += wrong
        if wrong:
            yield f"network {seed} on {profile.settings.core}: {wrong} values differ"
    print(f"{count} random networks on {len(CORES)} cores: {compared:,} spikes compared, {differing} values differ")


def image() -> Iterator[str]:
    """The bars of one image network; yields a sentence for every missed one."""
    print("conv 16, pool, conv 32, pool, dense 10 at 16x16x2, T=4, 10 % spikes, Cortex-M4:")
    for bits in FLASH_BYTES:
        network, inputs = image_network(bits, rate=0.1)
        for toolchain in toolchains():
            instructions: dict[str, int] = {}
            for schedule in ("streaming", "batched"):
                measured, instructions[schedule] = _image_run(network, inputs, board("cortex_m4", toolchain, schedule))
                flash, static = measured.region_bytes("flash"), static_bytes(measured) - term(measured, "input")
                print(
                    f"  {bits} bits, {toolchain}, {schedule}: {instructions[schedule]:,} instructions, "
                    f"flash {flash:,} B, static RAM {static:,} B, stack {term(measured, 'stack')} B"
                )
                if toolchain == "gcc":
                    yield from _missed(bits, schedule, instructions, flash, static)


def _image_run(network: Network, inputs: NDArray[np.uint8], profile: Profile) -> tuple[Footprint, int]:
    with tempfile.TemporaryDirectory() as folder:
        export(network, profile, Path(folder))
        run_ = counted_run(link(Path(folder), profile), network, profile, inputs[0])
        return measure(Path(folder), network, profile), run_.instructions


def _missed(bits: int, schedule: str, instructions: dict[str, int], flash: int, static: int) -> Iterator[str]:
    least = 2 * (16 * 16 * 16 + 32 * 8 * 8) + 640 + 40
    if flash > FLASH_BYTES[bits]:
        yield f"{bits} bits: {flash:,} B of flash, the bar is {FLASH_BYTES[bits]:,} B"
    if schedule == "streaming" and bits == 8 and instructions["streaming"] > INSTRUCTIONS:
        yield f"{instructions['streaming']:,} instructions, the bar is {INSTRUCTIONS:,}"
    if schedule == "streaming" and static > STREAMING_RAM * least:
        yield f"{static:,} B of static RAM, the bar is {STREAMING_RAM} times {least:,} B"
    if schedule == "batched" and static > BATCHED_BYTES:
        yield f"time-batched {static:,} B of static RAM, the bar is {BATCHED_BYTES:,} B"
    if schedule == "batched" and instructions["batched"] > BATCHED_INSTRUCTIONS * instructions["streaming"]:
        yield f"time-batched {instructions['batched'] / instructions['streaming']:.2f} times the instructions"


def main() -> int:
    """Prints everything; 1 if a bar is missed."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    missed = [*image(), *footprints(), *parity(count)]
    for sentence in missed:
        print(f"MISSED {sentence}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
