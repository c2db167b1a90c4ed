"""Markdown and JUnit with what breaks them inside: pipes, markup, control characters."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from rich.console import Console

from pipeline.regeneration.compare import Finding
from pipeline.regeneration.outcome import Outcome
from pipeline.regeneration.summaries import junit, markdown, table
from tests.networks import NETWORKS, filled
from tests.pipeline.test_report import report_of, row

REPORT = report_of(filled(NETWORKS["chain"]()))
GOOD = Outcome("board", "digits", Path("build"), 0, report=REPORT, seconds=1.5)
BAD = Outcome(
    "a_target_of_a_long_name", "digits", Path("build"), 1, error="a | b <c>\n\x1b[31mtrace", hint="do it again"
)
OUTSIDE = Outcome(
    "off", "digits", Path("build"), 4, error="not as estimated",
    report=REPORT.model_copy(update={"ok": False, "footprint": (row("weights", 9, 10, ok=False),)}),
)  # fmt: skip
FINDINGS = [
    Finding("board", "digits", "weights in ram grew: measured 1 B to 9 B, +8 B"),
    Finding("gone", "", "is in models.lock.toml"),
    Finding("board", "digits", "other bytes", regression=False),
]


def test_every_row_of_the_markdown_table_has_every_column() -> None:
    page = markdown([GOOD, BAD, OUTSIDE], FINDINGS)
    rows = [line.replace("\\|", "") for line in page.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {8}
    assert "1 of 3 fit and are verified" in page
    assert page.index("## Worse than the lock file") < page.index("+8 B") < page.index("## Changed, not worse")
    assert "Everything is as in the lock file." in markdown([GOOD], [])
    assert "lock file" not in markdown([GOOD], None)


def test_junit_has_a_case_per_claim_and_a_failure_per_broken_one() -> None:
    suites = ElementTree.fromstring(junit([GOOD, BAD, OUTSIDE], FINDINGS).encode())  # noqa: S314 - our own
    failures = {
        f"{c.get('classname')}/{c.get('name')}" for c in suites.iter("testcase") if c.find("failure") is not None
    }
    assert failures == {
        "board.digits/no worse than the lock file",
        "a_target_of_a_long_name.digits/made and verified",
        "off.digits/made and verified",
        "off.digits/footprint: weights in ram",
        "lock/known targets",
    }
    for suite in suites:
        assert int(suite.get("tests")) == len(suite.findall("testcase"))
        assert int(suite.get("failures")) == len([c for c in suite if c.find("failure") is not None])


def test_the_table_cuts_no_name() -> None:
    console = Console(width=60, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(table([GOOD, BAD]))
    assert "a_target_of_a_long_name" in console.export_text()
