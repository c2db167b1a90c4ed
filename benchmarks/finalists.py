"""What `--finalists N` adds to the training-free score: the network it picks, against the one that the score picks.

    python -m benchmarks.finalists [--dataset digits] [--data DIR] [--finalists 8] [--seeds 2] [--images 2000]

For every seed the default search runs under a small compute limit, so that networks differ. The best candidates are trained by
successive halving, which picks one by validation accuracy; each of them is then trained anew, longer and from other random
weights, and judged on test images that no choice has seen. Printed are the test accuracies of the score's pick, of the halving's
pick, and the mean, lowest and highest among the finalists.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from stages.analyze import AnalyzeConfig, analyze
from stages.data.catalog import load_dataset
from stages.data.dataset import Dataset
from stages.progress import silent
from stages.search import SearchConfig, search
from stages.searching.short_training import learning_curve
from targets.profile import load_profile


def one_seed(dataset: Dataset, seed: int, options: argparse.Namespace) -> tuple[float, float, list[float], float]:
    """Test accuracies of the score's pick, the halving's pick and all finalists; seconds that the halving took."""
    board = load_profile("jetson_nano")
    limit = options.operations
    config = SearchConfig(seed=seed, max_synaptic_operations=limit, synaptic_operations_per_value=1)
    with tempfile.TemporaryDirectory() as folder:
        analysis = analyze(dataset, board, AnalyzeConfig(seed=seed), silent)
        plain = search(dataset, board, analysis, config, Path(folder, "search"), silent)
        started = time.perf_counter()
        chosen = search(
            dataset,
            board,
            analysis,
            config.model_copy(update={"finalists": options.finalists}),
            Path(folder, "search"),
            silent,
        )
        seconds = time.perf_counter() - started
        judged = replace(dataset, validation=dataset.test)
        accuracy = {}
        for architecture in (finalist.architecture for finalist in chosen.finalists):
            again = seed + 1_000
            curve = learning_curve(judged, board, architecture, options.epochs, again, Path(folder, "judge"), silent)
            accuracy[architecture] = curve[-1].validation_accuracy  # the last epoch: the test images choose nothing
    return accuracy[plain.architecture], accuracy[chosen.architecture], list(accuracy.values()), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--finalists", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--images", type=int, default=2_000, help="training images, at most")
    parser.add_argument("--epochs", type=int, default=16, help="epochs of the training that judges")
    parser.add_argument("--operations", type=int, default=300_000, help="synaptic operations of an inference, at most")
    options = parser.parse_args()
    rows = []
    for seed in range(options.seeds):
        full = load_dataset(options.dataset, options.data, seed)
        dataset = replace(full, train=full.train.first(options.images))
        by_score, by_halving, everyone, seconds = one_seed(dataset, seed, options)
        rows.append((by_score, by_halving, np.mean(everyone), min(everyone), max(everyone)))
        print(
            f"seed {seed}: score's pick {by_score:.2%}, halving's pick {by_halving:.2%} ({seconds:.0f} s)", flush=True
        )
    names = ("score's pick", "halving's pick", "mean of finalists", "lowest", "highest")
    print(", ".join(f"{name} {value:.2%}" for name, value in zip(names, np.mean(rows, axis=0), strict=True)))


if __name__ == "__main__":
    main()
