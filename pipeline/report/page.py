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
from pipeline.report.layers import layers
from pipeline.report.places import PLACES
from pipeline.report.samples import shown
from pipeline.report.templating import style, templates
from stages.searching.pareto import ParetoPoint
from stages.verifying.memory import TermRow
from targets.sizes import format_size


def render(report: Report) -> str:
    """The whole page."""
    rows = layers(report)
    return (
        templates(percent=percent, difference=difference, count=count, milliseconds=milliseconds)
        .get_template("report.html.j2")
        .render(
            report=report,
            style=style(),
            measured_where=PLACES[report.measured_by],
            places=PLACES,
            regions=list(region_bars(report.budget, report.footprint)),
            diagram=network_diagram(report.network),
            wires=[(connection, describe(connection)) for connection in report.network.connections],
            layers=rows,
            spikes_per_sample=sum(row.spikes or 0.0 for row in rows),
            significance=_significance(report),
            search_chart=_search(report, regions_of(report)[0]) if report.search.pareto else None,
            further_fronts=[chart for region in regions_of(report)[1:] if (chart := _search(report, region))],
            front=front_of(report, regions_of(report)[0]) if report.search.pareto else [],
            kernel_sets=_kernel_rows(report),
            curves=_curves(report),
            rates=heat_map(report.activity.rates, "Spike rate of every population at every step"),
            examples=[shown(example, report) for example in report.examples],
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


def regions_of(report: Report) -> list[str]:
    """Regions with a Pareto front; the first is the one that the architecture fills most, and candidates are known in."""
    return list(dict.fromkeys(point.region for point in report.search.pareto))


def front_of(report: Report, region: str) -> list[ParetoPoint]:
    """The Pareto front in a region, in rising bytes."""
    return [point for point in report.search.pareto if point.region == region]


def _search(report: Report, region: str) -> Markup | None:
    """The Pareto front in a region, among scored candidates where they are known; None where there is one point only."""
    found, front = report.search, front_of(report, region)
    candidates = found.candidates if region == regions_of(report)[0] else ()
    if len(front) + len(candidates) < 2:
        return None
    points = [Point(size, score, "candidate", f"{format_size(size)}, {score:.2f} points") for size, score in candidates]
    for point in front:
        a = point.architecture
        cells = f"{len(a.cells)} cells, {a.channels} channels, {a.weight_bits} bits"
        label = f"{format_size(point.size_bytes)}, {point.score:.2f} points: {cells}"
        points.append(Point(point.size_bytes, point.score, "chosen" if a == found.architecture else "front", label))
    label = f"Score over memory in {region} for {len(points)} candidates"
    if not any(point.architecture == found.architecture for point in front):  # beaten by one as small and as good
        sizes = [row.estimated_bytes for row in report.budget if row.region == region]
        points += [
            Point(size, found.score, "chosen", f"{format_size(size)}, {found.score:.2f} points") for size in sizes
        ]
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
class KernelRow:
    """A set of kernel sizes: its score with the confidence interval in percent of the table's range, and its costs."""

    sizes: str
    kept: bool
    score: float
    left: float
    width: float
    place: float
    weights: float
    memory: str


def _kernel_rows(report: Report) -> list[KernelRow]:
    """The study's rows; what search may use of them is kept."""
    sets = report.analysis.kernel_sets
    if not sets:
        return []
    used = {int(o.removeprefix("conv").split("x")[0]) for o in report.analysis.kept if o.startswith("conv")}
    scores = [row.best_score_at_equal_cost for row in sets]
    low, high = min(s.mean - s.confidence for s in scores), max(s.mean + s.confidence for s in scores)
    scale = 100 / ((high - low) or 1)
    return [
        KernelRow(
            sizes=" and ".join(f"{size}×{size}" for size in row.sizes),
            kept=set(row.sizes) == used,
            score=score.mean,
            left=(score.mean - score.confidence - low) * scale,
            width=2 * score.confidence * scale,
            place=(score.mean - low) * scale,
            weights=row.weights,
            memory=", ".join(f"{format_size(round(size))} {region}" for region, size in row.region_bytes.items()),
        )
        for row, score in zip(sets, scores, strict=True)
    ]


def percent(value: float, digits: int = 1) -> str:
    """A fraction in percent."""
    return f"{100 * value:.{digits}f} %"


def milliseconds(seconds: float) -> str:
    """A duration in three digits."""
    return f"{1000 * seconds:,.3g} ms"


def difference(row: TermRow) -> str:
    """How far the estimate of a term lies above its measurement."""
    bytes_off = row.estimated_bytes - row.measured_bytes
    return f"{bytes_off:+,} B ({bytes_off / row.measured_bytes:+.2%})"


def count(value: float) -> str:
    """A number of things; from a million on in three digits: 12,345 or 1.01 million."""
    for name, factor in (("billion", 1e9), ("million", 1e6)):
        if value >= factor:
            return f"{value / factor:#.3g}".rstrip(".") + f" {name}"
    return f"{value:,.0f}"
