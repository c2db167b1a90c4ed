"""The page and its drawings: self-contained, well formed, with the right numbers, and no longer than it may be."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.report.assemble import draw
from pipeline.report.axes import Axis
from pipeline.report.bars import region_bars
from pipeline.report.card import model_card
from pipeline.report.charts import Interval, Line, Point, heat_map, intervals, line_chart, scatter
from pipeline.report.contract import Accuracy, Budget, Epoch, ParityCounts, Report, Search, StageRun
from pipeline.report.diagram import INPUT, lanes_of, network_diagram, rows_of
from pipeline.report.page import render
from pipeline.report.pictures import image_uri, spike_map_uri
from stages.analyze import Analysis
from stages.data.dataset import Split
from stages.searching.pareto import ParetoPoint
from stages.snn.architecture import Architecture
from stages.verifying.activity import neurons
from stages.verifying.examples import examples_of
from stages.verifying.memory import TermRow
from stages.verifying.on_hardware import OnHardware
from stages.verifying.replay import Activity, Replayed
from targets.footprint import Tolerance
from targets.latency import Instructions, Latency
from targets.network import Network, Neuron
from targets.reference import run
from targets.stored_weight import StoredWeight
from tests.networks import NETWORKS, filled, inputs_for, random_network

VOID = {"meta", "link", "br", "img"}


class WellFormed(HTMLParser):
    """Collects open tags and what is fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.ids += [values["id"]] if "id" in values else []
        self.fetched += [values[key] for key in ("src", "href") if key in values]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.ids += [dict(attrs)["id"]] if "id" in dict(attrs) else []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def row(term: str, estimated: int, measured: int, moment: str = "", *, ok: bool = True) -> TermRow:
    return TermRow(
        term=term,
        region="ram",
        estimated_bytes=estimated,
        measured_bytes=measured,
        moment=moment,
        tolerance=Tolerance(relative_high=0.03),
        ok=ok,
    )


def parity_of(network: Network) -> ParityCounts:
    """Both comparisons, the artifact's on two kinds of runtime."""
    return ParityCounts(
        samples=4, steps=network.timesteps, spikes_compared=123456, spikes_differing=0, membranes_compared=99,
        membranes_differing=0, predictions_differing=0, first_difference=None, compared=("one with another",),
        samples_in_training=4,
        replayed=(
            Replayed(obtained="emulated", samples=1, spikes_compared=13456, membranes_compared=24),
            Replayed(obtained="runtime", samples=3, spikes_compared=60000, membranes_compared=75),
        ),
    )  # fmt: skip


def report_of(network: Network, **changes: object) -> Report:
    """A report about a network of the table; its names hold what HTML must escape."""
    inputs = inputs_for(network, 4)
    trace = run(network, inputs)
    classes = network.readout.size
    labels = np.arange(4) % classes
    architecture = Architecture(input_shape=(1, 8, 8), classes=classes, cells=("|conv3x3~0|",), channels=4)
    rates = {name: tuple(float(s.mean()) for s in spikes) for name, spikes in trace.spikes.items()}
    report = Report(
        target="board",
        target_summary="a <board> & more",
        family="onnxruntime",
        dataset="digits",
        dataset_summary="handwritten digits",
        dataset_fingerprint="f" * 64,
        class_names=tuple(f"<{index}>" for index in range(classes)),
        seed=0,
        preset="quick",
        command='spikeport deploy "./my board.toml"',
        versions={"spikeport": "0.1.0", "python": "3.11"},
        fits=True,
        ok=True,
        measured_by="runtime",
        measured_with={"onnxruntime": "1.31"},
        accuracy=Accuracy(float=0.98, quantized=0.9725, exported=0.9725),
        parity=parity_of(network),
        footprint=(row("weights", 1000, 1010), row("loading", 300, 290, "load"), row("state", 200, 200, "run")),
        budget=(Budget(region="ram", available_bytes=5000, estimated_bytes=1300, measured_bytes=1300),),
        search=Search(
            candidates_considered=12, candidates_over_budget=3, candidates_scored=9, seconds=1.5, architecture=architecture,
            score=1.0, score_name="evidence", stopped_by="memory", stopped_because="5 channels do not fit",
            pareto=(), candidates=(),
        ),
        activity=Activity(
            spike_rate=0.2, synaptic_operations=12345.0, operations={}, pixel_operations=0,
            timesteps=network.timesteps, rates=rates,
        ),
        analysis=Analysis(
            score_name="evidence", repeats=2, cells=10, effects=(), kernel_sets=(), kept=("conv3x3",), refused=(), rule=""
        ),
        network=draw(network),
        neuron=Neuron(),
        training=tuple(
            Epoch(phase=phase, epoch=e, train_loss=1 / e, validation_loss=1 / e, validation_accuracy=1 - 0.5 / e)
            for phase in ("float", "integer") for e in (1, 2, 3)
        ),
        best_epoch=2,
        examples=tuple(examples_of(network, trace, Split(inputs, labels))) if inputs.ndim == 4 else (),
        artifacts={"step": "04_export/artifact/step.onnx"},
        artifact_hashes={"step": "a" * 64},
        how_to_run="Load `step.onnx`.",
        stages=(StageRun(stage="analyze", seconds=1, key="b" * 64),),
        seconds=1,
    )  # fmt: skip
    return report.model_copy(update=changes)


