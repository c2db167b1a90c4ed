"""What is asked of a record before its figures count as a measurement, and who may call a run `hardware`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from targets.errors import ConfigurationError, HardwareError
from targets.families import Family
from targets.footprint import Footprint, Term
from targets.hardware.observe import footprint_of, latencies_of, observe, scores_of
from targets.hardware.record import Record
from targets.hardware.ways import Command, MeasureTable
from targets.loihi.estimate import estimate
from targets.loihi.export import export
from targets.profile import load_profile
from targets.reference import run
from tests.networks import NETWORKS, filled, inputs_for
from tests.targets.loihi.examples import fitting

EXPECTED = Footprint((Term("stack", "ram", 90), Term("code", "flash", 800)), "estimated", {})
CODE = (Term("code", "flash", 800),)


def record(**changes: object) -> Record:
    return Record.model_validate({"format": 1, "obtained": "hardware", "board": "Disco", **changes})


def test_terms_are_those_of_the_estimate() -> None:
    found = footprint_of(record(terms={"stack": 96}, tools={"gcc": "13"}), EXPECTED, CODE)
    assert set(found.terms) == {Term("stack", "ram", 96), *CODE}
    assert (found.obtained, found.tools) == ("hardware", {"gcc": "13", "board": "Disco"})
    assert footprint_of(record(terms={"stack": 96, "code": 9}), EXPECTED, CODE).region_bytes("flash") == 9
    with pytest.raises(HardwareError, match="'stack' is missing; there is no term 'stcak'"):
        footprint_of(record(terms={"stcak": 96}), EXPECTED, CODE)


def test_an_emulated_run_has_no_latency() -> None:
    timings = [{"what": "a sample", "warm_up": 0, "seconds": [0.2, 0.1, 0.3]}]
    (latency,) = latencies_of(record(timings=timings))
    assert (latency.obtained, latency.where, latency.median_seconds) == ("hardware", "Disco", 0.2)
    assert latencies_of(record(timings=timings, obtained="emulated")) == ()


def test_scores_of_unequal_rows_or_too_large_are_refused() -> None:
    for scores in ([[1, 2], [3]], [[2**40]]):
        with pytest.raises(HardwareError, match="32-bit"):
            scores_of(record(scores=scores))


@pytest.mark.parametrize("declared", [None, "Oheo Gulch in our rack"])
def test_hardware_is_what_is_said_to_be(declared: str | None, tmp_path: Path) -> None:
    """A Loihi artifact, and a program that answers with what the test gives it."""
    profile = load_profile("loihi2_oheo_gulch")
    network = fitting(NETWORKS["chain"](profile.neuron.neuron, 4), profile)
    export(network, profile, tmp_path)
    inputs = inputs_for(network, 2)
    terms = {term.name: term.size_bytes for term in estimate(network, profile).terms}
    scores = run(network, inputs).scores.tolist()
    told = json.dumps({"format": 1, "obtained": "simulated", "board": "Lava", "terms": terms, "scores": scores})
    way = Command(command=(sys.executable, "-c", f"print({told!r})"), board=declared)
    found = observe(tmp_path, network, profile.model_copy(update={"measure": MeasureTable(hardware=way)}), inputs)
    assert found.footprint.obtained == ("hardware" if declared else "simulated")
    assert found.board == (f"{declared} (so declared by the profile)" if declared else "Lava")
    assert {term.name: term.size_bytes for term in found.footprint.terms} == terms


def test_a_family_without_bundles_and_a_profile_without_a_board_say_so(tmp_path: Path) -> None:
    network, profile = filled(NETWORKS["chain"]()), load_profile("jetson_nano")
    with pytest.raises(ConfigurationError, match="names no board"):
        observe(tmp_path, network, profile, inputs_for(network, 1))
    with pytest.raises(ConfigurationError, match="cannot be measured on hardware"):
        Family("profiles", "no such doors").bundle(tmp_path, network, profile, inputs_for(network, 1), tmp_path)
