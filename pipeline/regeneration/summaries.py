"""The end of a regeneration on paper: a table for the terminal, Markdown for a CI page, JUnit XML for a CI's test view.

Comes in: outcomes and, where the lock was compared, findings. Goes out: a rich table, and two texts.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence

from rich.markup import escape
from rich.table import Table

from pipeline.regeneration.compare import Finding
from pipeline.regeneration.outcome import Outcome
from pipeline.report.contract import Budget, Report
from stages.verifying.memory import TermRow
from targets.sizes import format_size

_HEADS = ("target", "dataset", "verdict", "accuracy", "spikes differing", "measured memory", "this time")


def _cells(outcome: Outcome) -> tuple[str, ...]:
    report = outcome.report
    if report is None:
        figures: tuple[str, ...] = ("", "", "")
    else:
        memory = ", ".join(_region(row) for row in report.budget)
        figures = (f"{report.accuracy.exported:.1%}", f"{report.parity.spikes_differing:,}", memory)
    told = outcome.error.splitlines()[0] if outcome.error else outcome.done()
    return (outcome.target, outcome.dataset, outcome.verdict, *figures, f"{told} ({outcome.seconds:.1f} s)")


def _region(row: Budget) -> str:
    return f"{row.region} {format_size(row.measured_bytes)} ({100 * row.measured_bytes / row.available_bytes:.3g} %)"


def table(outcomes: Sequence[Outcome]) -> Table:
    """The summary for a terminal; names are never cut."""
    result = Table(box=None, header_style="bold", pad_edge=False)
    names = max((len(outcome.target) for outcome in outcomes), default=0)
    result.add_column("target", min_width=names, overflow="fold")
    for head in _HEADS[1:-1]:
        result.add_column(head, justify="right" if head in ("accuracy", "spikes differing") else "left")
    for outcome in outcomes:
        colour = "red" if outcome.exit_code else "green"
        target, dataset, verdict, *rest, _ = _cells(outcome)
        result.add_row(f"[bold]{escape(target)}[/]", escape(dataset), f"[{colour}]{verdict}[/]", *rest)
    return result


def markdown(outcomes: Sequence[Outcome], findings: Sequence[Finding] | None) -> str:
    """A page with the verdict first. `findings` is None where no lock was compared."""
    good = sum(outcome.exit_code == 0 for outcome in outcomes)
    lines = ["# Regenerated models", "", f"{good} of {len(outcomes)} fit and are verified.", ""]
    lines += [f"| {' | '.join(_HEADS)} |", f"|{' --- |' * len(_HEADS)}"]
    lines += [f"| {' | '.join(map(_plain, _cells(outcome)))} |" for outcome in outcomes]
    for title, wanted in (("Worse than the lock file", True), ("Changed, not worse", False)):
        listed = [finding for finding in findings or () if finding.regression == wanted]
        if listed:
            lines += ["", f"## {title}", "", *(f"- {_plain(str(finding))}" for finding in listed)]
    if findings is not None and not findings and good == len(outcomes):
        lines += ["", "Everything is as in the lock file."]
    failed = [outcome for outcome in outcomes if outcome.error]
    if failed:
        lines += ["", "## Failures"]
        for outcome in failed:
            lines += ["", f"### {_plain(outcome.name)}", "", "```text", outcome.error, "```"]
            lines += ["", _plain(outcome.hint)] if outcome.hint else []
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Text that a Markdown table takes as it is."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def junit(outcomes: Sequence[Outcome], findings: Sequence[Finding] | None) -> str:
    """JUnit XML: a suite per target and dataset, a case per claim that was checked."""
    root = ElementTree.Element("testsuites", name="spikeport regenerate")
    for outcome in outcomes:
        suite = ElementTree.SubElement(root, "testsuite", name=f"{outcome.target}.{outcome.dataset}")
        cases = list(_cases(outcome, findings))
        for name, failure in cases:
            case = ElementTree.SubElement(suite, "testcase", classname=suite.attrib["name"], name=name, time="0")
            if failure:
                ElementTree.SubElement(case, "failure", message=_xml(failure.splitlines()[0])).text = _xml(failure)
        suite.set("tests", str(len(cases)))
        suite.set("failures", str(sum(bool(failure) for _, failure in cases)))
        suite.set("time", f"{outcome.seconds:.3f}")
    orphans = [finding for finding in findings or () if finding.regression and not finding.dataset]
    if orphans:
        suite = ElementTree.SubElement(root, "testsuite", name="lock", tests="1", failures="1")
        case = ElementTree.SubElement(suite, "testcase", classname="lock", name="known targets")
        text = _xml("\n".join(map(str, orphans)))
        ElementTree.SubElement(case, "failure", message=text.splitlines()[0]).text = text
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _cases(outcome: Outcome, findings: Sequence[Finding] | None) -> Iterator[tuple[str, str]]:
    """Name and failure, empty if it holds."""
    yield "made and verified", f"{outcome.error}\n{outcome.hint}".strip() if outcome.exit_code else ""
    if outcome.report is not None:
        yield from _claims(outcome.report)
    if findings is not None and outcome.exit_code == 0:
        mine = [f.text for f in findings if f.regression and (f.target, f.dataset) == (outcome.target, outcome.dataset)]
        yield "no worse than the lock file", "\n".join(mine)


def _claims(report: Report) -> Iterator[tuple[str, str]]:
    differing = report.parity.spikes_differing + report.parity.membranes_differing
    yield "parity", f"{differing:,} spikes and membrane potentials differ" if differing else ""
    for row in report.footprint:
        yield f"footprint: {row.term} in {row.region}", "" if row.ok else _outside(row)
    for region in report.budget:
        most = max(region.estimated_bytes, region.measured_bytes)
        text = f"{most:,} B of {region.available_bytes:,} B"
        yield f"fits {region.region}", "" if most <= region.available_bytes else text


def _outside(row: TermRow) -> str:
    return f"estimated {row.estimated_bytes:,} B, measured {row.measured_bytes:,} B"


def _xml(text: str) -> str:
    """Without the control characters that XML cannot carry."""
    return "".join(character for character in text if character >= " " or character in "\n\t")
