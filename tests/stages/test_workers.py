"""Scores that are shared, and pools that lose a worker: the numbers stay the same."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from stages.data.digits import load_digits
from stages.progress import silent
from stages.scores.catalog import score_named
from stages.scores.subject import Subject, batch_of
from stages.searching.shared_scores import SharedScores
from stages.searching.workers import Help, LocalProcesses, helped_by, rate_all
from stages.snn.architecture import Architecture
from targets.profile import load_profile

ARCHITECTURES = [
    Architecture(input_shape=(1, 8, 8), classes=10, cells=("|conv3x3~0|",), channels=width, timesteps=2)
    for width in range(2, 8)
]
rated: list[int] = []


def noting(subject: Subject) -> float:
    rated.append(subject.architecture.channels)
    return score_named("structure").rate(subject) + 1 / subject.architecture.channels


def scores(folder: Path, target: str = "jetson_nano", code: str = "1", seed: int = 0) -> list[float]:
    batch = batch_of(load_digits(None, 0), 8, timesteps=2, seed=seed)
    rated.clear()
    with helped_by(Help(scores=SharedScores(folder, code))):
        return list(rate_all(ARCHITECTURES, load_profile(target), batch, noting, silent, "test"))


def test_a_score_is_computed_once_for_all_boards_of_one_arithmetic(tmp_path: Path) -> None:
    first = scores(tmp_path)
    assert rated == [a.channels for a in ARCHITECTURES]
    assert scores(tmp_path, "raspberry_pi_zero_2w") == first
    assert rated == []


@pytest.mark.parametrize("other", [{"target": "microbit_v1"}, {"code": "2"}, {"seed": 1}])
def test_what_a_score_depends_on_is_told_apart(tmp_path: Path, other: dict) -> None:
    scores(tmp_path)
    scores(tmp_path, **other)
    assert rated == [a.channels for a in ARCHITECTURES]


def test_torn_lines_cost_their_score_alone(tmp_path: Path) -> None:
    first = scores(tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-5])
    assert scores(tmp_path) == first
    assert rated == [ARCHITECTURES[-1].channels]


def test_without_a_folder_everything_is_computed() -> None:
    batch = batch_of(load_digits(None, 0), 8, timesteps=2, seed=0)
    for _ in range(2):
        rated.clear()
        list(rate_all(ARCHITECTURES, load_profile("jetson_nano"), batch, noting, silent, "test"))
        assert rated == [a.channels for a in ARCHITECTURES]


def dying_once(marker: Path, item: int) -> int:
    if item == 7 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 3 * item


def test_a_pool_that_loses_a_worker_goes_on(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    assert list(LocalProcesses(2).map(dying_once, marker, range(12))) == [3 * item for item in range(12)]
    assert marker.exists()
