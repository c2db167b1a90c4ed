"""The estimate against the measurement, and what it may not depend on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.onnxruntime_networks import cells, chain
from targets.errors import ToolMissingError
from targets.fit import findings
from targets.footprint import compare
from targets.network import Network, Neuron
from targets.onnxruntime import calibration
from targets.onnxruntime.control import zeroed
from targets.onnxruntime.estimate import estimate
from targets.onnxruntime.lowering import lower
from targets.onnxruntime.measure import measure
from targets.onnxruntime.onnx_file import write
from targets.onnxruntime.planner import events, peak_bytes, run_order
from targets.profile import Profile, load_profile, profile_names
from tests import networks

SIZED = {
    "small chain": chain((1, 8, 8), [(14, 3, 1), (28, 3, 1)], 10, 4, pool=2),
    "small cells": cells((1, 8, 8), (10, 22), 3, 10, 3),
    "many classes": chain((1, 8, 8), [(14, 3, 1), (28, 3, 1)], 40, 2, pool=2),
    "large chain": chain((3, 32, 32), [(48, 5, 2), (200, 5, 2), (300, 3, 1)], 10, 2),
}


@pytest.mark.parametrize("name", SIZED)
def test_every_term_is_within_tolerance(name: str, tmp_path: Path, nano: Profile) -> None:
    network = SIZED[name]
    write(zeroed(network), tmp_path)
    measured = measure(tmp_path, network, nano)
    rows = compare(estimate(network, nano), measured, nano.tolerance)
    assert {row.term for row in rows} == {"whole loading", "whole running", "step loading", "step running"}
    assert [row for row in rows if not row.ok] == []
    assert measured.obtained == "runtime"
    assert "subtracted" in measured.tools["control network"]
    assert "arena" in " ".join(measured.tools)


def test_a_wrong_estimate_is_noticed(tmp_path: Path, nano: Profile) -> None:
    other = chain((1, 8, 8), [(14, 3, 1), (40, 3, 1)], 10, 4, pool=2)
    write(zeroed(SIZED["small chain"]), tmp_path)
    measured = measure(tmp_path, SIZED["small chain"], nano)
    assert not all(row.ok for row in compare(estimate(other, nano), measured, nano.tolerance))


def test_the_moments_exclude_each_other(nano: Profile) -> None:
    footprint = estimate(SIZED["large chain"], nano)
    assert footprint.region_bytes("ram") == max(term.size_bytes for term in footprint.terms)


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_values_do_not_change_the_estimate(name: str, nano: Profile) -> None:
    empty = networks.NETWORKS[name]()
    assert estimate(empty, nano).terms == estimate(networks.filled(empty), nano).terms


def test_estimating_imports_neither_torch_nor_onnx() -> None:
    script = (
        "import sys\n"
        "from targets.profile import load_profile\n"
        "from targets.onnxruntime.estimate import estimate\n"
        "from tests.networks import branching\n"
        "print(estimate(branching(), load_profile('jetson_nano')).terms)\n"
        "print(sorted({'torch', 'onnx', 'onnxruntime'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_unknown_runtime_is_refused_with_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nano: Profile
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    settings = nano.settings.model_copy(update={"version": "0.0.1", "instruction_set": "abacus"})
    with pytest.raises(ToolMissingError, match=r"0\.0\.1 abacus") as refused:
        estimate(networks.chain(), nano.model_copy(update={"settings": settings}))
    assert refused.value.hint == f"{calibration.COMMAND} 0.0.1 abacus"


def test_every_shipped_board_has_its_constants() -> None:
    for name in profile_names():
        profile = load_profile(name)
        if profile.family == "onnxruntime":
            assert estimate(networks.chain(), profile).tools["onnxruntime"] == str(profile.settings.runtime)


def test_a_network_too_wide_for_int32_does_not_fit(nano: Profile) -> None:
    wide = networks.chain(Neuron(3971, 12, 0, 24), bits=2)
    assert not [f for f in findings(wide, nano) if f.rule == "integer width"], "four steps stay within int32"
    long = Network(wide.input, wide.populations, wide.connections, wide.weights, timesteps=250)
    found = [f for f in findings(long, nano) if f.rule == "integer width"]
    assert found
    assert found[0].layer in {population.name for population in long.populations}


# The planner: properties that hold for any graph; its agreement with the runtime is what the tolerance tests measure.


@pytest.mark.parametrize("form", ["step", "whole"])
@pytest.mark.parametrize("seed", range(20))
def test_what_is_taken_is_given_back_or_is_an_output(seed: int, form: str) -> None:
    graph = lower(networks.random_network(seed, feedback_edges=seed % 2 == 0), form)  # type: ignore[arg-type]
    done: set[str] = {t.name for t in graph.inputs} | {c.tensor.name for c in graph.constants}
    for node in run_order(graph):
        assert set(node.inputs) <= done, "runs before its inputs are there"
        done.add(node.output)
    assert done >= {t.name for t in graph.outputs}
    live = [event.size_bytes for event in events(graph)]
    assert sum(live) >= sum(t.size_bytes for t in graph.outputs)
    assert max(live) <= peak_bytes(graph)


def test_layers_run_through_all_steps_before_the_next_layer() -> None:
    graph = lower(networks.chain(), "whole")
    order = [node.output for node in run_order(graph)]
    assert order.index("first.spikes.3") < order.index("second.spikes.1"), "the membrane of one layer lives at a time"
