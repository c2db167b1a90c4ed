"""The C runner with the library inside the installed wheel: what it computes, what it counts, what it refuses."""

from __future__ import annotations

import json
import subprocess
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from targets.onnxruntime.compile import HEAP_COUNTER, RUNNER, compiled
from targets.onnxruntime.machine import MALLOC_SETTINGS
from targets.onnxruntime.onnx_file import write
from targets.reference import run
from tests.networks import branching, feedback, filled, inputs_for

VERSION = version("onnxruntime")


@pytest.fixture(scope="module")
def library() -> Path:
    spec = find_spec("onnxruntime")
    assert spec is not None and spec.origin is not None
    found = Path(spec.origin).parent / "capi" / f"libonnxruntime.so.{VERSION}"
    if not found.exists():
        pytest.skip(f"the wheel of ONNX Runtime {VERSION} has no library for C")
    return found


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write(filled(branching()), folder / "pixels")
    write(filled(feedback()), folder / "spikes")
    return folder


def called(*words: object, counting: bool = False) -> subprocess.CompletedProcess[str]:
    environment = {**MALLOC_SETTINGS, "LD_PRELOAD": str(compiled(HEAP_COUNTER))} if counting else {}
    command = [str(compiled(RUNNER)), *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("name", "make"), [("pixels", branching), ("spikes", feedback)])
def test_it_computes_what_the_reference_computes(
    name: str, make: type, library: Path, models: Path, tmp_path: Path
) -> None:
    network = filled(make())
    inputs = inputs_for(network, 6)
    (tmp_path / "in").write_bytes(inputs.tobytes())
    files = ("--input", tmp_path / "in", "--output", tmp_path / "out")
    sizes = ("--samples", 6, "--steps", network.timesteps)
    done = called("--library", library, "--expect", VERSION, *files, *sizes, models / name / "step.onnx")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["runtime"] == VERSION
    header, _, data = (tmp_path / "out").read_bytes().partition(b"\n")
    about = json.loads(header)
    fields = [(out["name"], np.dtype(out["type"]), tuple(out["shape"])) for out in about["outputs"]]
    steps = np.frombuffer(data, np.dtype(fields)).reshape(about["samples"], about["steps"])
    expected = run(network, inputs)
    for population in network.populations:
        if f"{population.name}.membrane.next" in steps.dtype.names:
            found = steps[f"{population.name}.membrane.next"].swapaxes(0, 1)
            assert np.array_equal(
                found.reshape(expected.membranes[population.name].shape), expected.membranes[population.name]
            )


def test_it_counts_the_heap_of_every_model_to_the_byte(library: Path, models: Path) -> None:
    words = ("--fixed-addresses", "--library", library, "--warm-up", models / "pixels" / "step.onnx")
    files = (models / "pixels" / "step.onnx", models / "pixels" / "whole.onnx")
    reports = [json.loads(called(*words, *files, counting=True).stdout) for _ in range(2)]
    assert [file["heap"] for file in reports[0]["files"]] == [file["heap"] for file in reports[1]["files"]]
    for file in reports[0]["files"]:
        assert file["heap"]["load_peak_bytes"] >= file["heap"]["ready_bytes"] > 0
        assert file["heap"]["run_peak_bytes"] > file["heap"]["ready_bytes"]
    assert reports[0]["library_heap_bytes"] > 2**20
    assert reports[0]["library_mapped_bytes"] > 2**20


def test_without_the_counter_it_reports_no_heap(library: Path, models: Path) -> None:
    report = json.loads(called("--library", library, models / "pixels" / "whole.onnx").stdout)
    assert report["library_heap_bytes"] is None
    assert report["files"][0]["heap"] is None
    assert report["files"][0]["resident_peak_bytes"] > 0


REFUSED = {
    "no arguments": ([], 2, "use:"),
    "unknown option": (["--librray", "x"], 2, "--librray"),
    "not a number": (["--samples", "-3"], 2, "not a positive number"),
    "no library": (["--library", "missing.so", "MODEL"], 3, "missing.so"),
    "another library": (["--library", "libm.so.6", "MODEL"], 3, "OrtGetApiBase"),
    "another version": (["--library", "LIBRARY", "--expect", "1.10.99", "MODEL"], 3, "expected 1.10.99"),
    "no model": (["--library", "LIBRARY", "missing.onnx"], 2, "missing.onnx"),
    "not a model": (["--library", "LIBRARY", "NONSENSE"], 4, "nonsense"),
    "short input": (["--library", "LIBRARY", "--input", "NONSENSE", "--output", "OUT", "MODEL"], 2, "were expected"),
    "output nowhere": (["--library", "LIBRARY", "--input", "ZEROS", "--output", "/dev/full", "MODEL"], 6, "/dev/full"),
}


@pytest.mark.parametrize(("words", "code", "said"), REFUSED.values(), ids=REFUSED)
def test_what_it_refuses_is_one_line_and_an_exit_code(
    words: list[str], code: int, said: str, library: Path, models: Path, tmp_path: Path
) -> None:
    (tmp_path / "nonsense").write_bytes(b"\xff" * 10)
    (tmp_path / "zeros").write_bytes(bytes(36))
    places = {
        "LIBRARY": library,
        "MODEL": models / "pixels" / "step.onnx",
        "NONSENSE": tmp_path / "nonsense",
        "ZEROS": tmp_path / "zeros",
        "OUT": tmp_path / "out",
    }
    done = called(*(places.get(word, word) for word in words))
    assert done.returncode == code
    assert done.stderr.startswith("spikeport_runner: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
