"""The same C on this computer: with the compiler's sanitizers, without warnings, and refusing damaged data."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from targets.cortex_m.estimate import planned
from targets.cortex_m.export import export
from targets.cortex_m.frames import SPIKE, frames_of, recorded
from targets.cortex_m.platform import platform_for
from targets.network import Network
from targets.profile import Profile
from targets.reference import run
from tests.networks import NETWORKS, filled, inputs_for, random_network
from tests.targets.cortex_m.boards import board

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc on this computer")
SOURCES = ["snn_run.c", "snn_scatter.c", "snn_deliver.c", "snn_neurons.c", "snn_model.c"]
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-Wconversion"]
SANITIZED = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-DSNN_TRACE"]


def compiled(folder: Path, flags: list[str], extra: list[str]) -> subprocess.CompletedProcess[str]:
    sources = [str(folder / "src" / name) for name in SOURCES]
    command = ["gcc", *STRICT, *flags, f"-I{folder / 'src'}", *sources, *extra]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def sanitized_run_agrees(network: Network, profile: Profile, folder: Path) -> None:
    export(network, profile, folder)
    program = folder / "snn_host"
    built = compiled(folder, SANITIZED, [str(folder / "host/main.c"), "-o", str(program)])
    assert built.returncode == 0, built.stderr
    plan = planned(network, profile, platform_for("zig", profile.settings.core)[0])
    inputs = inputs_for(network)
    # the host program takes all frames of an input at once
    frames = b"".join(b"".join(frames_of(plan, sample)) for sample in inputs)
    done = subprocess.run([str(program)], input=frames, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    samples = np.frombuffer(done.stdout, "<i4").reshape(len(inputs), -1)
    expected, values = run(network, inputs), recorded(plan, list(samples))
    for name, spikes in expected.spikes.items():
        np.testing.assert_array_equal(values[name] == SPIKE, spikes, err_msg=name)
    for name, membranes in expected.membranes.items():
        np.testing.assert_array_equal(np.where(values[name] == SPIKE, 0, values[name]), membranes, err_msg=name)


@pytest.mark.parametrize("schedule", ["streaming", "batched"])
@pytest.mark.parametrize("name", NETWORKS)
def test_named_networks_under_sanitizers(name: str, schedule: str, tmp_path: Path) -> None:
    if name == "feedback":
        schedule = "streaming"
    sanitized_run_agrees(filled(NETWORKS[name]()), board(schedule=schedule), tmp_path)


@pytest.mark.parametrize("seed", range(100, 106))
def test_random_networks_under_sanitizers(seed: int, tmp_path: Path) -> None:
    feedback = seed % 3 == 0
    schedule = "streaming" if feedback or seed % 2 else "batched"
    sanitized_run_agrees(random_network(seed, feedback_edges=feedback), board(schedule=schedule), tmp_path)


def saturating(network: Network) -> Network:
    """All weights at the end of their range."""
    ends = [(-(2 ** (w.bits - 1)), 2 ** (w.bits - 1) - 1) for w in network.weights]
    weights = {w.name: np.full(w.shape, ends[i][i % 2]) for i, w in enumerate(network.weights)}
    return network.with_values(
        weights,
        {p.name: p.threshold for p in network.populations if p.threshold is not None},
        {p.name: p.bias for p in network.populations if p.bias is not None},
    )


def zeros(network: Network) -> Network:
    """All weights 0."""
    return network.with_values(
        {w.name: np.zeros(w.shape, int) for w in network.weights},
        {p.name: p.threshold for p in network.populations if p.threshold is not None},
        {p.name: p.bias for p in network.populations if p.bias is not None},
    )


@pytest.mark.parametrize("change", [saturating, zeros])
def test_extreme_weights_under_sanitizers(change: type, tmp_path: Path) -> None:
    sanitized_run_agrees(change(random_network(7)), board(), tmp_path)  # type: ignore[arg-type]


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    export(filled(NETWORKS["chain"]()), board(), tmp_path)
    return tmp_path


def test_intact_data_builds(exported: Path) -> None:
    assert compiled(exported, ["-fsyntax-only"], []).returncode == 0


@pytest.mark.parametrize("line", [0, 7, -1])
def test_a_changed_weight_does_not_build(exported: Path, line: int) -> None:
    model = exported / "src/snn_model.c"
    lines = model.read_text().splitlines()
    data = [i for i, text in enumerate(lines) if re.match(r"    SNN_LINE_\d", text)]
    words = re.findall(r"0x[0-9A-F]+U", lines[data[line]])
    changed = f"0x{int(words[-1][2:-1], 16) ^ 0x10:X}U"
    head, _, tail = lines[data[line]].rpartition(words[-1])
    lines[data[line]] = head + changed + tail
    model.write_text("\n".join(lines))
    result = compiled(exported, ["-fsyntax-only"], [])
    assert result.returncode != 0
    assert "model_data_is_corrupted" in result.stderr


def test_exchanged_lines_do_not_build(exported: Path) -> None:
    model = exported / "src/snn_model.c"
    lines = model.read_text().splitlines()
    first, second = [i for i, text in enumerate(lines) if text.startswith("    SNN_LINE_8")][:2]
    bodies = [re.sub(r"SNN_LINE_8\(\d+U", "SNN_LINE_8(", lines[i]) for i in (first, second)]
    assert bodies[0] != bodies[1]
    lines[first], lines[second] = (bodies[1].replace("(", "(0U", 1), bodies[0].replace("(", "(1U", 1))
    model.write_text("\n".join(lines))
    assert "model_data_is_corrupted" in compiled(exported, ["-fsyntax-only"], []).stderr


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (r"#define SNN_MODEL_DIGEST 0x\w+", "#define SNN_MODEL_DIGEST 0x1", "belong to different networks"),
        (r"#define SNN_MODEL_FORMAT \d+", "#define SNN_MODEL_FORMAT 99", "of another version"),
    ],
)
def test_a_header_of_another_network_does_not_build(exported: Path, old: str, new: str, message: str) -> None:
    header = exported / "src/snn_model.h"
    header.write_text(re.sub(old, new, header.read_text()))
    assert message in compiled(exported, ["-fsyntax-only"], []).stderr


def test_weights_of_another_shape_do_not_build(exported: Path) -> None:
    model = exported / "src/snn_model.c"
    text = model.read_text()
    start = text.index("    SNN_LINE_")
    model.write_text(text[:start] + text[text.index("\n", start) + 1 :])
    assert "weights do not have the shape of their connection" in compiled(exported, ["-fsyntax-only"], []).stderr


def test_no_libc_is_called(exported: Path, tmp_path: Path) -> None:
    """Objects refer to nothing but each other (built as CMake builds them)."""
    program = tmp_path / "whole.o"
    flags = ["-O2", "-ffreestanding", "-fno-tree-loop-distribute-patterns", "-r", "-nostdlib"]
    built = compiled(exported, flags, ["-o", str(program)])
    assert built.returncode == 0, built.stderr
    listed = subprocess.run(["nm", "-u", str(program)], capture_output=True, text=True, timeout=60, check=True)
    assert listed.stdout.split() in ([], ["U", "_GLOBAL_OFFSET_TABLE_"])
