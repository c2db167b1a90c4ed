"""Lava against the golden executor on random networks: `python -m benchmarks.loihi [NETWORKS]`, 60 on each generation.

Cells and towers by turns: several edges into a population, skips through relays, strides, depthwise convolutions, pooling, 2 to
8 bits, currents that wrap and potentials that clip. Prints one line per network and exits with 1 if a spike, a membrane
potential or a current differs, or if the compiled executable does not hold exactly the estimated bytes.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from targets import reference
from targets.fit import findings
from targets.loihi import graph
from targets.loihi.estimate import estimate
from targets.loihi.export import export
from targets.loihi.measure import measure
from targets.network import Network
from targets.profile import Profile, load_profile
from tests.networks import inputs_for
from tests.targets.loihi.examples import currents, differences, random_fitting

BOARDS = ("loihi2_oheo_gulch", "kapoho_bay")
SAMPLES = 3


def main() -> int:
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    failures = 0
    for board in BOARDS:
        profile, seed, done = load_profile(board), 0, 0
        while done < wanted:
            network = random_fitting(seed, profile)
            if not findings(network, profile):
                failures += not compared(network, profile, seed)
                done += 1
            seed += 1
        print(f"{board}: {done} networks, {seed - done} random ones did not fit")
    print(f"{failures} networks differ")
    return 1 if failures else 0


def compared(network: Network, profile: Profile, seed: int) -> bool:
    inputs, started = inputs_for(network, SAMPLES, seed), time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        export(network, profile, Path(name))
        found = differences(Path(name), network, profile, inputs)
        same_bytes = measure(Path(name), network, profile).terms == estimate(network.without_values(), profile).terms
    relays = sum(group.population is None for group in graph.graph_for(network, profile).neurons)
    trace = reference.run(network, inputs)
    clipped = sum(int((np.abs(values) == 2**23 - 1).sum()) for values in trace.membranes.values())
    print(
        f"{profile.name} {seed:3}: {len(network.populations)} populations, {relays} relays, {trace.spike_rate:.2f} spikes a "
        f"step, {wraps(network, profile, trace, inputs)} currents wrap, {clipped} potentials clip; differing: {found}, "
        f"bytes {'equal' if same_bytes else 'DIFFER'}, {time.perf_counter() - started:.1f} s"
    )
    return same_bytes and not any(found.values())


def wraps(network: Network, profile: Profile, trace: reference.Trace, inputs: np.ndarray) -> int:
    graded, total = not profile.neuron.pixels_in_bias, 0
    for population in network.populations:
        sums = currents(network, trace, inputs, population.name, graded)
        total += int((np.abs(sums) > 2**23).sum())
    return total


if __name__ == "__main__":
    sys.exit(main())
