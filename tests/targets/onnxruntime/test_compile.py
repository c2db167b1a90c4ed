"""The C sources build with whatever compiler there is, and say what to install where there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from targets.errors import ToolMissingError
from targets.onnxruntime import compile as module
from targets.onnxruntime.compile import HEAP_COUNTER, RUNNER, compiled


def test_without_a_compiler_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(module, "compilers", lambda _: [["no-such-compiler"]])
    with pytest.raises(ToolMissingError, match=r"heap_counter\.c") as missing:
        compiled(HEAP_COUNTER)
    assert missing.value.hint == "pip install ziglang"


def test_the_counter_builds_with_the_compiler_in_the_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("ziglang")
    monkeypatch.setenv("ZIG_GLOBAL_CACHE_DIR", str(Path.home() / ".cache" / "zig"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(module, "compilers", lambda _: [[sys.executable, "-m", "ziglang", "cc"]])
    counted = subprocess.run(
        [sys.executable, "-c", "import ctypes; print(ctypes.CDLL(None).heap_live_bytes())"],
        env={"LD_PRELOAD": str(compiled(HEAP_COUNTER))},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert int(counted.stdout) > 0


def test_the_runner_for_a_board_needs_no_newer_c_library_than_the_boards() -> None:
    """JetPack 4.6 has glibc 2.27. Compiled once per user: the cache keeps it."""
    pytest.importorskip("ziglang")
    content = compiled(RUNNER, "aarch64").read_bytes()
    assert content[:4] == b"\x7fELF"
    assert content[18] == 0xB7, "the machine field of an ELF header: AArch64"
    assert b"GLIBC_2.17" in content
    for newer in range(28, 45):
        assert f"GLIBC_2.{newer}\0".encode() not in content
