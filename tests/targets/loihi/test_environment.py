"""Tool environments: created once, even by two at a time; made anew after an interruption; missing tools are explained."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from targets.errors import ToolMissingError
from targets.loihi.environment import Environment


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def environment(folder: Path, requirements: str, **options: tuple[int, int]) -> Environment:
    file = folder / "requirements.txt"
    file.write_text(requirements)
    return Environment("tool", file, "make tool", **options)


def test_two_at_once_create_it_once_and_an_interrupted_one_is_made_anew(cache: Path) -> None:
    tool = environment(cache, "# nothing to install\n")
    half_made = tool.folder / "bin" / "python"
    half_made.parent.mkdir(parents=True)
    half_made.write_text("not a program")
    assert tool.tool().missing and not tool.tool().needed
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: tool.interpreter(), range(2))
    assert first == second == half_made
    assert not tool.tool().missing
    made = (tool.folder / "complete").stat().st_mtime_ns
    done = subprocess.run([str(tool.interpreter()), "-c", "print(6 * 7)"], capture_output=True, text=True, check=True)
    assert done.stdout == "42\n"
    assert (tool.folder / "complete").stat().st_mtime_ns == made


def test_an_unreachable_package_is_explained(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    tool = environment(cache, "spikeport-has-no-such-package==1.0\n")
    with pytest.raises(ToolMissingError, match="spikeport-has-no-such-package") as caught:
        tool.interpreter()
    assert "make tool" in caught.value.hint
    assert caught.value.exit_code == 5


def test_a_python_that_is_too_new_is_named(cache: Path) -> None:
    tool = environment(cache, "", newest_python=(3, 5))
    with pytest.raises(ToolMissingError, match=r"up to 3\.5"):
        tool.interpreter()
    assert tool.tool().needed
