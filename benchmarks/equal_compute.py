"""What the score cannot tell: networks of equal synaptic operations, briefly trained, beside their points.

    python -m benchmarks.equal_compute --data DIR [--images 10000] [--epochs 6] [--operations 6000000]

A training-free score is calibrated on cells that were trained for 100 epochs in one macro-architecture. A preset that ends within
minutes sees far fewer images, and spends its operations either on channels and rows or on convolutions inside of cells. Here both
kinds of network, each as wide as the same number of synaptic operations allows, are trained in float on CIFAR-10. Printed are the
points, the best validation accuracy, and Kendall's tau-b between them, for all networks and without the plain chains (cells of
skips alone): where they differ, `stages.searching.baseline` is what a search needs.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from scipy.stats import kendalltau

from stages.data.catalog import load_dataset
from stages.progress import silent
from stages.scores.catalog import score_named
from stages.scores.subject import batch_of
from stages.search import macro_choices
from stages.searching.baseline import PLAIN_CELL
from stages.searching.candidates import Evaluator
from stages.searching.config import SearchConfig
from stages.searching.macro import widest
from stages.searching.short_training import validation_accuracy
from targets.profile import load_profile

ONE = "|conv3x3~0|"
TWO = "|conv3x3~0|+|skip~0|conv3x3~1|"
THREE = "|conv3x3~0|+|skip~0|conv1x1~1|+|skip~0|skip~1|conv3x3~2|"
#: Cells, and the stride of the stem.
NETWORKS = (
    ((PLAIN_CELL,) * 3, 1),
    ((PLAIN_CELL,) * 3, 2),
    ((PLAIN_CELL,) * 4, 1),
    ((THREE,), 2),
    ((TWO,) * 2, 2),
    ((ONE,) * 2, 1),
    ((ONE,) * 3, 1),
    ((ONE,) * 3, 2),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--operations", type=int, default=6_000_000)
    options = parser.parse_args()
    dataset = load_dataset("cifar10", options.data, 0)
    few = replace(dataset, train=dataset.train.first(options.images))
    board, config = load_profile("jetson_nano"), SearchConfig()
    macro = macro_choices(dataset, board, config)
    batch = batch_of(dataset, config.images, timesteps=config.timesteps, seed=0)
    evaluator = Evaluator(board, batch, score_named(config.score))
    points, accuracies, plain = [], [], []
    print(f"{'channels':>8}{'stride':>8}{'points':>8}{'accuracy':>10}  cells", flush=True)
    for cells, stride in NETWORKS:
        variant = macro.architecture(cells, 8, 1, stride, 0)
        architecture = widest(variant, macro.channels, options.operations, evaluator)
        if architecture is None:
            continue
        (candidate,) = evaluator.rated([architecture], silent, "points")
        with tempfile.TemporaryDirectory() as folder:
            accuracy = validation_accuracy(few, board, architecture, options.epochs, 0, Path(folder), silent)
        points.append(candidate.score or 0.0)
        accuracies.append(accuracy)
        plain.append(cells[0] == PLAIN_CELL)
        print(f"{architecture.channels:8}{stride:8}{points[-1]:8.2f}{accuracy:10.2%}  {' '.join(cells)}", flush=True)
    searched = [index for index, chain in enumerate(plain) if not chain]
    for name, chosen in (("all", range(len(points))), ("without plain chains", searched)):
        tau = kendalltau([points[i] for i in chosen], [accuracies[i] for i in chosen]).statistic
        print(f"tau-b, {name}: {tau:+.2f}")


if __name__ == "__main__":
    main()
