"""How full the default search makes the memory of targets of all sizes, and why it does not make it fuller.

    python -m benchmarks.budgets [TARGET ...]

Analyzes and searches for the digits on every target with the quick preset, and prints the region that is filled most, what
stopped the network from being wider, and the seconds of both stages. Where less than 85 % is filled, the reason has to be
another than memory.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from stages.analyze import AnalyzeConfig, analyze
from stages.data.digits import load_digits
from stages.progress import silent
from stages.search import search
from stages.searching.config import SearchConfig
from targets.profile import load_profile
from targets.sizes import format_size

#: 8 KiB to 4 GiB of RAM.
TARGETS = ("stm32vldiscovery", "microbit_v1", "stm32f746g_disco", "raspberry_pi_zero_2w", "jetson_nano")
FILLED = 0.85


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("targets", nargs="*", default=TARGETS)
    parser.add_argument("--algorithm", default="cell_by_cell")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    dataset, missed = load_digits(None, options.seed), 0
    for name in options.targets:
        profile, started = load_profile(name), time.perf_counter()
        analysis = analyze(dataset, profile, AnalyzeConfig.preset("quick", options.seed), silent)
        between = time.perf_counter()
        config = SearchConfig.preset("quick", options.seed).model_copy(update={"algorithm": options.algorithm})
        with tempfile.TemporaryDirectory() as folder:
            found = search(dataset, profile, analysis, config, Path(folder), silent)
        use = {region: size / found.budget_bytes[region] for region, size in found.region_bytes.items()}
        fullest = max(use, key=lambda region: use[region])
        missed += use[fullest] < FILLED and found.stopped_by == "memory"
        a = found.architecture
        print(
            f"{name}: {use[fullest]:.1%} of {format_size(found.budget_bytes[fullest])} {fullest}; analyze "
            f"{between - started:.1f} s, search {time.perf_counter() - between:.1f} s\n  {len(a.cells)} cells, {a.channels} "
            f"channels, {a.weight_bits} bits, {found.candidates_considered:,} considered, "
            f"{found.candidates_over_budget:,} over budget\n  {found.stopped_by}: {found.stopped_because}",
            flush=True,
        )
    print(f"{missed} bars missed")


if __name__ == "__main__":
    main()
