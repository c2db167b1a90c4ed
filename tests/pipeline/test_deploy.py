"""The chain as a whole, on real data and the real runtime: killed, resumed, repeated, damaged, contended.

One small deployment runs undisturbed; what the others leave must equal it byte by byte. The board is the Jetson Nano with a wide
tolerance: how well memory is estimated is the family's test, not this one's.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
SMALL = {
    "analyze.cells": 10,
    "analyze.repeats": 2,
    "analyze.images": 8,
    "analyze.kernel_sets": [[3]],
    "search.nodes": 3,
    "search.cell_counts": [1],
    "search.images": 8,
    "search.head_pools": [1],
    "search.stem_strides": [2],
    "search.max_channels": 6,
    "quantize.float_epochs": 2,
    "quantize.integer_epochs": 1,
    "quantize.checkpoint_seconds": 0.2,
}
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "160", "PYTHONPATH": str(ROOT)}
BOARD = 'extends = "jetson_nano"\nsummary = "a board of these tests"\n[tolerance.default]\n'
WIDE = "relative_high = 0.5\nrelative_low = 0.5\n"
STAGES = ("01_analyze", "02_search", "03_quantize", "04_export", "05_verify")


def board(build: Path, text: str = BOARD + WIDE) -> Path:
    """The profile of the run in a build folder."""
    path = build / "board.toml"
    path.write_text(text)
    return path


def command(*more: str) -> list[str]:
    settings = [f"--set={path}={json.dumps(value)}" for path, value in SMALL.items()]
    return [sys.executable, "-m", "pipeline", "deploy", "./board.toml", "--build=.", *settings, *more]


def start(build: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*more),
        cwd=build,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def deploy(build: Path, *more: str, code: int = 0) -> str:
    process = start(build, *more)
    out, said = process.communicate(timeout=240)
    assert process.returncode == code, said
    return out + said


def run_of(build: Path) -> Path:
    return build / "board" / "digits"


def without_durations(report: Any) -> Any:
    if isinstance(report, dict):
        return {name: without_durations(item) for name, item in report.items() if name not in ("seconds", "latency")}
    return [without_durations(item) for item in report] if isinstance(report, list) else report


def report_of(build: Path) -> Any:
    return without_durations(json.loads((run_of(build) / "report.json").read_text()))


def files_of(build: Path) -> dict[str, bytes]:
    """Every result and artifact; manifests and speeds hold durations, the lock a process number."""
    paths = [path for stage in STAGES for path in (run_of(build) / stage).rglob("*") if path.is_file()]
    return {
        str(p.relative_to(build)): p.read_bytes()
        for p in paths
        if p.name not in ("manifest.json", "speed.jsonl", "latency.json")
    }


def cpu_seconds() -> float:
    """What all ended children of this process have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def stages_run(said: str) -> list[str]:
    return re.findall(r"^✓ (\w+)", said, re.MULTILINE)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    build = tmp_path_factory.mktemp("undisturbed")
    board(build)
    assert stages_run(deploy(build)) == [stage[3:] for stage in STAGES]
    return build


@pytest.fixture
def copied(undisturbed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(undisturbed, tmp_path / "build"))


def test_the_report_keeps_its_contract(undisturbed: Path) -> None:
    report = report_of(undisturbed)
    assert {"target", "dataset", "seed", "versions", "fits", "ok", "measured_by"} <= report.keys()
    assert report["ok"] and report["fits"] and report["measured_by"] == "runtime"
    assert report["accuracy"].keys() == {"float", "quantized", "exported"}
    assert report["accuracy"]["exported"] == report["accuracy"]["quantized"] > 0.3
    assert {"samples", "steps", "spikes_compared", "spikes_differing", "predictions_differing"} <= report[
        "parity"
    ].keys()
    assert (report["parity"]["samples"], report["parity"]["spikes_differing"]) == (360, 0)
    assert report["parity"]["spikes_compared"] > 100_000
    for row in report["footprint"]:
        assert {"term", "region", "estimated_bytes", "measured_bytes", "tolerance", "ok"} <= row.keys()
    for row in report["budget"]:
        assert row.keys() == {"region", "available_bytes", "estimated_bytes", "measured_bytes"}
        assert 0 < row["measured_bytes"] < row["available_bytes"]
    assert {"candidates_considered", "candidates_over_budget", "candidates_scored", "architecture"} <= report[
        "search"
    ].keys()
    assert {"spike_rate", "synaptic_operations", "timesteps"} <= report["activity"].keys()
    assert 0 < report["activity"]["spike_rate"] < 1
    for path in report["artifacts"].values():
        assert (run_of(undisturbed) / path).is_file()


def test_a_second_deployment_starts_no_stage_and_ends_at_once(undisturbed: Path) -> None:
    before = (run_of(undisturbed) / "report.json").stat().st_mtime_ns
    used = cpu_seconds()
    said = deploy(undisturbed, "--json")
    assert cpu_seconds() - used < 5  # of the processor, since the machine may be busy
    assert stages_run(said) == []
    assert len(re.findall(r"^= \w+ +kept", said, re.MULTILINE)) == 5
    assert without_durations(json.loads(said[said.index("{") : said.rindex("}") + 1])) == report_of(undisturbed)
    assert (run_of(undisturbed) / "report.json").stat().st_mtime_ns == before


