"""What the optional terms of the loss do on real images: spikes and synaptic operations against accuracy.

    make bench-objectives ARGS="--data DIR"
    python -m benchmarks.objectives --data DIR [--images 5000] [--float-epochs 4] [--integer-epochs 2] [--seed 0]

The chain of `benchmarks.quantization` is trained by the quantize stage on the first images of Fashion-MNIST: as it is, with three
spike budgets, with distillation from the float network, and with the temporal loss; everything else is equal. Every row is of the
exported integers, 8 bits, on all test images. One seed and few images: rows show which way a term pulls, and differences of half
a point of accuracy mean nothing.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.quantization import CHAIN
from stages.data.catalog import load_dataset
from stages.progress import silent
from stages.quantize import QuantizeConfig, quantize
from targets.profile import load_profile

VARIANTS: dict[str, dict[str, Any]] = {
    "as it is": {},
    **{f"spike_budget={budget}": {"spike_budget": budget} for budget in (0.1, 0.05, 0.025)},
    "distillation=0.5": {"distillation": 0.5},
    "temporal=0.5": {"temporal": 0.5},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--images", type=int, default=5_000, help="training images, at most")
    parser.add_argument("--float-epochs", type=int, default=4)
    parser.add_argument("--integer-epochs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    whole = load_dataset("fashion_mnist", options.data, options.seed)
    dataset = replace(
        whole, train=whole.train.first(options.images), validation=whole.validation.first(options.images // 2)
    )
    base = QuantizeConfig.preset("quick", options.seed).model_copy(
        update={"float_epochs": options.float_epochs, "integer_epochs": options.integer_epochs, "parity_samples": 500}
    )
    print(f"{len(dataset.train)} training images, {options.float_epochs} + {options.integer_epochs} epochs\n")
    print(f"{'':20}{'float':>9}{'integers':>10}{'spike rate':>12}{'synaptic operations':>21}", flush=True)
    for name, settings in VARIANTS.items():
        with tempfile.TemporaryDirectory() as folder:
            config = base.model_copy(update=settings)
            found = quantize(dataset, load_profile("jetson_nano"), CHAIN, config, Path(folder), silent)
        print(
            f"{name:20}{found.float_network.test_accuracy:9.2%}{found.integer_network.test_accuracy:10.2%}"
            f"{found.activity.spike_rate:12.4f}{found.activity.synaptic_operations:21,.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
