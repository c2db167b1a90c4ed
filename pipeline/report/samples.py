"""Test samples as the page shows them: the image, what fires at each step, every neuron's raster, the class scores.

Comes in: examples of a Report. Goes out: names, numbers and pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.report.contract import DrawnPopulation, Report
from pipeline.report.pictures import activity_uri, image_uri, spike_map_uri
from stages.verifying.examples import Example


@dataclass(frozen=True)
class ShownExample:
    """One test sample with pictures."""

    label: str
    prediction: str
    image: str
    #: Name of each population, and for each step a picture of where it fires with the number of its spikes.
    activity: tuple[tuple[str, tuple[tuple[str, int], ...]], ...]
    #: Name of each population and a picture of all its neurons at all steps.
    rasters: tuple[tuple[str, str], ...]
    #: Class name, final score, and its place between the lowest and the highest in percent.
    scores: tuple[tuple[str, int, float], ...]


def shown(example: Example, report: Report) -> ShownExample:
    """The pictures of one example; only the scores where the network is too large for its spikes to be kept."""
    final = example.scores[-1]
    low, high = min(final), max(final)
    places = [100 * (score - low) / ((high - low) or 1) for score in final]
    firing = [population for population in report.network.populations if population.name in example.spikes]
    rasters = [(p, example.raster(p.name, report.activity.timesteps)[:, : p.neurons]) for p in firing]
    return ShownExample(
        label=report.class_names[example.label],
        prediction=report.class_names[example.prediction],
        image=image_uri(example.image, example.image_shape),
        activity=tuple((p.name, _activity(raster, p)) for p, raster in rasters),
        rasters=tuple((p.name, spike_map_uri(raster, p.shape)) for p, raster in rasters),
        scores=tuple(zip(report.class_names, final, places, strict=True)),
    )


def _activity(raster: NDArray[np.uint8], population: DrawnPopulation) -> tuple[tuple[str, int], ...]:
    """Spikes [T, neurons] added up over channels, from the least to the most of the population in this sample."""
    shape = population.shape
    if len(shape) == 3:
        counts = raster.reshape(len(raster), *shape).sum(1)
    else:  # a dense population has no neighbourhood: wrap its neurons into a square
        side = int(np.ceil(raster.shape[1] ** 0.5))
        counts = np.pad(raster, ((0, 0), (0, side * side - raster.shape[1]))).reshape(len(raster), side, side)
    least, most = int(counts.min()), int(counts.max())
    shares = (counts - least) / max(1, most - least)
    return tuple((activity_uri(step), int(fired.sum())) for step, fired in zip(shares, raster, strict=True))