def timed(obtained: str, median: float) -> Latency:
    seconds = {"median_seconds": median, "low_seconds": median / 2, "high_seconds": 2 * median}
    return Latency.model_validate(
        {"what": "a sample", "obtained": obtained, "where": "<there>", "warm_up": 3, "runs": 9, **seconds}
    )


def test_the_board_and_what_was_timed_where_are_told_apart() -> None:
    found = OnHardware(
        board="Nano <4 GB>", transport="ssh me@nano", obtained="hardware", samples=64, scores_differing=0,
        predictions_differing=0, spikes_compared=9876, spikes_differing=0, membranes_differing=0,
    )  # fmt: skip
    weights = (StoredWeight(name="stem", parameters=72, logical_bits=4, stored_bits=8, executed="uint8"),)
    network = filled(NETWORKS["chain"]())
    report = report_of(
        network, hardware=found, weights=weights, latency=(timed("hardware", 0.0123), timed("runtime", 0.00045))
    )
    page, card = render(report), model_card(report)
    parser = WellFormed()
    parser.feed(page)
    assert parser.open == []
    for text in (
        "Nano &lt;4 GB&gt;",
        "9,876 spikes",
        "12.3 ms",
        "0.45 ms",
        "on the board",
        "not the board",
        "4 bits",
        "8 bits",
    ):
        assert text in page
    for text in ("Nano <4 GB>", "| **on the board**: <there> | 12.3 ms |", "| stem | 72 | 4 bits | 8 bits | uint8 |"):
        assert text in card
    assert "Energy was not measured" in card and "Neither time" not in card
    counted = report_of(network, instructions=(Instructions(what="one inference", count=12345),))
    assert "12,345 instructions" in render(counted) and "12,345 instructions" in model_card(counted)
    assert 'id="board"' not in render(report_of(network)) and "## Latency" not in model_card(report_of(network))


@pytest.mark.parametrize("name", ["chain", "branching", "depthwise"])
def test_the_page_is_well_formed_and_fetches_nothing(name: str) -> None:
    page = render(report_of(filled(NETWORKS[name]())))
    parser = WellFormed()
    parser.feed(page)
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    allowed = re.compile(r"data:|#|04_export/|report\.json$")
    assert [where for where in parser.fetched if not allowed.match(where)] == []
    anchors = {where[1:] for where in parser.fetched if where.startswith("#")}
    assert anchors <= set(parser.ids)
    assert "http:" not in page and "https:" not in page and "@import" not in page and "<script" not in page
    assert len(page) < 3 * 1024**2


def test_the_page_holds_the_numbers_and_escapes_names() -> None:
    page = render(report_of(filled(NETWORKS["chain"]())))
    for text in (
        "Fits and verified",
        "97.2 %",
        "of 123,456",
        "1,010 B",
        "5 channels do not fit",
        "12,345 synaptic operations",
    ):
        assert text in page
    assert "a &lt;board&gt; &amp; more" in page
    assert "<board>" not in page and "<0>" not in page


def test_the_front_of_every_region_is_drawn_the_fullest_first() -> None:
    report = report_of(filled(NETWORKS["chain"]()))
    a = report.search.architecture
    front = tuple(
        ParetoPoint(
            region=region, size_bytes=100 * n, score=float(n), architecture=a.model_copy(update={"channels": n})
        )
        for region in ("ram", "flash")
        for n in (1, 2)
    )
    search = report.search.model_copy(update={"pareto": front, "candidates": ((150, 0.5),)})
    page = render(report.model_copy(update={"search": search}))
    assert page.index("Score over memory in ram for 3 candidates") < page.index("Score over memory in flash for 2")
    assert page.count("Pareto front</dt><dd>2<") == 1
    assert page.count("point chosen") == 1, "also where one as small and as good is on the front instead"
    chosen = search.model_copy(update={"architecture": front[1].architecture})
    assert render(report.model_copy(update={"search": chosen})).count("point chosen") == 2, "on both fronts"


def test_a_failure_is_the_first_thing_on_the_page() -> None:
    report = report_of(filled(NETWORKS["chain"]()))
    late = report.model_copy(update={"ok": False, "footprint": (row("weights", 900, 1010, ok=False),)})
    page = render(late)
    assert page.index("Not verified") < page.index("weights differs by -110 B (-10.89%)") < page.index("<h2>Memory")
    assert "Fits and verified" not in page


def test_equal_reports_give_equal_pages() -> None:
    network = filled(NETWORKS["branching"]())
    assert render(report_of(network)) == render(report_of(network))


