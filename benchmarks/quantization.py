"""What 8-bit and 4-bit weights in full integer arithmetic cost against the float network, at an equal budget of epochs.

    make bench-quantization ARGS="--data DIR"
    python -m benchmarks.quantization --data DIR [--seeds 3] [--float-epochs F] [--integer-epochs I] [--images N]

One fixed network (convolutions of 16, 32 and 64 channels, every stride 2, T = 4) is trained on Fashion-MNIST by the quantize
stage's own phases, in one process and one thread:

    integers     F float epochs, folded, then I epochs of full integer arithmetic; every weight, the first and the last
                 layer's too, has 8 or 4 bits
    float        F + I float epochs on one cosine: the same images seen, the same rules of the schedule

F and I are by default what the quick preset gives a dataset of this size (7 and 2).

The first F epochs do not know the bits that follow, so both integer networks start from one float network. Every network keeps
the epoch that is best on the validation split and is then measured once on all test images. Integer accuracy is that of the
integers that are exported: on 2,000 test images every spike, membrane potential and prediction is compared with the NumPy
reference, and a difference ends the benchmark.

A seed decides initial weights, order, augmentation and the validation split. The bars are on the mean loss over the seeds: 0.5
points at 8 bits, 1.5 at 4. Ends with 1 if one is missed. Killed and given again it goes on from its checkpoints; the figures of
the seeds that are finished are in FOLDER/figures.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from stages.data.catalog import load_dataset
from stages.data.dataset import Dataset
from stages.progress import silent
from stages.snn.architecture import Architecture, lower
from stages.snn.float_network import FloatNetwork
from stages.training import measure
from stages.training.config import QuantizeConfig
from stages.training.phases import Phases
from stages.training.plan import Plan
from stages.training.results import best
from targets.network_file import write_atomically
from targets.profile import load_profile

BARS = {8: 0.5, 4: 1.5}
"""Points of test accuracy that so many bits may lose against float."""
CHAIN = Architecture(input_shape=(1, 28, 28), classes=10, cells=("|skip~0|",) * 3, channels=16, stem_stride=2)
PARITY_SAMPLES = 2_000


class Seed(BaseModel):
    """Test accuracies of one seed, fractions, and the neurons' agreement with the reference."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int
    #: After F + I float epochs.
    float_accuracy: float
    #: After F, where the integer phases begin.
    float_before: float
    #: By weight bits.
    integer_accuracy: dict[int, float]
    best_epoch: dict[str, int]
    spikes_compared: int
    spikes_differing: int

    def loss(self, bits: int) -> float:
        """Points against float; negative where the integers are better."""
        return 100 * (self.float_accuracy - self.integer_accuracy[bits])


