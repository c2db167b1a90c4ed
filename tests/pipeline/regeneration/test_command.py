"""`spikeport regenerate` on real data and the real runtime: made once, then repeated, compared, broken, interrupted and killed.

One regeneration of three boards serves all: one that is made, one that nothing fits, one whose profile cannot be read.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.regeneration.events import Event
from pipeline.regeneration.fleet import Fleet
from pipeline.regeneration.worker import REQUEST
from pipeline.request import Request
from targets.errors import ConfigurationError
from tests.pipeline.test_deploy import BOARD, ENVIRONMENT, ROOT, SMALL, WIDE

LITTLE = '[memory.ram]\ntotal = "8 KiB"\nreserved = "1 KiB"\nsource = "a test"\n'
#: Work that lasts until it is stopped.
LONG = {"analyze.cells": 4000}
BOARDS = {
    "good": BOARD + WIDE,
    "little": BOARD + WIDE + LITTLE,
    "broken": BOARD + WIDE + "colour = 3\n",
}


class Done(NamedTuple):
    code: int
    out: str
    said: str


def command(*more: str) -> list[str]:
    settings = [f"--set={path}={json.dumps(value)}" for path, value in SMALL.items()]
    return [sys.executable, "-m", "pipeline", "regenerate", *settings, *more]


def regenerate(folder: Path, *more: str, **environment: str) -> Done:
    done = subprocess.run(
        command(*more),
        cwd=folder,
        env={**ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


def write_boards(folder: Path) -> None:
    for name, text in BOARDS.items():
        (folder / f"{name}.toml").write_text(text)


def processes_in(folder: Path) -> list[int]:
    """Living processes that work in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            state = (path / "stat").read_text().rsplit(")", 1)[1].split()[0]
            if state != "Z" and (path / "cwd").readlink() == folder:
                found.append(int(path.name))
        except OSError:
            continue
    return found


def wait_until(condition: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    folder = tmp_path_factory.mktemp("made")
    write_boards(folder)
    return folder, regenerate(folder, "./good.toml", "./little.toml", "./broken.toml", "--jobs=2")


@pytest.fixture
def copied(made: tuple[Path, Done], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made[0], tmp_path / "copy"))


def test_one_failure_does_not_stop_the_others_and_the_worst_code_counts(made: tuple[Path, Done]) -> None:
    folder, done = made
    assert done.code == 3, done.said
    assert done.out == ""
    assert "✓ good · digits" in done.said
    assert "colour: is an unknown key" in done.said
    assert "too much" in done.said
    assert json.loads((folder / "build/good/digits/report.json").read_text())["ok"]
    lock = tomllib.loads((folder / "models.lock.toml").read_text())
    assert lock["models"].keys() == {"good"}
    assert str(folder) not in (folder / "models.lock.toml").read_text()
    assert "second" not in (folder / "models.lock.toml").read_text()


def test_the_summaries_tell_all_three(made: tuple[Path, Done]) -> None:
    folder, _ = made
    suites = ElementTree.parse(folder / "build/regenerate.xml").getroot()  # noqa: S314 - our own
    assert [(s.get("name"), s.get("failures")) for s in suites] == [
        ("good.digits", "0"),
        ("little.digits", "1"),
        ("broken.digits", "1"),
    ]
    assert int(suites[0].get("tests")) >= 6
    page = (folder / "build/regenerate.md").read_text()
    assert "1 of 3 fit and are verified" in page
    assert "unknown key" in page
    index = (folder / "build/index.html").read_text()
    assert "good/digits/report.html" in index and "1 model, 1 verified" in index
    assert "fits the target and is verified" in (folder / "build/good/digits/MODEL_CARD.md").read_text()


def test_the_lock_can_be_joined_from_finished_runs(made: tuple[Path, Done], tmp_path: Path) -> None:
    path = tmp_path / "joined.toml"
    words = ["lock", "--build", str(made[0] / "build"), "--lock", str(path)]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert path.read_bytes() == (made[0] / "models.lock.toml").read_bytes()
    nothing = CliRunner().invoke(app, ["lock", "--build", str(tmp_path)])
    assert isinstance(nothing.exception, ConfigurationError) and "no verified run" in nothing.exception.message


