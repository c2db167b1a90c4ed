"""The pages in a real Chromium: nothing complained about, nothing fetched, nothing cut off, and the right numbers in view."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.report import files
from pipeline.report.contract import Report
from pipeline.report.index import write_index
from stages.analyze import Analysis
from stages.analyzing.kernels import KernelSet
from stages.analyzing.significance import Effect, Interval
from tests.chromium import Page, browser, chromium_path
from tests.networks import NETWORKS, filled
from tests.pipeline.test_report import report_of, row

pytestmark = pytest.mark.skipif(chromium_path() is None, reason="no Chromium is installed: apt-get install chromium")

MOST_BYTES = 3_000_000


def interval(mean: float) -> Interval:
    return Interval(mean=mean, spread=0.1, confidence=0.2)


def effect(operation: str, change: float, *, kept: bool) -> Effect:
    because = f"the best tenth changes by {change:+.2f} without it"
    return Effect(
        operation=operation, mean_change=interval(change), best_change=interval(change), kept=kept, because=because
    )


def kernels(*sizes: int) -> KernelSet:
    score = interval(-float(len(sizes)))
    return KernelSet(
        sizes=sizes, score=score, best_score=score, best_score_at_equal_cost=score, weights=1234.0,
        region_bytes={"ram": 5000.0},
    )  # fmt: skip


ANALYSIS = Analysis(
    score_name="evidence", repeats=2, cells=10, kept=("conv3x3", "skip"), refused=("conv9x9: not on this target",),
    effects=(effect("conv3x3", -2.0, kept=True), effect("avgpool3x3", 0.3, kept=False)),
    kernel_sets=(kernels(3), kernels(3, 5)), rule="the better one stays",
)  # fmt: skip


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    changes = {"board_a": {}, "board_b": {"ok": False, "footprint": (row("weights", 900, 1010, ok=False),)}}
    for target, change in changes.items():
        run = folder / target / "digits"
        run.mkdir(parents=True)
        files.write(run, report_of(filled(NETWORKS["branching"]()), target=target, analysis=ANALYSIS, **change))
    write_index(folder)
    return folder


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture
def report(build: Path) -> Report:
    return files.read(build / "board_a" / "digits")


def body_rows(page: Page, table: str) -> list[list[str]]:
    cells = f"[...document.querySelectorAll('{table} tbody tr')].map(r => [...r.cells].map(c => c.innerText.trim()))"
    return json.loads(page.value(f"JSON.stringify({cells})"))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("name", ["board_a/digits/report.html", "board_b/digits/report.html", "index.html"])
def test_the_page_is_quiet_self_contained_and_not_cut_off(
    page: Page, build: Path, name: str, width: int, *, dark: bool
) -> None:
    path = build / name
    page.open(path, width, dark=dark)
    assert path.stat().st_size < MOST_BYTES
    assert page.complaints() == []
    assert [url for url in page.requested() if not url.startswith("data:")] == [path.as_uri()]
    assert page.value("document.documentElement.scrollWidth") <= width
    broken = "[...document.images].filter(i => !i.complete || !i.naturalWidth).length"
    assert page.value(broken) == 0
    ground = page.value("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]")
    assert (ground < 60) == dark


def test_complaints_and_requests_would_be_noticed(page: Page, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text("<img src='file:///nowhere.png'><div style='width:2000px'>x</div><script>undefinedThing()</script>")
    page.open(bad, 400)
    assert any("undefinedThing" in told for told in page.complaints())
    assert "file:///nowhere.png" in page.requested()
    assert page.value("document.documentElement.scrollWidth") > 400


def test_every_part_is_there_with_the_right_numbers(page: Page, build: Path, report: Report) -> None:
    page.open(build / "board_a/digits/report.html", 1280)
    text = page.value("document.querySelector('main').innerText")
    assert text.index("Fits and verified") < text.index("Memory") < text.index("Network") < text.index("Provenance")
    (ram,) = report.budget
    assert f"{report.accuracy.exported:.1%}".replace("%", " %") in text
    terms = body_rows(page, "#memory .stacking")
    assert [(cells[0], cells[2], cells[3]) for cells in terms] == [
        (row.term, f"{row.estimated_bytes:,} B", f"{row.measured_bytes:,} B") for row in report.footprint
    ]
    assert body_rows(page, "#replayed") == [
        ["Exported, in an emulator of the target", "1", "13,456", "0"],
        ["Exported, natively, on the machine that ran spikeport", "3", "60,000", "0"],
        ["PyTorch, as trained", "4", "50,000", "0"],
    ]
    bars = page.value("[...document.querySelectorAll('.bar')].map(b => [...b.children].map(i => i.offsetWidth))")
    assert len(bars) == 4 and all(sum(widths) > 100 for widths in bars)
    layers = body_rows(page, "#layers")
    for cells, population in zip(layers, report.network.populations, strict=True):
        assert cells[0].split("\n")[0] == population.name
        assert cells[1] == f"{population.neurons:,}"
        assert cells[5] == f"{report.activity.operations.get(population.name, 0.0):,.0f}"
    operations = {cells[0]: cells[1:] for cells in body_rows(page, "#operations")}
    assert operations["avgpool3x3"] == ["dropped", "the best tenth changes by +0.30 without it"]
    assert body_rows(page, "#kernels")[0][0] == "3×3 kept"
    assert "conv9x9: not on this target" in text
    assert report.command in text and str(ram.available_bytes // 1000) in text
    figures = page.value("[...document.querySelectorAll('svg')].map(s => s.getAttribute('aria-label'))")
    for drawn in ("Network of", "Change of the best tenth", "Validation accuracy", "Validation loss", "Spike rate"):
        assert any(label.startswith(drawn) for label in figures), drawn
    assert len(page.value("[...document.querySelectorAll('.example .photo')].map(i => i.src)")) == len(report.examples)
    maps = page.value("document.querySelectorAll('.example .maps img').length")
    assert maps == len(report.examples) * len(report.activity.rates) * report.activity.timesteps
    assert page.value("document.querySelectorAll('.example .rasters img').length") == len(report.examples) * len(
        report.activity.rates
    )


def test_a_failure_stands_first(page: Page, build: Path) -> None:
    page.open(build / "board_b/digits/report.html", 400)
    first = page.value("document.querySelector('main').innerText.trim().split('\\n').slice(0, 4).join(' ')")
    assert "Not verified" in first
    assert "weights differs by -110 B" in page.value("document.querySelector('#verdict').innerText")


def test_a_keyboard_reaches_everything_and_images_have_words(page: Page, build: Path) -> None:
    page.open(build / "board_a/digits/report.html", 400)
    page.press("Tab")
    assert page.value("document.activeElement.innerText") == "Skip to the verdict"
    assert page.value("document.activeElement.getBoundingClientRect().left") >= 0
    unnamed = (
        "[...document.querySelectorAll('img, svg, [role=img], [role=region], nav')].filter(e => "
        "!(e.getAttribute('alt') || e.getAttribute('aria-label'))).length"
    )
    assert page.value(unnamed) == 0
    unreachable = "[...document.querySelectorAll('.scroll')].filter(e => e.tabIndex !== 0).length"
    assert page.value(unreachable) == 0
    nodes = page.ask("Accessibility.getFullAXTree")["nodes"]
    roles = [node["role"]["value"] for node in nodes if "role" in node]
    assert {"table", "rowheader", "columnheader", "heading", "navigation", "main"} <= set(roles)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_words_stand_out_from_their_ground(page: Page, build: Path, *, dark: bool) -> None:
    """WCAG's contrast of 4.5 for text, 3 for large text, on every colour pair of the style sheet that carries words."""
    page.open(build / "board_a/digits/report.html", 1280, dark=dark)
    for ink, ground, least in (
        ("ink", "page", 7), ("ink", "card", 7), ("soft", "page", 4.5), ("soft", "card", 4.5), ("soft", "sunk", 4.5),
        ("good", "good-sunk", 4.5), ("bad", "bad-sunk", 4.5), ("on-heat", "accent", 3),
    ):  # fmt: skip
        colours = [
            page.value(f"getComputedStyle(document.documentElement).getPropertyValue('--{name}')")
            for name in (ink, ground)
        ]
        light, deep = sorted((luminance(colour.strip()) for colour in colours), reverse=True)
        assert (light + 0.05) / (deep + 0.05) >= least, (ink, ground)


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_it_prints(page: Page, build: Path) -> None:
    page.open(build / "board_a/digits/report.html", 1280, dark=True, media="print")
    assert page.value("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert page.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.print().startswith(b"%PDF-")


def test_the_index_sorts_by_keyboard_and_links_to_the_reports(page: Page, build: Path) -> None:
    page.open(build / "index.html", 1280)
    order = "[...document.querySelectorAll('#table tbody th a')].map(a => a.innerText)"
    assert page.value(order) == ["board_a", "board_b"]
    page.value("document.querySelectorAll('#table thead button')[2].focus()")
    for expected in (["board_a", "board_b"], ["board_b", "board_a"]):
        page.press("Enter")
        assert page.value(order) == expected
    assert page.value("document.querySelectorAll('#table thead th')[2].getAttribute('aria-sort')") == "descending"
    assert page.value("document.querySelectorAll('svg a .dot').length") == 2
    targets = page.value("[...document.querySelectorAll('svg a')].map(a => a.getAttribute('href'))")
    assert all((build / target).is_file() for target in targets)