class Trainer:
    """The phases of one seed, in folders of their own."""

    def __init__(self, dataset: Dataset, config: QuantizeConfig, folder: Path) -> None:
        self.dataset, self.config, self.folder = dataset, config, folder
        self.board = load_profile("jetson_nano")

    def phases(self, name: str, bits: int, config: QuantizeConfig) -> Phases:
        """What trains the chain at these bits."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        network = lower(CHAIN.model_copy(update={"weight_bits": bits}), self.board)
        return Phases(self.dataset, self.board, network, config, folder, silent)

    def train(self) -> Seed:
        """All networks of the seed."""
        longer = self.config.float_epochs + self.config.integer_epochs
        phases = self.phases("float", 8, self.config.model_copy(update={"float_epochs": longer}))
        with phases.machine():
            whole, curve = phases.train_float()
            epochs = {"float": best(curve).epoch}
            start, _ = self.phases("begun", 8, self.config).train_float()
            accuracy, compared, differing = {}, 0, 0
            for bits in BARS:
                phases = self.phases(f"{bits}-bit", bits, self.config)
                begun = FloatNetwork(phases.network)
                begun.load_state_dict(start.state_dict())
                module, curve = phases.train_integer(begun)
                parity = measure.parity(module, self.dataset.test.first(PARITY_SAMPLES))
                accuracy[bits] = measure.measure(module, self.dataset.test).accuracy
                epochs[f"{bits}-bit"] = best(curve).epoch
                compared, differing = compared + parity.spikes_compared, differing + parity.spikes_differing
            return Seed(
                seed=self.config.seed,
                float_accuracy=measure.measure(whole, self.dataset.test).accuracy,
                float_before=measure.measure(start, self.dataset.test).accuracy,
                integer_accuracy=accuracy,
                best_epoch=epochs,
                spikes_compared=compared,
                spikes_differing=differing,
            )


def row(name: str, found: Seed) -> str:
    figures = [found.float_before, found.float_accuracy, *(found.integer_accuracy[bits] for bits in BARS)]
    losses = [found.loss(bits) for bits in BARS]
    return f"{name:>8}" + "".join(f"{value:10.2%}" for value in figures) + "".join(f"{loss:+10.2f}" for loss in losses)


def judged(bits: int, rows: Sequence[Seed]) -> tuple[str, bool]:
    """The loss over all seeds in a sentence, and whether the bar is met."""
    losses = [found.loss(bits) for found in rows]
    mean, met = statistics.mean(losses), statistics.mean(losses) <= BARS[bits]
    spread = f", standard deviation {statistics.stdev(losses):.2f}" if len(losses) > 1 else ""
    return (
        f"{bits} bits lose {mean:+.2f} points on average, {min(losses):+.2f} to {max(losses):+.2f}{spread}; "
        f"bar {BARS[bits]}: {'met' if met else 'missed'}"
    ), met


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--float-epochs", type=int)
    parser.add_argument("--integer-epochs", type=int)
    parser.add_argument("--images", type=int, default=60_000, help="of each split, at most; for a trial")
    parser.add_argument(
        "--folder", type=Path, default=Path("build/benchmarks/quantization"), help="checkpoints, figures"
    )
    options = parser.parse_args()
    names = ("float F", "float", *(f"{bits} bits" for bits in BARS), *(f"loss {bits}" for bits in BARS))
    rows: list[Seed] = []
    for seed in range(options.seeds):
        whole = load_dataset("fashion_mnist", options.data, seed)
        train, validation, test = (split.first(options.images) for split in whole.splits.values())
        dataset = replace(whole, train=train, validation=validation, test=test)
        quick = QuantizeConfig.preset("quick", seed)
        plan = Plan.of(quick, dataset)
        epochs = (options.float_epochs or plan.float_epochs, options.integer_epochs or plan.integer_epochs)
        if not rows:
            print(
                f"{len(dataset.train)} training, {len(dataset.validation)} validation, {len(dataset.test)} test images; "
                f"F = {epochs[0]}, I = {epochs[1]} epochs\n\n{'seed':>8}" + "".join(f"{name:>10}" for name in names),
                flush=True,
            )
        config = quick.model_copy(
            update={"float_epochs": epochs[0], "integer_epochs": epochs[1], "processes": 1}
            # the numbers of epochs are meant as they are, whatever the number of images
            | {"float_images": 10**9, "integer_images": 10**9}
        )
        rows.append(Trainer(dataset, config, options.folder / f"seed{seed}").train())
        print(row(str(seed), rows[-1]), flush=True)
        lines = [found.model_dump() for found in rows]
        write_atomically(options.folder / "figures.json", (json.dumps(lines, indent=1) + "\n").encode())
    results = [judged(bits, rows) for bits in BARS]
    compared, differing = (sum(getattr(r, f"spikes_{what}") for r in rows) for what in ("compared", "differing"))
    print(f"\n{differing} of {compared:,} spikes differ between training and the reference")
    print("\n".join(sentence for sentence, _ in results))
    return int(not all(met for _, met in results))


if __name__ == "__main__":
    sys.exit(main())
