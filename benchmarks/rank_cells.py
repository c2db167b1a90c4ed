"""Ranks given cells by the training-free scores and, where their trained accuracy is known, says how well.

    python -m benchmarks.rank_cells CELLS.csv --data DIR --out SCORES.csv [--jobs N]

CELLS.csv has the columns id, e01, e02, e03, e12, e13, e23 (0 zero, 1 skip, 2, 3, 4 conv 3x3 behind thresholds 0.5, 1.0, 1.5) and
optionally test, the accuracy after training. DIR holds CIFAR-10 in its binary version. Cells stand twice in SNASNet's
macro-architecture (16 channels, images averaged to 16x16, T = 3, 64 images, SNASNet's neurons). The thresholds of the macro's own
neurons are 1, as there.

Kendall's tau-b flatters a score with few distinct values, so that tau with ties broken at random is printed beside it; both
for all cells, within equal numbers of convolutions, and for cells whose edge 0-3 is zero. The last column is the regret of
benchmarks.regret, which tells more about it.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.regret import Numbers, genotype, regrets
from stages.data.catalog import load_dataset
from stages.scores.catalog import SCORES
from stages.scores.subject import Batch, batch_of
from stages.searching.workers import Help, LocalProcesses, helped_by, rate_all
from stages.snn.architecture import Architecture
from targets.profile import load_profile


def architecture(cell: str, batch: Batch) -> Architecture:
    """The cell twice in SNASNet's macro-architecture, small."""
    return Architecture(
        input_shape=batch.input_shape, classes=10, cells=(cell, cell), channels=16, timesteps=batch.timesteps
    )


def silent(what: str, done: float, total: float) -> None:
    """Prints every tenth of the way."""
    if total >= 100 and int(10 * done / total) > int(10 * (done - 1) / total):
        print(f"  {what}: {done:.0f} of {total:.0f}", flush=True)


def scores_of(cells: Sequence[str], batch: Batch, jobs: int) -> dict[str, Numbers]:
    """Every score of every cell; the time per cell is printed."""
    board = load_profile("jetson_nano")
    architectures = [architecture(cell, batch) for cell in cells]
    found = {}
    for score in SCORES:
        started = time.perf_counter()
        found[score.name] = np.array(list(rate_all(architectures, board, batch, score.rate, silent, score.name)))
        print(f"{score.name}: {(time.perf_counter() - started) / len(cells) * 1e3:.2f} ms a cell with {jobs} jobs")
    return found


def tau_b(score: Numbers, truth: Numbers, group: Numbers | None = None) -> float:
    """Kendall's tau-b over all pairs, or over the pairs within a group."""
    same = np.ones((len(score), len(score)), bool) if group is None else group[:, None] == group[None, :]
    left, right = (np.sign(values[:, None] - values[None, :]) * same for values in (score, truth))
    ties = np.sqrt(float((left * left).sum()) * float((right * right).sum()))
    return float((left * right).sum() / ties) if ties else float("nan")


def tau_ties_at_random(score: Numbers, truth: Numbers, group: Numbers | None = None) -> float:
    """Mean over ten random orders of equal scores."""
    rng = np.random.default_rng(0)
    orders = [np.argsort(np.lexsort((rng.random(len(score)), score))).astype(float) for _ in range(10)]
    return float(np.mean([tau_b(order, truth, group) for order in orders]))


def report(found: Mapping[str, Numbers], rows: Sequence[Mapping[str, str]]) -> None:
    """Prints the correlations and the regret of every score."""
    truth = np.array([float(row["test"]) for row in rows])
    without_shortcut = np.array([row["e03"] == "0" for row in rows])
    convolutions = found["conv_count"]
    print(f"\n{len(rows)} cells: tau-b / tau with ties broken at random")
    print(f"{'score':14} {'all':>15} {'equal convs':>15} {'edge 0-3 zero':>15} {'regret':>8}")
    kinds: tuple[Callable[..., float], ...] = (tau_b, tau_ties_at_random)
    for name, score in found.items():
        columns = [
            [kind(score, truth) for kind in kinds],
            [kind(score, truth, convolutions) for kind in kinds],
            [kind(score[without_shortcut], truth[without_shortcut]) for kind in kinds],
        ]
        cells = " ".join(f"{b:>7.3f} / {r:5.3f}" for b, r in columns)
        print(f"{name:14} {cells} {np.nanmean(regrets(score, truth, convolutions)):8.2f}")
    print(f"{'random':14} {'':47} {np.nanmean(regrets(np.zeros(len(rows)), truth, convolutions)):8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("cells", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    with options.cells.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    batch = replace(batch_of(load_dataset("cifar10", options.data, 0), 64, timesteps=3, seed=0), as_snasnet=True)
    with helped_by(Help(LocalProcesses(options.jobs) if options.jobs > 1 else None)):
        found = scores_of([genotype(row) for row in rows], batch, options.jobs)
    with options.out.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        writer.writerow(["id", *found])
        writer.writerows([row["id"], *(repr(float(found[name][i])) for name in found)] for i, row in enumerate(rows))
    print(f"wrote {options.out}")
    if rows and rows[0].get("test"):
        report(found, rows)


if __name__ == "__main__":
    main()