def test_again_it_redoes_nothing_and_the_lock_keeps_its_bytes(made: tuple[Path, Done]) -> None:
    folder, _ = made
    lock = folder / "models.lock.toml"
    before, changed = lock.read_bytes(), lock.stat().st_mtime_ns
    workerless = (
        "from pipeline.regeneration.fleet import Fleet\nFleet.run = None\nfrom pipeline.cli import main\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", workerless, *command("./good.toml")[3:]],
        cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "nothing had changed" in done.stderr
    assert (lock.read_bytes(), lock.stat().st_mtime_ns) == (before, changed)
    checked = regenerate(folder, "./good.toml", "--check")
    assert checked.code == 0, checked.said
    assert "everything is as in models.lock.toml" in checked.said


def test_a_regression_is_told_with_term_bytes_and_cause(copied: Path) -> None:
    lock = copied / "models.lock.toml"
    entry = tomllib.loads(lock.read_text())["models"]["good"]["digits"]
    measured = entry["footprint"]["ram"]["whole running"]["measured_bytes"]
    dataset = entry["inputs"]["dataset"]
    changed = lock.read_text().replace(f"measured_bytes = {measured}", f"measured_bytes = {measured - 8}")
    lock.write_text(changed.replace(dataset, "0" * len(dataset)))
    before = lock.read_bytes()
    done = regenerate(copied, "./good.toml", "--check")
    assert done.code == 4
    assert f"whole running in ram grew: measured {measured - 8:,} B to {measured:,} B, +8 B" in done.said
    assert "changed since: dataset" in done.said
    assert lock.read_bytes() == before
    assert "Worse than the lock file" in (copied / "build/regenerate.md").read_text()
    assert regenerate(copied, "./good.toml").code == 0
    assert f"measured_bytes = {measured}}}" in lock.read_text()


def test_a_changed_profile_redoes_that_target_alone_and_says_why(copied: Path) -> None:
    """The other board differs by its name only, which decides nothing, so that a copied run is its own."""
    (copied / "other.toml").write_text(BOARDS["good"])
    shutil.copytree(copied / "build/good", copied / "build/other")
    (copied / "good.toml").write_text(BOARD + WIDE.replace("0.5", "0.6"))
    done = regenerate(copied, "./good.toml", "./other.toml", "--explain")
    assert done.code == 0, done.said
    assert "made verify anew: profile.tolerance.default.relative_high changed from 0.5 to 0.6" in done.said
    assert "verify ran because profile.tolerance.default.relative_high changed from 0.5 to 0.6" in done.said
    assert re.search(r"= other · digits .* nothing had changed", done.said)
    assert tomllib.loads((copied / "models.lock.toml").read_text())["models"].keys() == {"good", "other"}


def test_a_second_checkout_gives_the_same_bytes_and_a_wider_network_is_a_regression(
    made: tuple[Path, Done], tmp_path: Path
) -> None:
    write_boards(tmp_path)
    for layer in ("pipeline", "stages", "targets"):
        shutil.copytree(ROOT / layer, tmp_path / "checkout" / layer, ignore=shutil.ignore_patterns("__pycache__"))
    elsewhere = {"PYTHONPATH": str(tmp_path / "checkout")}
    assert regenerate(tmp_path, "./good.toml", **elsewhere).code == 0
    assert (tmp_path / "models.lock.toml").read_bytes() == (made[0] / "models.lock.toml").read_bytes()
    artifacts = [
        {path.name: path.read_bytes() for path in (folder / "build/good/digits/04_export/artifact").iterdir()}
        for folder in (tmp_path, made[0])
    ]
    assert artifacts[0] == artifacts[1] != {}
    wider = regenerate(tmp_path, "./good.toml", "--check", "--set=search.max_channels=7", **elsewhere)
    assert wider.code == 4, wider.said
    assert re.search(r"whole running in ram grew: estimated [\d,]+ B to [\d,]+ B, \+[\d,]+ B", wider.said)
    assert "changed since: settings of search" in wider.said
    assert "another architecture: channels 6 to 7" in wider.said


