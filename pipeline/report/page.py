"""`report.html`: one page without scripts or external requests, drawn from a Report alone.

Comes in: a Report. Goes out: HTML. The template holds the words, `style.css` the looks; this module decides what is shown.
"""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from pipeline.report.bars import region_bars
from pipeline.report.charts import Interval, Line, Point, heat_map, intervals, line_chart, scatter
from pipeline.report.contract import Report
from pipeline.report.diagram import describe, network_diagram
from pipeline.report.pictures import image_uri, spike_map_uri
from pipeline.report.templating import style, templates
from stages.examples import Example
from stages.verify import TermRow
from targets.sizes import format_size

_SPOKEN = {
    "runtime": "on the target's runtime, on this machine",
    "emulated": "in an emulator of the target's core",
    "simulated": "in a simulator of the target",
    "hardware": "on the target itself",
}


def render(report: Report) -> str:
    """The whole page."""
    return (
        templates(percent=percent, difference=difference)
        .get_template("report.html.j2")
        .render(
            report=report,
            style=style(),
            measured_where=_SPOKEN[report.measured_by],
            regions=list(region_bars(report.budget, report.footprint)),
            diagram=network_diagram(report.network),
            wires=[(connection, describe(connection)) for connection in report.network.connections],
            layers=layers(report),
            significance=_significance(report),
            search_chart=_search(report),
            curves=_curves(report),
            rates=heat_map(report.activity.rates, "Spike rate of every population at every step"),
            examples=[_shown(example, report) for example in report.examples],
        )
    )


def _significance(report: Report) -> Markup:
    analysis = report.analysis
    rows = [
        Interval(e.operation, e.best_change.mean, e.best_change.confidence, e.operation in analysis.kept)
        for e in analysis.effects
    ]
    label = "Change of the best tenth of the scores when an operation is removed, with 95 % confidence"
    return intervals(rows, label, "change of the best tenth of the scores without it, points")


def _search(report: Report) -> Markup | None:
    """Scored candidates and the Pareto front in the region that the front is about; None where there is one point only."""
    found = report.search
    front = [point for point in found.pareto if point.region == found.pareto[0].region]
    if len(front) + len(found.candidates) < 2:
        return None
    points = [
        Point(size, score, "candidate", f"{format_size(size)}, {score:.2f} points") for size, score in found.candidates
    ]
    for point in front:
        a = point.architecture
        cells = f"{len(a.cells)} cells, {a.channels} channels, {a.weight_bits} bits"
        label = f"{format_size(point.size_bytes)}, {point.score:.2f} points: {cells}"
        points.append(Point(point.size_bytes, point.score, "chosen" if a == found.architecture else "front", label))
    region = front[0].region
    label = f"Score over memory in {region} for {len(points)} candidates"
    return scatter(points, label, f"estimated bytes in {region}", f"score ({found.score_name})")


def _curves(report: Report) -> tuple[Markup, Markup]:
    phases = dict.fromkeys(epoch.phase for epoch in report.training)
    accuracy, loss = [], []
    for phase in phases:
        epochs = [epoch for epoch in report.training if epoch.phase == phase and epoch.epoch > 0]
        accuracy.append(Line(phase, [epoch.validation_accuracy for epoch in epochs]))
        loss.append(Line(phase, [epoch.validation_loss for epoch in epochs]))
    return (
        line_chart(accuracy, "Validation accuracy by epoch", "epoch", "{:.0%}", highest=1.0),
        line_chart(loss, "Validation loss by epoch", "epoch", "{:g}", logarithmic=True),
    )


@dataclass(frozen=True)
class Layer:
    """One population with what leads into it."""

    name: str
    shape: str
    neurons: int
    weights: int
    state_bytes: int
    #: Spikes per neuron and step; None for the readout.
    rate: float | None
    #: Additions that spikes into it cause, per sample.
    operations: float


def layers(report: Report) -> list[Layer]:
    """The rows of the table of layers; shared weights count where they appear first."""
    rows = []
    for population in report.network.populations:
        into = [c for c in report.network.connections if c.target == population.name]
        rates = report.activity.rates.get(population.name)
        rows.append(
            Layer(
                population.name,
                "×".join(str(length) for length in population.shape),
                population.neurons,
                sum(c.parameters for c in into if not c.shared),
                population.neurons * population.state_bits // 8,
                sum(rates) / len(rates) if rates else None,
                report.activity.operations.get(population.name, 0.0),
            )
        )
    return rows


@dataclass(frozen=True)
class ShownExample:
    """One test sample with pictures."""

    label: str
    prediction: str
    image: str
    #: Name of each population and a picture of its spikes.
    spikes: tuple[tuple[str, str], ...]
    #: Class name, final score, and its place between the lowest and the highest in percent.
    scores: tuple[tuple[str, int, float], ...]


def _shown(example: Example, report: Report) -> ShownExample:
    final = example.scores[-1]
    low, high = min(final), max(final)
    places = [100 * (score - low) / ((high - low) or 1) for score in final]
    firing = [population for population in report.network.populations if population.name in example.spikes]
    spikes = {p: example.raster(p.name, report.activity.timesteps)[:, : p.neurons] for p in firing}
    return ShownExample(
        label=report.class_names[example.label],
        prediction=report.class_names[example.prediction],
        image=image_uri(example.image, example.image_shape),
        spikes=tuple((p.name, spike_map_uri(raster, p.shape)) for p, raster in spikes.items()),
        scores=tuple(zip(report.class_names, final, places, strict=True)),
    )


def percent(value: float, digits: int = 1) -> str:
    """A fraction in percent."""
    return f"{100 * value:.{digits}f} %"


def difference(row: TermRow) -> str:
    """How far the estimate of a term lies above its measurement."""
    bytes_off = row.estimated_bytes - row.measured_bytes
    return f"{bytes_off:+,} B ({bytes_off / row.measured_bytes:+.2%})"
