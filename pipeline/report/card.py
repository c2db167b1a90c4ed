"""The model card: what someone who is handed the artifact has to know, as Markdown beside it.

Comes in: a Report, and nothing else. Goes out: text. The sections follow Mitchell et al., "Model Cards for Model Reporting"
(FAT* 2019), with the memory and the arithmetic in the place of what does not apply to a network of a few kilobytes.
"""

from __future__ import annotations

from pipeline.report.contract import Report
from pipeline.report.page import milliseconds
from pipeline.report.places import PLACES
from pipeline.report.templating import templates


def model_card(report: Report) -> str:
    """The card of one run."""
    neuron = report.neuron
    return (
        templates(percent=_percent, milliseconds=milliseconds)
        .get_template("model_card.md.j2")
        .render(
            report=report,
            a=report.search.architecture,
            measured=f"measured {PLACES[report.measured_by]}",
            leak=f"v ← v · {neuron.keep} / {2**neuron.keep_shift}",
            shape="×".join(str(length) for length in report.network.input_shape),
            classes=_classes(report),
        )
    )


def _classes(report: Report) -> str:
    """The names where they are few."""
    names = report.class_names
    return f"{len(names)} classes" + (f": {', '.join(names)}" if len(names) <= 20 else "")


def _percent(value: float) -> str:
    return f"{100 * value:.2f} %"