def test_a_full_disk_fails_the_target_and_the_next_run_completes(copied: Path, made: tuple[Path, Done]) -> None:
    for stage in ("03_quantize", "04_export", "05_verify"):
        shutil.rmtree(copied / "build/good/digits" / stage)
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000)); "
    full = subprocess.run(
        [sys.executable, "-c", limit + "from pipeline.cli import main; main()", *command("./good.toml")[3:]],
        cwd=copied, env=ENVIRONMENT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert full.returncode == 2, full.stderr
    assert "the disk is full" in full.stderr and "Traceback" not in full.stderr
    assert processes_in(copied) == []
    assert regenerate(copied, "./good.toml").code == 0
    assert (copied / "models.lock.toml").read_bytes() == (made[0] / "models.lock.toml").read_bytes()


def test_without_a_lock_there_is_nothing_to_check(tmp_path: Path) -> None:
    write_boards(tmp_path)
    done = regenerate(tmp_path, "./good.toml", "--check")
    assert done.code == 2
    assert "nothing to compare with" in done.said
    assert not (tmp_path / "build").exists()


def test_what_was_not_made_is_not_as_in_the_lock(copied: Path) -> None:
    done = regenerate(copied, "./good.toml", "./broken.toml", "--check")
    assert done.code == 2, done.said
    assert "1 of 2 models could be compared with models.lock.toml" in done.said
    assert "everything is as in" not in done.said


def test_two_profiles_of_one_name_are_refused(tmp_path: Path) -> None:
    done = regenerate(tmp_path, "jetson_nano", "./boards/jetson_nano.toml")
    assert done.code == 2
    assert "jetson_nano on digits is asked for 2 times" in done.said


def test_ctrl_c_leaves_no_process(tmp_path: Path) -> None:
    write_boards(tmp_path)
    long = [f"--set={path}={value}" for path, value in LONG.items()]
    process = subprocess.Popen(
        command("./good.toml", "--jobs=1", *long), cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
    )
    wait_until((tmp_path / "build/good/digits/01_analyze.partial").exists)
    assert len(processes_in(tmp_path)) == 2
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert processes_in(tmp_path) == []
    assert time.monotonic() - began < 3
    assert process.returncode == 130
    assert "the same command goes on from here" in said
    assert "Traceback" not in said
    assert not (tmp_path / "models.lock.toml").exists()


def test_a_worker_does_not_outlive_its_parent(tmp_path: Path) -> None:
    """Whose end shows in stdin alone: here stdout still takes what the worker says."""
    write_boards(tmp_path)
    worker = subprocess.Popen(
        [sys.executable, "-c", "from pipeline.regeneration.worker import main; main()"],
        cwd=tmp_path, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    assert worker.stdin is not None
    worker.stdin.write(REQUEST.dump_json(Request("./good.toml", settings={**SMALL, **LONG})) + b"\n")
    worker.stdin.flush()
    wait_until((tmp_path / "build/good/digits/01_analyze.partial").exists)
    worker.stdin.close()
    assert worker.wait(timeout=3) != 0


def test_a_killed_worker_fails_its_target_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_boards(tmp_path)
    monkeypatch.chdir(tmp_path)
    requests = [Request(f"./{name}.toml", settings={**SMALL, **LONG}) for name in ("good", "broken")]

    def kill(request: Request, event: Event) -> None:
        own = os.getpid()
        for pid in processes_in(tmp_path):
            if pid != own:
                os.kill(pid, signal.SIGKILL)

    ended = {request.target: last for request, last in Fleet(1).run(requests, kill)}
    assert ended["./good.toml"].code == 1
    assert "killed by SIGKILL" in ended["./good.toml"].text
    assert ended["./broken.toml"].code == 2
