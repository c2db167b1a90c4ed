"""The command as a user meets it: what it prints, how it fails, how fast it answers, what it imports for that."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.doctor import examine
from pipeline.options import request
from pipeline.request import Configs
from targets.errors import ToolMissingError
from targets.onnxruntime import machine

ROOT = Path(__file__).parent.parent.parent
HEAVY = ("torch", "sklearn", "onnx", "onnxruntime", "matplotlib", "brevitas", "spikingjelly")


def spikeport(*arguments: object, timeout: float = 60, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline", *(str(argument) for argument in arguments)]
    surroundings = {**os.environ, "COLUMNS": "200", **environment}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, check=False, cwd=ROOT, env=surroundings
    )


def failure(done: subprocess.CompletedProcess[str], code: int) -> str:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize(
    "arguments", [["--help"], ["deploy", "--help"], ["targets"], ["regenerate", "--help"], ["estimate", "jetson_nano"]]
)
def test_looking_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom pipeline.cli import app\n"
        f"try: app({arguments!r})\nexcept SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT, check=True
    )
    assert done.stderr.splitlines()[-1] == "[]"
    assert len(done.stdout) > 200


def test_help_teaches_with_an_example() -> None:
    assert "spikeport deploy jetson_nano" in spikeport("--help").stdout
    assert "--budget" in spikeport("deploy", "--help").stdout


def test_targets_as_json_has_every_profile() -> None:
    described = json.loads(spikeport("targets", "--json").stdout)
    assert {"jetson_nano", "raspberry_pi_zero_2w"} <= {profile["name"] for profile in described}
    assert json.loads(spikeport("targets", "jetson_nano", "--json").stdout)["family"] == "onnxruntime"


@pytest.mark.parametrize("columns", ["80", "40"])
def test_targets_cuts_no_name(columns: str) -> None:
    described = json.loads(spikeport("targets", "--json").stdout)
    lines = spikeport("targets", COLUMNS=columns).stdout.splitlines()
    told = [tuple(line.split()[:2]) for line in lines[1:] if not line.startswith(" ")]
    assert told[-len(described) :] == [(profile["name"], profile["family"]) for profile in described]


def test_estimate_as_json() -> None:
    answer = json.loads(spikeport("estimate", "jetson_nano", "--json").stdout)
    assert answer["target"] == "jetson_nano"
    sizes = [step["budget"][0]["estimated_bytes"] for step in answer["estimates"]]
    assert sizes == sorted(sizes) and sizes[0] > 0


def test_estimate_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    path.write_text(json.dumps({"input_shape": [1, 8, 8], "classes": 10, "cells": ["|conv3x3~0|"], "channels": 6}))
    assert "6 channels" in spikeport("estimate", "jetson_nano", "--architecture", path).stdout
    path.write_text(path.read_text()[:-9])
    assert str(path) in failure(spikeport("estimate", "jetson_nano", "--architecture", path), 2)


def test_an_estimate_that_does_not_fit_says_so() -> None:
    done = spikeport("estimate", "jetson_nano", "--budget", "ram=1KiB")
    assert done.returncode == 3
    assert "does not fit jetson_nano" in done.stderr
    assert "too much in ram" in done.stderr


def test_an_unknown_target_names_the_nearest(tmp_path: Path) -> None:
    said = failure(spikeport("deploy", "jetson_nan", "--build", tmp_path / "build"), 2)
    assert "unknown target 'jetson_nan'" in said
    assert "did you mean jetson_nano" in said
    assert not (tmp_path / "build").exists()


def test_a_malformed_profile_names_every_problem(tmp_path: Path) -> None:
    path = tmp_path / "my_board.toml"
    path.write_text('extends = "jetson_nano"\n[memory.ram]\ntotal = "4 KB"\ncolour = 3\n[neuron]\nkeep = 999\n')
    said = failure(spikeport("deploy", path, "--build", tmp_path / "build"), 2)
    assert "memory.ram.total" in said and "ambiguous" in said
    assert "memory.ram.colour: is an unknown key" in said
    assert "keep 999" in said


def test_a_missing_data_folder_is_named(tmp_path: Path) -> None:
    done = spikeport("deploy", "jetson_nano", "--dataset", "mnist", "--data", tmp_path / "none", "--build", tmp_path)
    assert str(tmp_path / "none") in failure(done, 2)


def test_an_unknown_dataset_names_the_nearest(tmp_path: Path) -> None:
    said = failure(spikeport("deploy", "jetson_nano", "--dataset", "digit", "--build", tmp_path), 2)
    assert "did you mean digits" in said
    assert not list(tmp_path.iterdir())


def test_a_build_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    said = failure(spikeport("deploy", "jetson_nano", "--build", tmp_path / "file"), 2)
    assert "cannot be written" in said
    assert "--build" in said


def test_a_fault_of_our_own_is_one_line_and_a_traceback_with_debug(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import stages.analyze as a\na.AnalyzeConfig.preset = None\n")
    path = f"{tmp_path}{os.pathsep}{ROOT}"
    done = spikeport("deploy", "jetson_nano", "--build", tmp_path / "b", PYTHONPATH=path)
    assert "internal error: TypeError" in failure(done, 1)
    loud = spikeport("--debug", "deploy", "jetson_nano", "--build", tmp_path / "b", PYTHONPATH=path)
    assert loud.returncode == 1
    assert "Traceback" in loud.stderr


def test_doctor_lists_what_a_target_needs(tmp_path: Path) -> None:
    done = spikeport("doctor", "stm32vldiscovery", "--build", tmp_path)
    assert done.returncode == 0, done.stderr
    assert {"torch", "ziglang", "python"} <= {line.split()[1] for line in done.stdout.splitlines()}


@pytest.mark.skipif(platform.machine() == "aarch64", reason="this machine needs no emulator for the board")
def test_doctor_says_of_the_emulator_what_deploy_does_without_it(tmp_path: Path) -> None:
    """It is not needed, unless it is asked for; then both end with the same words, before anything is trained."""
    done = spikeport("doctor", "jetson_nano", "--build", tmp_path)
    assert done.returncode == 0, done.stderr
    marks = {line[2:29].strip(): line for line in done.stdout.splitlines()}
    assert {"torch", "onnx", "runtime", "C compiler"} <= marks.keys()
    assert marks["emulator"].startswith("!") and "sudo apt-get install" in marks["emulator"]
    assert marks["measured by"].startswith("!") and " runtime, run by ONNX Runtime" in marks["measured by"]
    asked = [
        spikeport(command, "jetson_nano", "--build", tmp_path, "--require", "emulated")
        for command in ("doctor", "deploy")
    ]
    assert [each.returncode for each in asked] == [5, 5]
    doctor, deploy = (each.stderr.splitlines()[-2:] for each in asked)
    assert doctor == deploy and "sudo apt-get install" in doctor[-1]


def test_doctor_cannot_require_anything_of_no_target(tmp_path: Path) -> None:
    assert "of which target" in failure(spikeport("doctor", "--require", "emulated", "--build", tmp_path), 2)


def test_doctor_ends_with_5_where_deploy_could_not_go_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "compilers", lambda instruction_set: [])
    with pytest.raises(ToolMissingError, match="missing: C compiler") as missing:
        examine("jetson_nano", tmp_path)
    assert missing.value.hint == machine.INSTALL_COMPILER


def test_a_report_of_nothing_is_refused(tmp_path: Path) -> None:
    assert "no finished run here" in failure(spikeport("report", tmp_path), 2)


def test_options_that_name_settings_are_those_settings() -> None:
    nothing = (None, 0, "quick", "", ["search.finalists=2"], Path("build"))
    assert request("jetson_nano", "digits", *nothing).settings == {"search.finalists": 2}
    asked = request("jetson_nano", "digits", *nothing, trained=1, finalists=4)
    assert asked.settings == {"analyze.trained": 1, "search.finalists": 4}
    assert Configs.of(asked).search.finalists == 4
