"""What choosing by a score loses against knowing the best cell, within budgets of convolutions.

    python -m benchmarks.regret CELLS.csv [--scores SCORES.csv]

CELLS.csv as for benchmarks.rank_cells, with the column test. SCORES.csv is what that wrote; without it the scores that
need no images are computed here, in a second. For every budget of at most 2 to 6 convolutions the highest score chooses, ties
at random; the regret is the accuracy of the best cell within the budget less that of the chosen one, in points. It rests on
one cell a budget, so it is averaged over 200 draws of 400 cells; the spread between draws is printed, and it is large.

A score cannot reach zero: the best cell of a draw is also the luckiest. If accuracies were the default score plus independent
noise of 0.42 points (what equal cells of the benchmark differ by), the score that is then perfect would lose what the last
line says.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.scores.paths import convolutions, depths
from stages.scores.structure import cell_structure
from stages.snn.cells import parse_cell

OPERATIONS = ("zero", "skip", "conv3x3@0.5", "conv3x3", "conv3x3@1.5")
EDGES = ("e01", "e02", "e03", "e12", "e13", "e23")
BUDGETS = (2, 3, 4, 5, 6)
DRAWS, DRAWN = 200, 400
#: Rows and columns of the images that the cells were trained on; standard deviation of accuracy between equal cells, in points.
PIXELS, NOISE_POINTS = 32, 0.42
Numbers = NDArray[np.float64]


def genotype(row: Mapping[str, str]) -> str:
    """A row of the bench file in this project's words."""
    on = {edge: OPERATIONS[int(row[edge])] for edge in EDGES}
    return f"|{on['e01']}~0|+|{on['e02']}~0|{on['e12']}~1|+|{on['e03']}~0|{on['e13']}~1|{on['e23']}~2|"


def regrets(score: Numbers, truth: Numbers, convolutions: Numbers) -> Numbers:
    """Points lost, [draw, budget]; NaN where a draw has no cell within a budget."""
    rng = np.random.default_rng(0)
    lost = np.full((DRAWS, len(BUDGETS)), np.nan)
    for draw in range(DRAWS):
        drawn = rng.choice(len(score), min(DRAWN, len(score)), replace=False)
        for column, budget in enumerate(BUDGETS):
            within = drawn[convolutions[drawn] <= budget]
            if len(within):
                chosen = within[np.lexsort((rng.random(len(within)), score[within]))[-1]]
                lost[draw, column] = truth[within].max() - truth[chosen]
    return lost


def of_graphs(rows: Sequence[Mapping[str, str]]) -> dict[str, Numbers]:
    """Scores that need no images."""
    cells = [parse_cell(genotype(row)).live() for row in rows]
    return {
        "structure": np.array([cell_structure(cell, PIXELS) for cell in cells]),
        "longest_path": np.array([depths(cell)[cell.output] for cell in cells]),
        "conv_count": np.array([float(len(convolutions(cell))) for cell in cells]),
    }


def read_scores(path: Path, rows: Sequence[Mapping[str, str]]) -> dict[str, Numbers]:
    """The columns of a file of benchmarks.rank_cells, in the order of the cells."""
    with path.open(newline="", encoding="utf-8") as lines:
        by_id = {row["id"]: row for row in csv.DictReader(lines)}
    names = [name for name in next(iter(by_id.values())) if name != "id"]
    return {name: np.array([float(by_id[row["id"]][name]) for row in rows]) for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("cells", type=Path)
    parser.add_argument("--scores", type=Path)
    options = parser.parse_args()
    with options.cells.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    truth = np.array([float(row["test"]) for row in rows])
    graphs = of_graphs(rows)
    scores = read_scores(options.scores, rows) if options.scores else graphs
    print(f"regret in points, {DRAWS} draws of {min(DRAWN, len(rows))} of {len(rows)} cells")
    print(f"{'score':14}" + "".join(f"{f'<= {budget}':>7}" for budget in BUDGETS) + f"{'mean':>8}  between draws")
    noise = np.random.default_rng(0).normal(0, NOISE_POINTS, (20, len(rows)))
    perfect = [regrets(graphs["structure"], graphs["structure"] + one, graphs["conv_count"]) for one in noise]
    lines_of = {name: regrets(score, truth, graphs["conv_count"]) for name, score in scores.items()}
    lines_of["random"] = regrets(np.zeros(len(rows)), truth, graphs["conv_count"])
    lines_of["if perfect"] = np.concatenate(perfect)
    for name, lost in lines_of.items():
        spread = np.nanstd(np.nanmean(lost, axis=1))
        columns = "".join(f"{value:7.2f}" for value in np.nanmean(lost, axis=0))
        print(f"{name:14}{columns}{np.nanmean(lost):8.3f}  ± {spread:.2f}")


if __name__ == "__main__":
    main()
