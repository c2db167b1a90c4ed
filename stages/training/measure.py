"""What is measured on a network: accuracy, loss, spike rates, synaptic operations, and parity with the reference.

Comes in: a trained module and images with labels. Goes out: plain numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from stages.data.dataset import Dataset, Split
from stages.snn.float_network import FloatNetwork
from stages.snn.integer_network import IntegerNetwork, integers, trace
from stages.snn.wiring import apply
from stages.training.results import Activity, Epoch, Parity, PhaseResult, best
from targets import reference
from targets.errors import ConfigurationError, ParityError
from targets.network import INPUT, Connection, Network
from targets.reference import Trace

BATCH = 256
"""Samples that are measured at once."""


@dataclass(frozen=True)
class Measured:
    """A network on a split: fractions, cross-entropy, and spikes per neuron and step by population."""

    accuracy: float
    loss: float
    spike_rate: Mapping[str, float]

    @property
    def dead(self) -> tuple[str, ...]:
        """Populations that never fired."""
        return tuple(name for name, rate in self.spike_rate.items() if rate == 0)


def batches(split: Split, size: int = BATCH) -> Iterator[tuple[Tensor, Tensor]]:
    """Images and labels in their order, copied: a split may be a view of a file that cannot be written."""
    for start in range(0, len(split), size):
        part = slice(start, start + size)
        yield torch.tensor(split.images[part]), torch.tensor(split.labels[part])


@torch.no_grad()
def measure(
    module: FloatNetwork | IntegerNetwork, split: Split, summed: Callable[[Tensor], Tensor] = lambda sums: sums
) -> Measured:
    """Accuracy, loss and spike rates of a module in evaluation mode.

    Args:
        module: The network, on any device.
        split: What it is measured on, or this process's share of it.
        summed: Adds up over the processes that have the other shares.
    """
    module.eval()
    network, device = module.network, next(module.parameters()).device
    firing = [population.name for population in network.populations if population.fires]
    sums = torch.zeros(3 + len(firing), dtype=torch.float64, device=device)
    for images, labels in batches(split, BATCH):
        activity, wanted = module.run(images.to(device)), labels.to(device)
        sums[0] += len(labels)
        sums[1] += (activity.logits.argmax(1) == wanted).sum()
        sums[2] += functional.cross_entropy(activity.logits, wanted, reduction="sum")
        sums[3:] += torch.stack([activity.spikes[name].sum(dtype=torch.float64) for name in firing])
    samples, correct, loss, *spikes = summed(sums).tolist()
    rates = {
        name: total / (samples * network.timesteps * network.population_of[name].size)
        for name, total in zip(firing, spikes, strict=True)
    }
    return Measured(correct / samples, loss / samples, rates)


def result(module: FloatNetwork | IntegerNetwork, dataset: Dataset, curve: Sequence[Epoch]) -> PhaseResult:
    """A trained module on validation and test split.

    Raises:
        ConfigurationError: no population that feeds the readout fires, so that all samples get the same scores.
    """
    validation, test = measure(module, dataset.validation), measure(module, dataset.test)
    network = module.network
    feeding = {connection.source for connection in network.into(network.readout.name)}
    if feeding <= set(test.dead):
        raise ConfigurationError(
            f"nothing reaches the readout: population {', '.join(sorted(feeding))} never fires on the test split "
            f"(dead in all: {', '.join(test.dead)})",
            "train longer, with more weight bits, or search another architecture",
        )
    return PhaseResult(
        validation_accuracy=validation.accuracy,
        test_accuracy=test.accuracy,
        best_epoch=best(curve).epoch,
        dead_populations=test.dead,
    )


@torch.no_grad()
def activity(module: IntegerNetwork, split: Split) -> Activity:
    """Spike rates and operations of a module, averaged over a split."""
    network = module.network
    neurons = {p.name: p.size for p in network.populations if p.fires}
    counts = {p.name: torch.zeros(p.shape) for p in network.populations if p.fires}
    frames = torch.zeros(network.input.shape)
    for images, _ in batches(split):
        for name, fired in module.run(images).spikes.items():
            counts[name] += fired.sum((0, 1))
        if network.input.spiking:
            frames += images.float().sum((0, 1))
    rates = {
        name: float(total.sum()) / (len(split) * network.timesteps * neurons[name]) for name, total in counts.items()
    }
    operations, pixels = 0.0, 0
    for connection in network.connections:
        fan_out = synapses(network, connection)
        if connection.source == INPUT and not network.input.spiking:
            pixels += int(fan_out.sum())
        else:
            emitted = frames if connection.source == INPUT else counts[connection.source]
            operations += float((emitted * fan_out).sum()) / len(split)
    overall = sum(rates[name] * size for name, size in neurons.items()) / sum(neurons.values())
    return Activity(
        spike_rate=overall,
        population_spike_rate=rates,
        synaptic_operations=operations,
        pixel_operations=pixels,
        timesteps=network.timesteps,
    )


def synapses(network: Network, connection: Connection) -> Tensor:
    """How many synapses leave each neuron of a connection's source, in the source's shape: borders have fewer."""
    with torch.enable_grad():
        one = torch.ones(1, *network.shape_of(connection.source), requires_grad=True)
        weight = None if connection.weight is None else torch.ones(network.weight_of[connection.weight].shape)
        # the derivative of the sum of all currents by a neuron counts its synapses
        (counted,) = torch.autograd.grad(apply(connection, one, weight).sum(), one)
    return counted[0]


def parity(module: IntegerNetwork, split: Split) -> Parity:
    """Compares every spike, membrane potential and prediction of the module with the reference.

    Raises:
        ParityError: any of them differs.
    """
    network = integers(module)
    compared = [0, 0, 0, 0]
    for start in range(0, len(split), BATCH):
        images = split.images[start : start + BATCH]
        found = differences(trace(module, images), reference.run(network, images))
        compared = [total + more for total, more in zip(compared, found, strict=True)]
    spikes, differing, membranes, predictions = compared
    if differing or membranes or predictions:
        raise ParityError(
            f"training and reference differ in {differing} spikes, {membranes} membrane potentials and {predictions} predictions",
            "the arithmetic of training is not the reference's on this machine; please report it",
        )
    return Parity(
        samples=len(split),
        steps=network.timesteps,
        spikes_compared=spikes,
        spikes_differing=differing,
        membranes_differing=membranes,
        predictions_differing=predictions,
    )


def differences(one: Trace, other: Trace) -> tuple[int, int, int, int]:
    """Spikes compared, and how many spikes, membrane potentials and predictions differ."""
    compared = sum(spikes.size for spikes in other.spikes.values())
    spikes = sum(int(np.count_nonzero(one.spikes[name] != fired)) for name, fired in other.spikes.items())
    membranes = sum(int(np.count_nonzero(one.membranes[name] != v)) for name, v in other.membranes.items())
    return compared, spikes, membranes, int(np.count_nonzero(one.predictions != other.predictions))
