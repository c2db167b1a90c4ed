"""Quantize: from an architecture to the trained integer network, in two phases.

Comes in: a dataset, a profile, an architecture. Goes out: the integer network with values, and what it is worth.

The float phase trains the real-valued network. Its BatchNorm is measured again and folded; the integer phase then trains the
numbers that the target computes with (`stages.snn.integer_network`). Every choice is made on the validation split; the test
split is measured once, at the end, where training is also compared with the reference.

    folder/network.safetensors           the integer network
    folder/float.safetensors             the float network's parameters
    folder/curves.jsonl                  the learning curves, one line per epoch: losses, accuracy, spike rates, gradient norm
    folder/incidents.jsonl               what went wrong and was mended: divergence, populations that never fired
    folder/speed.jsonl                   images per second of training, one line per epoch
    folder/checkpoint-PHASE.safetensors  where a killed run goes on

Method: quantization-aware training with straight-through estimators (Bengio et al. 2013, arXiv 1308.3432) and surrogate
gradients (Neftci et al. 2019, arXiv 1901.09948). torch is imported only when training begins.
"""

from __future__ import annotations

from pathlib import Path

from stages.data.dataset import Dataset
from stages.progress import Progress
from stages.snn.architecture import Architecture, lower
from stages.training.config import QuantizeConfig
from stages.training.results import Activity, Epoch, Parity, PhaseResult, Result
from targets.errors import ConfigurationError
from targets.network_file import digest
from targets.profile import Profile

__all__ = ["Quantized", "QuantizeConfig", "quantize"]


class Quantized(Result):
    """The figures of a run. Accuracies are fractions."""

    float_network: PhaseResult
    integer_network: PhaseResult
    #: Both phases, in order.
    learning_curve: tuple[Epoch, ...]
    #: Of the integer network on the test split.
    activity: Activity
    parity: Parity
    #: SHA-256 of folder/network.safetensors.
    network_digest: str


def quantize(
    dataset: Dataset,
    profile: Profile,
    architecture: Architecture,
    config: QuantizeConfig,
    folder: Path,
    progress: Progress,
) -> Quantized:
    """Trains the architecture for the profile and writes the integer network into the folder.

    Checkpoints in the folder of the same dataset, network and config are gone on with, to the same result, bit by bit.

    Raises:
        ConfigurationError: dataset and architecture do not fit together, training diverged, nothing reaches the readout, or
            a checkpoint is damaged.
        ParityError: training and reference differ.
    """
    check(dataset, architecture)
    from stages.training import measure
    from stages.training.phases import Phases
    from stages.training.processes import Assignment, train_in_processes

    phases = Phases(dataset, profile, lower(architecture, profile), config, folder, progress)
    if phases.plan.processes > 1:
        train_in_processes(
            Assignment(dataset, profile, phases.network, config), phases.plan.processes, folder, progress
        )
    with phases.machine():
        float_network, float_curve = phases.train_float()
        integer_network, integer_curve = phases.train_integer(float_network)
        network = phases.save(float_network, integer_network)
        progress("quantize, measuring on the test split", 0, 1)
        return Quantized(
            float_network=measure.result(float_network, dataset, float_curve),
            integer_network=measure.result(integer_network, dataset, integer_curve),
            learning_curve=(*float_curve, *integer_curve),
            activity=measure.activity(integer_network, dataset.test),
            parity=measure.parity(integer_network, dataset.test.first(config.parity_samples)),
            network_digest=digest(network),
        )


def check(dataset: Dataset, architecture: Architecture) -> None:
    """Refuses an architecture that is made for other data."""
    problems = [
        f"{what} is {ours} in the architecture, {theirs} in the dataset"
        for what, ours, theirs in (
            ("input_shape", architecture.input_shape, dataset.input_shape),
            ("classes", architecture.classes, dataset.classes),
            ("spiking_input", architecture.spiking_input, dataset.spiking),
        )
        if ours != theirs
    ]
    if dataset.spiking and dataset.train.images.shape[1] != architecture.timesteps:
        frames = dataset.train.images.shape[1]
        problems.append(f"timesteps is {architecture.timesteps} in the architecture, the dataset has {frames} frames")
    if problems:
        raise ConfigurationError.from_problems(f"architecture for dataset {dataset.name}", problems)
