"""What `--finalists N` adds to the training-free score: the network it picks, against the one that the score picks.

    python -m benchmarks.finalists [--dataset digits] [--data DIR] [--finalists 8] [--seeds 5] [--images 1500]

For every seed the default search runs under a small compute limit, so that networks differ. The best candidates are trained by
successive halving, which picks one by validation accuracy. The score's pick and the halving's pick are then trained anew, longer
and from other random weights, the same for both, and judged after the last epoch on test images that no choice has seen.

Printed are both test accuracies of every seed as it ends, and in the end the mean difference between them with its 95 %
confidence interval over seeds (Student, paired). Where both pick the same network the difference is zero and it is trained once.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from stages.analyze import AnalyzeConfig, analyze
from stages.analyzing.significance import Interval
from stages.data.catalog import load_dataset
from stages.data.dataset import Dataset
from stages.progress import silent
from stages.search import search
from stages.searching.config import SearchConfig
from stages.searching.short_training import learning_curve
from stages.snn.architecture import Architecture
from targets.profile import load_profile


def one_seed(dataset: Dataset, seed: int, options: argparse.Namespace) -> tuple[float, float, float]:
    """Test accuracies of the score's pick and the halving's pick; seconds that the halving took."""
    board = load_profile("jetson_nano")
    limit = options.operations
    config = SearchConfig(seed=seed, max_synaptic_operations=limit, synaptic_operations_per_value=1)
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder, "search")
        analysis = analyze(dataset, board, AnalyzeConfig(seed=seed), silent)
        plain = search(dataset, board, analysis, config, own, silent)
        started = time.perf_counter()
        trained = config.model_copy(update={"finalists": options.finalists})
        chosen = search(dataset, board, analysis, trained, own, silent)
        seconds = time.perf_counter() - started
        judged = replace(dataset, validation=dataset.test)

        def accuracy(architecture: Architecture) -> float:
            """Mean over fresh weights, each after its last epoch: the test images choose nothing."""
            weights = [1_000 * (number + 1) + seed for number in range(options.repeats)]
            curves = [
                learning_curve(judged, board, architecture, options.epochs, own_seed, Path(folder, "judge"), silent)
                for own_seed in weights
            ]
            return float(np.mean([curve[-1].validation_accuracy for curve in curves]))

        by_score = accuracy(plain.architecture)
        same = chosen.architecture == plain.architecture
        return by_score, by_score if same else accuracy(chosen.architecture), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--finalists", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--images", type=int, default=1_500, help="training images, at most")
    parser.add_argument("--validation", type=int, default=1_000, help="validation images, at most")
    parser.add_argument("--test", type=int, default=2_000, help="test images, at most")
    parser.add_argument("--epochs", type=int, default=10, help="epochs of the trainings that judge")
    parser.add_argument("--repeats", type=int, default=2, help="such trainings of each pick, from different weights")
    parser.add_argument("--operations", type=int, default=300_000, help="synaptic operations of an inference, at most")
    options = parser.parse_args()
    differences = []
    for seed in range(options.seeds):
        full = load_dataset(options.dataset, options.data, seed)
        dataset = replace(
            full,
            train=full.train.first(options.images),
            validation=full.validation.first(options.validation),
            test=full.test.first(options.test),
        )
        by_score, by_halving, seconds = one_seed(dataset, seed, options)
        differences.append(100 * (by_halving - by_score))
        print(
            f"seed {seed}: score's pick {by_score:.2%}, halving's pick {by_halving:.2%}, "
            f"{differences[-1]:+.2f} points ({seconds:.0f} s)",
            flush=True,
        )
    if len(differences) > 1:
        gain = Interval.of(differences)
        pairs = f"95 % confidence, {len(differences)} paired seeds"
        print(f"--finalists {options.finalists} adds {gain.mean:+.2f} ± {gain.confidence:.2f} points ({pairs})")


if __name__ == "__main__":
    main()
