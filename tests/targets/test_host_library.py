"""Compiled once for each processor: a home folder that machines share must not hand out foreign instructions."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import pytest

from stages.snn import fused
from targets import host_library
from targets.errors import ToolMissingError


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "seven.c"
    path.write_text("int seven(void) { return 7; }\n")
    return path


def on(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_library, "_processor", lambda: machine)


def test_what_another_processor_compiled_is_not_loaded(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not host_library.compilers():
        pytest.skip("no C compiler")
    on("with AVX-512", monkeypatch)
    wide = host_library.host_library(source, ("-O1",), "seven")
    on("without", monkeypatch)
    narrow = host_library.host_library(source, ("-O1",), "seven")
    assert narrow != wide
    assert ctypes.CDLL(str(narrow)).seven() == 7
    monkeypatch.setattr(host_library, "compilers", list)
    assert host_library.host_library(source, ("-O1",), "seven") == narrow  # needs no compiler any more
    on("a third", monkeypatch)
    with pytest.raises(ToolMissingError, match="seven"):
        host_library.host_library(source, ("-O1",), "seven")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/cpuinfo")
def test_a_processor_is_told_by_its_instructions() -> None:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    features = next((line for line in lines if line.startswith(("flags", "Features"))), None)
    if features is None:
        pytest.skip("the kernel lists no features")
    assert set(features.split(":")[1].split()) <= set(host_library._processor().split())


def test_the_lif_kernel_is_compiled_for_this_processor_and_cached_so() -> None:
    assert "-march=native" in fused.FLAGS  # the reason for all of this
    if fused.library() is None:
        pytest.skip("no C compiler")
    assert fused.library()._name == str(host_library.host_library(fused.SOURCE, fused.FLAGS, "the kernel"))  # type: ignore[union-attr]
