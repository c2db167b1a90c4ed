"""The exported folder built as its users do: with CMake for a computer and for a core, and as an Arduino library."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from targets.cortex_m.export import export
from targets.cortex_m.frames import frames_of
from targets.cortex_m.toolchain import installed_version
from targets.network import Network
from targets.reference import run
from tests.networks import NETWORKS, filled, inputs_for
from tests.targets.cortex_m.boards import board
from tests.targets.cortex_m.test_schedules import plan_for

needs_cmake = pytest.mark.skipif(
    shutil.which("cmake") is None or shutil.which("make") is None, reason="needs CMake and make"
)
#: Pixels with the time-batched schedule, frames of spikes with the streaming one.
EXPORTS = [("chain", "batched"), ("feedback", "streaming")]
ARDUINO_H = """
#pragma once
#include <stdint.h>
#include <stdio.h>
struct Console {
  void begin(long) {}
  void println(long value) { printf("%ld\\n", value); }
  void println(int value) { printf("%d\\n", value); }
};
extern Console Serial;
void setup();
void loop();
inline void delay(unsigned long) {}
"""
ARDUINO_CORE = '#include "Arduino.h"\nConsole Serial;\nint main() { setup(); loop(); return 0; }\n'


def told(command: Sequence[str | Path], sent: bytes = b"") -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("CFLAGS", "CC", "LDFLAGS")}
    done = subprocess.run(
        [str(word) for word in command], input=sent, capture_output=True, timeout=120, check=False, env=environment
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()[-3000:]
    return done.stdout.decode()


def printed_scores(text: str, network: Network) -> np.ndarray:
    return np.array(text.split(), int).reshape(-1, network.readout.size)


@needs_cmake
@pytest.mark.parametrize(("name", "schedule"), EXPORTS)
def test_cmake_builds_a_program_that_classifies(name: str, schedule: str, tmp_path: Path) -> None:
    network, profile = filled(NETWORKS[name]()), board(schedule=schedule)
    export(network, profile, tmp_path / "export")
    told(["cmake", "-S", tmp_path / "export", "-B", tmp_path / "build", "-DCMAKE_C_FLAGS=-Werror"])
    told(["cmake", "--build", tmp_path / "build"])
    inputs, plan = inputs_for(network), plan_for(network, profile)
    sent = b"".join(b"".join(frames_of(plan, sample)) for sample in inputs)
    scores = printed_scores(told([tmp_path / "build/snn_host"], sent), network)
    np.testing.assert_array_equal(scores, run(network, inputs).scores)


@needs_cmake
@pytest.mark.skipif(installed_version("gcc") is None, reason="needs arm-none-eabi-gcc")
def test_cmake_adds_the_library_to_a_firmware_project(tmp_path: Path) -> None:
    """As a subfolder of a project that is cross-compiled, linked without any library: nothing of libc or libgcc is needed."""
    export(filled(NETWORKS["chain"]()), board(), tmp_path / "network")
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.13)\nproject(product C)\nadd_subdirectory(network)\n"
        "add_executable(product main.c)\ntarget_link_libraries(product PRIVATE snn)\n"
    )
    (tmp_path / "main.c").write_text(
        '#include "snn.h"\nstatic uint8_t input[SNN_INPUT_BYTES];\nvoid _start(void);\n'
        "void _start(void) { (void)snn_classify(input); }\n"
    )
    flags = ["-DCMAKE_SYSTEM_NAME=Generic", "-DCMAKE_C_COMPILER=arm-none-eabi-gcc", "-DCMAKE_BUILD_TYPE=Release"]
    flags += ["-DCMAKE_C_FLAGS=-mcpu=cortex-m4 -mthumb -Werror", "-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY"]
    flags += ["-DCMAKE_EXE_LINKER_FLAGS=-nostdlib -Wl,--gc-sections"]
    told(["cmake", "-S", tmp_path, "-B", tmp_path / "build", *flags])
    told(["cmake", "--build", tmp_path / "build"])
    symbols = told(["arm-none-eabi-nm", tmp_path / "build/product"])
    assert "snn_classify" in symbols
    assert "snn_delay_spikes" not in symbols, "what the network does not need is left out"


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
@pytest.mark.parametrize(("name", "schedule"), EXPORTS)
def test_arduino_library(name: str, schedule: str, tmp_path: Path) -> None:
    """Everything in src/ is compiled as C, the sketch as C++ behind Arduino.h; it prints the scores of an input of zeros."""
    network = filled(NETWORKS[name]())
    export(network, board(schedule=schedule), tmp_path / "library")
    properties = dict(
        line.split("=", 1) for line in (tmp_path / "library/library.properties").read_text().splitlines() if line
    )
    required = {"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures"}
    assert [key for key in required if not properties.get(key)] == []
    assert (tmp_path / "library/src" / properties["includes"]).exists()
    source = tmp_path / "library/src"
    (tmp_path / "Arduino.h").write_text(ARDUINO_H)
    (tmp_path / "core.cpp").write_text(ARDUINO_CORE)
    sketch = tmp_path / "library/examples/Classify/Classify.ino"
    (tmp_path / "sketch.cpp").write_text('#include "Arduino.h"\n' + sketch.read_text())
    objects = [tmp_path / f"{path.stem}.o" for path in sorted(source.rglob("*.c"))]
    for path, target in zip(sorted(source.rglob("*.c")), objects, strict=True):
        told(["gcc", "-std=gnu11", "-Os", "-Wall", "-Wextra", "-Werror", f"-I{source}", "-c", path, "-o", target])
    strict = ["-std=gnu++11", "-Os", "-Wall", "-Wextra", "-Werror", f"-I{source}", f"-I{tmp_path}"]
    told(["g++", *strict, tmp_path / "sketch.cpp", tmp_path / "core.cpp", *objects, "-o", tmp_path / "sketch"])
    scores = printed_scores(told([tmp_path / "sketch"]), network)
    np.testing.assert_array_equal(scores, run(network, inputs_for(network, 1) * 0).scores)
