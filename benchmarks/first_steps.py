"""The first steps of a long training: whether it learns, how fast, and how long the whole would take on this machine.

    python -m benchmarks.first_steps TARGET --dataset NAME --data DIR --architecture FILE [--steps 40] \\
        [--set quantize.batch=256 ...] [--preset full]

The float phase of the quantize stage takes so many steps in one process, with the preset's and the command's own settings: it
warms up as it would in the whole training. Printed are the bytes of the weights, the estimated memory of the target, the loss
and the norm of the gradient averaged over windows of steps, images per second, and validation accuracy before and after.
FILE is an architecture as JSON, for example one of a search's.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.request import Configs, Request, parse_settings
from stages.data.catalog import load_dataset
from stages.progress import silent
from stages.searching.cost import synaptic_operations
from stages.snn.architecture import Architecture, lower
from stages.training.measure import measure
from stages.training.phases import Phases
from targets.families import family_named
from targets.profile import load_profile

WINDOWS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("target")
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--architecture", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--preset", choices=("quick", "full"), default="full")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--validation", type=int, default=500, help="validation images that are measured")
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    profile = load_profile(options.target)
    request = Request(
        options.target, options.dataset, seed=options.seed, preset=options.preset, settings=parse_settings(options.set)
    )
    config = Configs.of(request).quantize.model_copy(update={"processes": 1})
    whole = load_dataset(options.dataset, options.data, options.seed)
    dataset = replace(whole, validation=whole.validation.first(options.validation))
    network = lower(Architecture.model_validate_json(options.architecture.read_bytes()), profile)
    bits = sum(weight.size * weight.bits for weight in network.weights)
    footprint = family_named(profile.family).estimate(network, profile)
    print(f"{synaptic_operations(network):,} synaptic operations, T = {network.timesteps}, weights {bits // 8:,} B")
    for region in footprint.regions:
        print(
            f"  {region}: estimated {footprint.region_bytes(region):,} B of {profile.memory[region].available_bytes:,} B"
        )
    with tempfile.TemporaryDirectory() as folder:
        phases = Phases(dataset, profile, network, config, Path(folder), silent)
        with phases.machine():
            module, training = phases.float_training()
            before = measure(module, dataset.validation).accuracy
            rows, began = [], time.perf_counter()
            for _ in range(options.steps):
                sums = training.sums.clone()
                training.step()
                rows.append((training.sums - sums).tolist())
            seconds = time.perf_counter() - began
            after = measure(module, dataset.validation)
    steps = options.steps
    print(
        f"{steps} of {training.steps:,} float steps of {phases.plan.batch} images, "
        f"{steps * phases.plan.batch / seconds:.1f} images/s; all of them: {training.steps * seconds / steps / 60:,.0f} min"
    )
    for window in np.array_split(np.array(rows), min(WINDOWS, steps)):
        loss, norm = window.mean(0)
        print(f"  {len(window):4} steps: loss {loss:.4f}, norm of the gradient {norm:.2f}")
    print(
        f"validation accuracy {before:.1%} before, {after.accuracy:.1%} after ({len(dataset.validation)} images); "
        f"never fired: {', '.join(after.dead) or 'none'}"
    )


if __name__ == "__main__":
    main()
