"""The command transport: a script gets the folder and prints a record; and every way in which it may not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from targets.errors import HardwareError, SpikeportError, ToolMissingError
from targets.hardware.command import run
from targets.hardware.ways import Command

RECORD = '{"format": 1, "obtained": "hardware", "board": "Disco", "terms": {"stack": 96}, "scores": [[1, -2]]}'


def bundle(folder: Path) -> Path:
    made = folder / "bundle"
    made.mkdir()
    (made / "inputs.bin").write_bytes(b"abc")
    return made


def program(text: str, *arguments: str, seconds: int = 20) -> Command:
    return Command(command=(sys.executable, "-c", text, *arguments), seconds=seconds)


def failure(way: Command, folder: Path) -> str:
    with pytest.raises(SpikeportError) as caught:
        run(bundle(folder), way, folder / "back")
    assert "\n" not in caught.value.message
    return caught.value.message


def test_it_gets_the_folder_behind_its_own_words_and_may_leave_files(tmp_path: Path) -> None:
    text = "import sys; from pathlib import Path; word, folder = sys.argv[1:]; assert word == '$(x); a b'; f = Path(folder)\n"
    text += (
        f"(f / 'out/copy').write_bytes((f / 'inputs.bin').read_bytes()); (f / 'inputs.bin').unlink(); print('{RECORD}')"
    )
    returned = run(bundle(tmp_path), program(text, "$(x); a b"), tmp_path / "back")
    assert returned.record.scores == ((1, -2),)
    assert returned.file("copy").read_bytes() == b"abc"
    assert (tmp_path / "bundle/inputs.bin").exists()


def test_a_link_does_not_come_back(tmp_path: Path) -> None:
    text = f"import os, sys; os.symlink('/etc/passwd', sys.argv[-1] + '/out/link'); print('{RECORD}')"
    returned = run(bundle(tmp_path), program(text), tmp_path / "back")
    with pytest.raises(HardwareError, match="no file out/link"):
        returned.file("link")


def test_failures(tmp_path: Path) -> None:
    for number, (text, said) in enumerate(
        [
            ("import sys; sys.exit('no probe found')", "exit code 1: no probe found"),
            ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL"),
            ("pass", "printed nothing"),
            ("print('flash ok')", "not a measurement: it: Invalid JSON"),
            (f"print('{RECORD}'.replace('hardware', 'magic').replace('96', '0'))", "obtained: .*terms.stack: "),
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(HardwareError, match=said):
            run(bundle(folder), program(text), folder / "back")


def test_one_that_hangs_ends_with_everything_it_started(tmp_path: Path) -> None:
    text = "import subprocess, time; subprocess.Popen(['sleep', '98765431']); time.sleep(98765431)"
    assert "did not end within 1 s" in failure(program(text, seconds=1), tmp_path)
    running = subprocess.run(["ps", "-eo", "args="], capture_output=True, text=True, check=True).stdout
    assert "sleep 98765431" not in running.splitlines()


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ToolMissingError, match="cannot be started"):
        run(bundle(tmp_path), Command(command=("./absent.py",)), tmp_path / "back")
