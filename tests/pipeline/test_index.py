"""The index page and the model card: drawn from report.json alone, self-contained, with the right numbers."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from pipeline.report import files
from pipeline.report.card import model_card
from pipeline.report.contract import Report
from pipeline.report.index import Run, plot, write_index
from tests.networks import NETWORKS, filled
from tests.pipeline.test_report import WellFormed, report_of


def a_report(**changes: object) -> Report:
    return report_of(filled(NETWORKS["chain"]()), **changes)


def finished(build: Path, target: str, **changes: object) -> None:
    folder = build / target / "digits"
    folder.mkdir(parents=True)
    (folder / files.JSON).write_text(files.to_json(a_report(target=target, **changes)))


def test_the_index_lists_every_run_and_fetches_nothing(tmp_path: Path) -> None:
    finished(tmp_path, "board_a")
    finished(tmp_path, "board_b", ok=False)
    (tmp_path / "torn" / "digits").mkdir(parents=True)
    (tmp_path / "torn" / "digits" / files.JSON).write_text("{")
    page = write_index(tmp_path).read_text()
    parser = WellFormed()
    parser.feed(page)
    assert parser.open == []
    assert "2 models, 1 verified" in page and "97.2 %" in page
    links = [where for where in parser.fetched if not where.startswith(("#", "data:"))]
    assert {link for link in links if link.endswith("report.html")} == {f"board_{x}/digits/report.html" for x in "ab"}
    assert all(re.match(r"board_[ab]/digits/(report\.html|MODEL_CARD\.md)$", link) for link in links)
    assert "http:" not in page and "https:" not in page and "torn/digits" in page
    assert "<b" not in re.sub(r"<(body|button|br)", "", page)  # the <board> of the summary is nowhere markup


def test_an_index_of_nothing_says_how_to_begin(tmp_path: Path) -> None:
    assert "spikeport deploy" in write_index(tmp_path).read_text()


def test_the_plot_has_a_link_per_run_and_labels_that_do_not_overlap() -> None:
    runs = [Run(a_report(target=f"board_{index}"), f"board_{index}/digits") for index in range(12)]
    svg = ElementTree.fromstring(str(plot(runs)))  # noqa: S314 - our own
    space = "{http://www.w3.org/2000/svg}"
    links = [e for e in svg.iter() if e.tag.removeprefix(space) == "a"]
    assert [link.get("href") for link in links] == [f"board_{index}/digits/report.html" for index in range(12)]
    labels = [e for e in svg.iter() if e.tag.removeprefix(space) == "text" and (e.text or "").startswith("board_")]
    places = [(float(e.get("x")), float(e.get("y"))) for e in labels]
    assert 1 < len(places) == len(set(places))


def test_the_card_states_what_the_report_holds() -> None:
    report = a_report()
    card = model_card(report)
    assert card.startswith("# digits on board\n") and card.endswith("own.\n")
    for row in report.footprint:
        assert (
            f"| ram | {row.term} | {row.moment or 'always'} | {row.estimated_bytes:,} B | {row.measured_bytes:,} B |"
            in card
        )
    assert "97.25 %" in card and "a <board> & more" in card
    assert report.how_to_run in card and report.command in card and "a" * 64 in card
    assert "It has not run on the board" in card
    assert "It has not run on the board" not in model_card(report.model_copy(update={"measured_by": "hardware"}))
    assert "does not fit" in model_card(report.model_copy(update={"ok": False, "fits": False}))
    assert "not verified" in model_card(report.model_copy(update={"ok": False}))


def test_a_card_whose_cells_hold_pipes_keeps_its_table() -> None:
    (line,) = [line for line in model_card(a_report()).splitlines() if line.startswith("| cells")]
    assert line.replace("\\|", "").count("|") == 3
