"""The same C on this computer: with the compiler's sanitizers, without warnings, and refusing damaged data."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from targets.cortex_m.export import export
from targets.network import Network
from tests.networks import NETWORKS, filled, inputs_for
from tests.targets.cortex_m.boards import board
from tests.targets.cortex_m.host_batch import KERNELS, STRICT, Case, compiler, differences
from tests.targets.cortex_m.random_networks import contents, varied_network

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs gcc on this computer")
SOURCES = [*KERNELS, "snn_model.c"]
#: Seeds of random networks that run here; `benchmarks.cortex_m` runs 300. 5 has only zeros as weights, 13 only ends of ranges.
SAMPLE = range(24)


def compiled(folder: Path, flags: list[str], extra: list[str]) -> subprocess.CompletedProcess[str]:
    sources = [str(folder / "src" / name) for name in SOURCES]
    command = ["gcc", *STRICT, *flags, f"-I{folder / 'src'}", *sources, *extra]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def case(network: Network, schedule: str, seed: int = 0) -> Case:
    feedback = any(connection.delay for connection in network.connections)
    profile = board(schedule="streaming" if feedback else schedule)
    return Case(network, profile, inputs_for(network, 2, seed))


def test_all_networks_under_sanitizers(tmp_path: Path) -> None:
    """The named networks in both schedules, and random ones; the named ones hold cells, odd sizes and feedback."""
    cases = [case(filled(NETWORKS[name]()), schedule) for name in NETWORKS for schedule in ("streaming", "batched")]
    cases += [case(varied_network(seed), ("streaming", "batched")[seed % 2], seed) for seed in SAMPLE]
    assert differences(cases, tmp_path) == [0] * len(cases)


def test_the_sample_holds_everything() -> None:
    found = sum((contents(varied_network(seed)) for seed in SAMPLE), Counter[str]())
    kinds = ["Conv", "Dense", "Pool", "Identity", "Conv stride 2", "Pool stride 2", "depthwise", "groups", "delay"]
    kinds += [f"kernel {size}" for size in ("1x1", "3x3", "5x5", "7x7", "2x2")]
    kinds += ["branch", "skip", "2 bits", "4 bits", "8 bits", "zero weights", "saturating weights"]
    kinds += ["pixels", "spiking input"]
    assert [kind for kind in kinds if not found[kind]] == []


def test_a_read_behind_the_input_is_noticed(tmp_path: Path) -> None:
    """The sanitizers watch the buffers of the models: with one row less of input they stop the program."""
    whole = case(filled(NETWORKS["chain"]()), "batched")
    with pytest.raises(RuntimeError, match="heap-buffer-overflow"):
        differences([replace(whole, inputs=whole.inputs[:, :, :5])], tmp_path)


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