@pytest.mark.parametrize("seed", range(12))
def test_the_drawing_shows_every_population_and_connection_once(seed: int) -> None:
    network = random_network(seed, feedback_edges=seed % 2 == 0)
    drawn = draw(network)
    picture = ElementTree.fromstring(str(network_diagram(drawn)))  # noqa: S314 - our own
    classes = [element.get("class") or "" for element in picture.iter()]
    assert sum(name.startswith("box ") for name in classes) == len(network.populations) + 1
    assert sum(name == "wire" or name.startswith("wire ") for name in classes) == len(network.connections)
    assert sum("delayed" in name for name in classes) == sum(connection.delay for connection in network.connections)
    weights = [c.weight for c in network.connections if c.weight]
    assert sum("shared" in name for name in classes) == len(weights) - len(set(weights))


@pytest.mark.parametrize("seed", range(20))
def test_no_two_wires_share_a_lane_where_they_would_meet(seed: int) -> None:
    drawn = draw(random_network(seed, feedback_edges=True))
    rows = rows_of(drawn)
    assert rows[INPUT] == 0
    for connection in drawn.connections:
        assert connection.delay or rows[connection.source] < rows[connection.target]
    spans: dict[int, list[tuple[int, int]]] = {}
    for index, lane in lanes_of(rows, drawn.connections).items():
        ends = sorted((rows[drawn.connections[index].source], rows[drawn.connections[index].target]))
        spans.setdefault(lane, []).append((ends[0], ends[1]))
    for taken in spans.values():
        assert all(first[1] < second[0] for first, second in pairwise(sorted(taken)))


@given(st.floats(1e-3, 1e9), st.floats(1.01, 1e4), st.booleans())
def test_axes_have_round_ticks_within_their_range(low: float, factor: float, logarithmic: bool) -> None:
    axis = Axis(low, low * factor, 0, 100, logarithmic)
    ticks = axis.ticks()
    assert ticks == sorted(ticks)
    assert all(-0.01 <= axis(tick) <= 100.01 for tick in ticks)
    assert logarithmic or 2 <= len(ticks) <= 7


def test_charts_are_well_formed_with_one_mark_per_value() -> None:
    charts = [
        line_chart([Line("a", [0.1, 0.9]), Line("b<", [0.5])], "lines", "epoch", "{:.0%}"),
        scatter(
            [Point(100, 1, "front", "x"), Point(1000, 2, "chosen", "y"), Point(500, 1, "candidate", "&")], "s", "x", "y"
        ),
        intervals([Interval("conv3x3", -1.0, 0.2, True), Interval("skip", 0.0, 0.0, False)], "i", "x"),
        heat_map({"a": [0.0, 0.5], "b": [1.0, 0.25]}, "h"),
    ]
    marks = [ElementTree.fromstring(str(chart)) for chart in charts]  # noqa: S314 - our own
    space = "{http://www.w3.org/2000/svg}"
    counts = [len([e for e in m.iter() if e.tag.removeprefix(space) in ("polyline", "circle", "rect")]) for m in marks]
    assert counts == [2, 4, 2, 4]


def test_bars_add_up_at_every_moment() -> None:
    report = report_of(filled(NETWORKS["chain"]()))
    (ram,) = region_bars(report.budget, report.footprint)
    assert [(bar.moment, bar.side, bar.total_bytes) for bar in ram.bars] == [
        ("load", "estimated", 1300), ("load", "measured", 1300), ("run", "estimated", 1200), ("run", "measured", 1210),
    ]  # fmt: skip
    assert max(sum(segment.percent for segment in bar.segments) for bar in ram.bars) == pytest.approx(100)


def test_pictures_are_what_they_show() -> None:
    import base64
    import io

    from PIL import Image

    def decoded(uri: str) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))

    pixels = np.arange(24, dtype=np.uint8)
    assert np.array_equal(decoded(image_uri(pixels.tolist(), (1, 4, 6))), pixels.reshape(4, 6))
    assert np.array_equal(decoded(image_uri(pixels.tolist(), (3, 2, 4))), pixels.reshape(3, 2, 4).transpose(1, 2, 0))
    spikes = np.zeros((2, 8), np.uint8)
    spikes[1, 5] = 1  # step 1, channel 1 of two, row 0, column 1
    picture = decoded(spike_map_uri(spikes, (2, 2, 2)))
    assert (picture == 1).sum() == 1
    assert picture[0, 10 + 3 + 1] == 1


def test_drawn_sizes_are_those_of_the_network() -> None:
    network = filled(NETWORKS["chain"]())
    drawn = draw(network)
    assert sum(p.neurons for p in drawn.populations if p.fires) == neurons(network)
    assert sum(c.parameters for c in drawn.connections if not c.shared) == network.parameters
    assert [c.operation for c in drawn.connections] == ["conv 3×3", "conv 3×3 /2", "dense"]