def test_a_second_deployment_imports_no_torch(undisturbed: Path) -> None:
    code = f"import sys\nfrom pipeline.cli import app\ntry: app({command()[3:]!r})\nexcept SystemExit: pass\n"
    code += "print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=undisturbed,
        env=ENVIRONMENT,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "False"


def test_killed_in_every_stage_it_resumes_to_the_same_bytes(undisturbed: Path, tmp_path: Path) -> None:
    build = board(tmp_path).parent
    for stage in STAGES:
        process = start(build)
        partial, final = run_of(build) / f"{stage}.partial", run_of(build) / stage
        while process.poll() is None and not partial.exists() and not final.exists():
            time.sleep(0.002)
        if stage == "03_quantize":  # in the middle of training
            while process.poll() is None and not (partial / "checkpoint-float.safetensors").exists():
                time.sleep(0.01)
        assert process.poll() is None, process.communicate()[1]
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=20)
        assert not (run_of(build) / "report.json").exists()
    said = deploy(build)
    assert "verify" in stages_run(said)
    assert "analyze" not in stages_run(said)
    assert files_of(build) == files_of(undisturbed)
    assert report_of(build) == report_of(undisturbed)


def test_interrupted_it_says_how_to_go_on(tmp_path: Path) -> None:
    board(tmp_path)
    process = start(tmp_path)
    while process.poll() is None and not (run_of(tmp_path) / "01_analyze.partial").exists():
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "the same command goes on from here" in said
    assert "Traceback" not in said


def test_a_truncated_artifact_is_noticed_and_made_again(copied: Path, undisturbed: Path) -> None:
    path = run_of(copied) / "04_export" / "artifact" / "step.onnx"
    path.write_bytes(path.read_bytes()[:100])
    said = deploy(copied)
    assert "artifact/step.onnx is not what the stage wrote" in said
    assert stages_run(said) == ["export"]  # the same bytes again: verify need not run
    assert files_of(copied) == files_of(undisturbed)


def test_a_truncated_result_and_manifest_are_noticed(copied: Path, undisturbed: Path) -> None:
    (run_of(copied) / "04_export" / "manifest.json").write_text("{")
    (run_of(copied) / "05_verify" / "result.json").write_text("")
    said = deploy(copied)
    assert "manifest.json is not readable" in said
    assert stages_run(said) == ["export", "verify"]
    assert files_of(copied) == files_of(undisturbed)


def test_a_profile_changes_what_depends_on_it_and_explain_says_so(copied: Path) -> None:
    board(copied, BOARD.replace("these tests", "mine") + WIDE)
    assert stages_run(deploy(copied)) == []  # a summary decides nothing
    board(copied, BOARD + WIDE.replace("0.5", "0.6"))
    said = deploy(copied, "--explain")
    assert stages_run(said) == ["verify"]
    assert "profile.tolerance.default.relative_high changed from 0.5 to 0.6" in said
    assert "it last ran because there is no earlier result" in said


def test_a_budget_that_nothing_fits_says_what_would_and_leaves_the_results(copied: Path) -> None:
    before = files_of(copied)
    said = deploy(copied, "--budget=ram=2KiB", code=3)
    assert "too much" in said and "it would fit a budget of ram=" in said
    assert files_of(copied).keys() == before.keys()
    assert json.loads((run_of(copied) / "report.json").read_text())["ok"]
    for name in before:
        if "01_analyze" not in name:
            assert (copied / name).read_bytes() == before[name]


def test_a_failed_verification_exits_with_4_and_is_tried_again(copied: Path) -> None:
    board(copied, BOARD + "relative_high = 0\nrelative_low = 0\n")
    for _ in range(2):
        said = deploy(copied, code=4)
        assert "measured memory is not as estimated" in said
        assert "NOT verified" in said
    assert "the stored result did not pass" in said
    report = json.loads((run_of(copied) / "report.json").read_text())
    assert report["fits"] and not report["ok"]


def test_two_deployments_at_once_exclude_each_other(tmp_path: Path) -> None:
    board(tmp_path)
    first = start(tmp_path)
    try:
        while first.poll() is None and not (run_of(tmp_path) / "01_analyze.partial").exists():
            time.sleep(0.01)
        said = deploy(tmp_path, code=2)
        assert f"another spikeport works in this folder (process {first.pid})" in said
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate(timeout=20)


def test_a_full_disk_is_one_line_and_the_next_run_goes_on(copied: Path, undisturbed: Path) -> None:
    build = copied
    for stage in STAGES[2:]:  # training is what fills a disk
        shutil.rmtree(run_of(build) / stage)
    (run_of(build) / "report.json").unlink()
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000)); from pipeline.cli import main; main()"
    arguments = command()[3:]
    process = subprocess.run(
        [sys.executable, "-c", limited, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=build,
        env=ENVIRONMENT,
        check=False,
    )
    assert process.returncode == 2
    assert "the disk is full" in process.stderr
    assert "Traceback" not in process.stderr
    assert not (run_of(build) / "report.json").exists()
    deploy(build)
    assert files_of(build) == files_of(undisturbed)
