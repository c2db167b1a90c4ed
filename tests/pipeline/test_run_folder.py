"""A stage's folder is whole or absent, at whatever moment a run is killed; two runs exclude each other."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import run_folder
from pipeline.manifest import Manifest, key_of, output_hashes, write_manifest
from pipeline.run_folder import RunFolder
from targets.errors import ConfigurationError

INPUTS = {"config": {"n": 1}}
KEY = key_of(INPUTS)


def fill(partial: Path, content: str) -> None:
    (partial / "result.json").write_text(content)
    outputs = output_hashes(partial)
    write_manifest(partial, Manifest(stage="s", key=KEY, inputs=INPUTS, outputs=outputs, seconds=0, reasons=()))


def finish(folder: RunFolder, content: str) -> None:
    partial, _ = folder.begin("01_s", KEY)
    fill(partial, content)
    folder.publish("01_s")


def content(folder: RunFolder) -> str:
    assert isinstance(folder.complete("01_s"), Manifest)
    return (folder.stage("01_s") / "result.json").read_text()


def names(path: Path) -> list[str]:
    return sorted(each.relative_to(path).as_posix() for each in path.rglob("*"))


def test_publishing_replaces_the_former_results(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    finish(folder, "old")
    finish(folder, "new")
    assert content(folder) == "new"
    assert names(tmp_path) == ["01_s", "01_s/manifest.json", "01_s/result.json"]


def test_a_partial_folder_is_kept_for_the_same_key(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    partial, resumed = folder.begin("01_s", KEY)
    assert not resumed
    (partial / "checkpoint").write_text("half")
    again, resumed = folder.begin("01_s", KEY)
    assert resumed
    assert (again / "checkpoint").read_text() == "half"


def test_a_partial_folder_of_another_key_is_discarded(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    partial, _ = folder.begin("01_s", KEY)
    (partial / "checkpoint").write_text("half")
    again, resumed = folder.begin("01_s", "another")
    assert not resumed
    assert not (again / "checkpoint").exists()


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("calls_survived", range(8))
@pytest.mark.parametrize("former", [False, True])
def test_a_kill_within_publish_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls_survived: int, former: bool
) -> None:
    folder = RunFolder(tmp_path)
    if former:
        finish(folder, "old")
    partial, _ = folder.begin("01_s", KEY)
    fill(partial, "new")
    (partial / ".torn").write_text("half a file")
    left = calls_survived

    def counting(operation):
        def call(*arguments, **options):
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            return operation(*arguments, **options)

        return call

    with monkeypatch.context() as patched:
        for name in ("replace", "unlink"):
            patched.setattr(Path, name, counting(getattr(Path, name)))
        patched.setattr(run_folder, "remove", counting(run_folder.remove))
        with contextlib.suppress(Killed):
            folder.publish("01_s")
    folder.recover("01_s")
    assert content(folder) == "new"
    assert names(tmp_path) == ["01_s", "01_s/manifest.json", "01_s/result.json"]


def test_a_second_process_is_refused_and_let_in_afterwards(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from pipeline.run_folder import RunFolder\n"
        f"with RunFolder(Path({str(tmp_path)!r})).locked(): print('in', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdin is not None and other.stdout is not None
    try:
        assert other.stdout.readline() == "in\n"
        refused = pytest.raises(ConfigurationError, match=f"works in this folder .process {other.pid}.")
        with refused, RunFolder(tmp_path).locked():
            pass
    finally:
        other.kill()
        other.communicate(timeout=20)
    with RunFolder(tmp_path).locked():  # the kernel has released it, though the owner was killed
        pass
