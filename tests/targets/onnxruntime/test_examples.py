"""The two programs beside an export give the reference's classes and scores."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from targets.onnxruntime.compile import compilers
from targets.onnxruntime.export import export
from targets.onnxruntime.runtimes import library_of, native_runtime
from targets.profile import load_profile
from targets.reference import run
from tests.networks import NETWORKS, filled, inputs_for

NANO = load_profile("jetson_nano")
NETWORK = filled(NETWORKS["depthwise"](NANO.neuron.neuron))
INPUTS = inputs_for(NETWORK, 3)
NAMES = [f"class {index}" for index in range(NETWORK.readout.size)]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifact")
    export(NETWORK, NANO, folder, NAMES)
    return folder


def expected(names: Sequence[str] | None = None) -> str:
    scores = run(NETWORK, INPUTS).scores
    names = names or [str(index) for index in range(len(NAMES))]
    return "".join(f"{names[row.argmax()]}: {' '.join(map(str, row))}\n" for row in scores)


def test_python(artifact: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "inputs.npy", INPUTS)
    command = [sys.executable, str(artifact / "example.py"), str(tmp_path / "inputs.npy")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == expected(NAMES)
    assert len((artifact / "example.py").read_text().splitlines()) <= 16


def test_c(artifact: Path, tmp_path: Path) -> None:
    program = tmp_path / "example"
    compiler = compilers(native_runtime().instruction_set)[0]
    build = [*compiler, "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", str(artifact / "example.c")]
    subprocess.run([*build, "-o", str(program), "-ldl"], check=True)
    command = [str(program), str(library_of(native_runtime())), str(artifact / "whole.onnx")]
    done = subprocess.run(command, input=INPUTS.tobytes(), capture_output=True, check=True)
    assert done.stdout.decode() == expected()
