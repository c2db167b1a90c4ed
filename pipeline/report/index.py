"""`build/index.html`: every finished run below a build folder on one page: a table to sort, accuracy against memory, links.

Comes in: the report.json of each run. Goes out: HTML without external requests. The only script sorts the table, and without it
the table is still there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from pipeline.report import files
from pipeline.report.axes import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, frame
from pipeline.report.contract import Budget, Report
from pipeline.report.svg import drawing, element, text, title
from pipeline.report.templating import style, templates
from targets.errors import ConfigurationError
from targets.sizes import format_size

INDEX = "index.html"
_LETTER = 6.6
_LINE = 11.0
_DOT = 5.5


@dataclass(frozen=True)
class Run:
    """One row of the table."""

    report: Report
    #: Folder of the run as a link from the page.
    link: str

    @property
    def measured_bytes(self) -> int:
        """In all regions together."""
        return sum(row.measured_bytes for row in self.report.budget)

    @property
    def fullest(self) -> Budget:
        """The region that is used most."""
        return max(self.report.budget, key=lambda row: row.measured_bytes / row.available_bytes)

    @property
    def share(self) -> float:
        """How much of the fullest region is used."""
        return self.fullest.measured_bytes / self.fullest.available_bytes

    @property
    def label(self) -> str:
        """The run in one line."""
        r = self.report
        return f"{r.target} · {r.dataset}: {r.accuracy.exported:.1%}, {format_size(self.measured_bytes)}"


def write_index(build: Path) -> Path:
    """Writes the page; its path. Runs without a readable report are named on it."""
    runs, unreadable = _runs(build)
    page = (
        templates(percent=_percent, share=_share)
        .get_template("index.html.j2")
        .render(
            runs=runs,
            unreadable=unreadable,
            style=style(),
            plot=plot(runs) if runs else None,
            verified=sum(run.report.ok for run in runs),
            datasets=_datasets(runs),
        )
    )
    files.write_if_changed(build / INDEX, page)
    return build / INDEX


def _runs(build: Path) -> tuple[list[Run], list[str]]:
    runs, unreadable = [], []
    for path in sorted(build.glob(f"*/*/{files.JSON}")):
        link = path.parent.relative_to(build).as_posix()
        try:
            runs.append(Run(files.read(path.parent), link))
        except ConfigurationError:
            unreadable.append(link)
    return runs, unreadable


def plot(runs: Sequence[Run]) -> Markup:
    """Accuracy over measured memory, a dot per run that leads to its report, one colour per dataset."""
    sizes, accuracies = [run.measured_bytes for run in runs], [run.report.accuracy.exported for run in runs]
    margin = (max(accuracies) - min(accuracies)) * 0.15 or 0.01
    x = Axis(min(sizes) * 0.7, max(sizes) * 1.5, LEFT, WIDTH - RIGHT, logarithmic=True)
    y = Axis(max(0.0, min(accuracies) - margin), min(1.0, max(accuracies) + margin), HEIGHT - BOTTOM, TOP)
    datasets = _datasets(runs)
    dots, labels = [], []
    for run, place in zip(runs, _label_places(runs, x, y), strict=True):
        colour = f"dot{datasets.index(run.report.dataset) % 8}"
        at_x, at_y = x(run.measured_bytes), y(run.report.accuracy.exported)
        dot = element("circle", title(run.label), cx=at_x, cy=at_y, r=_DOT, class_=f"dot {colour}")
        dots.append(element("a", dot, href=f"{run.link}/{files.HTML}", aria_label=run.label))
        if place is not None:
            labels.append(text(*place, run.report.target, "tick"))
    parts = [*frame(x, y, "measured bytes in all regions", _percent_format(y), sizes=True), *labels, *dots]
    parts.append(text(LEFT + 6, TOP + 2, "test accuracy", "axis-name"))
    return drawing(WIDTH, HEIGHT, f"Test accuracy over measured memory of {len(runs)} models", parts)


def _datasets(runs: Sequence[Run]) -> list[str]:
    """In the order of their colours."""
    return list(dict.fromkeys(run.report.dataset for run in runs))


def _percent_format(axis: Axis) -> str:
    """As many decimals as the ticks of an axis have."""
    digits = next((n for n in range(4) if all(abs(round(tick, n + 2) - tick) < 1e-9 for tick in axis.ticks())), 4)
    return f"{{:.{digits}%}}"


def _label_places(runs: Sequence[Run], x: Axis, y: Axis) -> Iterator[tuple[float, float] | None]:
    """A place beside each dot where its name covers no other name and no dot, None where there is none."""
    dots = [(x(run.measured_bytes), y(run.report.accuracy.exported) + 4) for run in runs]
    taken = [(at_x - _DOT, at_y, 2 * _DOT) for at_x, at_y in dots]
    for run, (at_x, at_y) in zip(runs, dots, strict=True):
        width = _LETTER * len(run.report.target)
        candidates = [(at_x + side, at_y + down) for down in (0, -12, 12, -24, 24) for side in (9.0, -9.0 - width)]
        free = (place for place in candidates if _is_free(place, width, taken))
        place = next(free, None)
        if place is not None:
            taken.append((*place, width))
        yield place


def _is_free(place: tuple[float, float], width: float, taken: Sequence[tuple[float, float, float]]) -> bool:
    left, height = place
    inside = left > LEFT and left + width < WIDTH and TOP < height < HEIGHT - BOTTOM
    return inside and all(
        left + width < other or other + length < left or abs(height - other_height) >= _LINE
        for other, other_height, length in taken
    )


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _share(value: float) -> str:
    """Two digits, however small."""
    return f"{100 * value:.2g} %" if value < 0.1 else f"{100 * value:.0f} %"
