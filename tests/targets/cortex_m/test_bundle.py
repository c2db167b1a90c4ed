"""A program of the user's own gets the C export, builds it, runs it, and says what it measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from targets.cortex_m.estimate import estimate
from targets.cortex_m.export import export
from targets.errors import ConfigurationError, HardwareError
from targets.footprint import compare
from targets.hardware.observe import observe
from targets.hardware.ways import Command, MeasureTable, Ssh
from targets.profile import Profile
from targets.reference import run
from tests.networks import NETWORKS, filled, inputs_for
from tests.targets.cortex_m.boards import board

pytest.importorskip("ziglang")

#: Stands in for flashing: the same C, built for this machine. The stack is what the test tells it.
SCRIPT = """
import json, subprocess, sys
from pathlib import Path
stack, extra, folder = int(sys.argv[1]), json.loads(sys.argv[2]), Path(sys.argv[3])
about = json.loads((folder / "bundle.json").read_text())
sources = [str(p) for p in (folder / "artifact/src").glob("*.c")] + [str(folder / "artifact/host/main.c")]
program = folder / "host"
command = [sys.executable, "-m", "ziglang", "cc", "-std=c11", "-O1", "-I", str(folder / "artifact/src")]
subprocess.run([*command, *sources, "-o", str(program)], check=True)
done = subprocess.run([str(program)], stdin=(folder / "frames.bin").open("rb"), capture_output=True, check=True)
scores = [[int(score) for score in line.split()] for line in done.stdout.decode().splitlines()]
assert len(scores) == about["samples"] and int(about["stack"]["top"], 16) > int(about["stack"]["lowest"], 16)
print(json.dumps({"format": 1, "obtained": "runtime", "board": "this machine", "terms": {"stack": stack}, "scores": scores,
    "timings": [{"what": "one sample", "warm_up": 1, "seconds": [9, 0.002, 0.003, 0.004]}], **extra}))
"""


def named(profile: Profile, stack: int, extra: object) -> Profile:
    words = (sys.executable, "-c", SCRIPT, str(stack), json.dumps(extra))
    return profile.model_copy(update={"measure": MeasureTable(hardware=Command(command=words, seconds=120))})


def test_a_script_runs_the_export_and_tells_its_stack(tmp_path: Path) -> None:
    network, profile = filled(NETWORKS["branching"]()), board()
    export(network, profile, tmp_path)
    inputs = inputs_for(network, 3)
    stack = {term.name: term.size_bytes for term in estimate(network, profile).terms}["stack"]
    found = observe(tmp_path, network, named(profile, stack, {}), inputs)
    np.testing.assert_array_equal(found.scores, run(network, inputs).scores)
    assert found.footprint.obtained == "runtime"
    assert all(row.ok for row in compare(estimate(network, profile), found.footprint, profile.tolerance))
    (latency,) = found.latencies
    assert (latency.runs, latency.warm_up, latency.median_seconds) == (3, 1, 0.003)


def test_too_few_scores_are_told(tmp_path: Path) -> None:
    network, profile = filled(NETWORKS["chain"]()), board()
    export(network, profile, tmp_path)
    with pytest.raises(HardwareError, match="returned scores of shape"):
        observe(tmp_path, network, named(profile, 1, {"scores": [[1, 2]]}), inputs_for(network, 2))


def test_a_microcontroller_takes_no_ssh(tmp_path: Path) -> None:
    network, profile = filled(NETWORKS["chain"]()), board()
    export(network, profile, tmp_path)
    over_ssh = profile.model_copy(update={"measure": MeasureTable(hardware=Ssh(host="board"))})
    with pytest.raises(ConfigurationError, match="does not run what comes over ssh"):
        observe(tmp_path, network, over_ssh, inputs_for(network, 1))
