"""Work on a real Ray cluster of two nodes, on this machine: equal results, lost workers, whole targets."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.cluster import cluster
from pipeline.regeneration.cluster_fleet import ClusterFleet
from pipeline.regeneration.fleet import Fleet
from pipeline.request import Request
from stages.data.catalog import load_dataset
from stages.progress import silent
from stages.scores.catalog import score_named
from stages.scores.subject import batch_of
from stages.searching.workers import Help, helped_by, rate_all
from stages.snn.architecture import Architecture
from targets.errors import ConfigurationError, ToolMissingError
from targets.profile import load_profile
from tests.pipeline.test_deploy import SMALL, board, files_of

ARCHITECTURES = [
    Architecture(input_shape=(1, 8, 8), classes=10, cells=("|conv3x3~0|",), channels=width, timesteps=2)
    for width in range(2, 50)
]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    pytest.importorskip("ray", reason="Ray is not installed: pip install -c constraints.txt ray")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", str(Path(__file__).parent.parent.parent))
        patch.setenv("OMP_NUM_THREADS", "1")
        small = {"num_cpus": 1, "object_store_memory": 80 * 1024**2, "include_dashboard": False}
        nodes = Cluster(initialize_head=True, head_node_args=small)
        nodes.add_node(**{name: value for name, value in small.items() if name != "include_dashboard"})
        yield nodes.address
        nodes.shutdown()


def scores() -> list[float]:
    batch = batch_of(load_dataset("digits", None, 0), 8, timesteps=2, seed=0)
    rate = score_named("evidence").rate
    return list(rate_all(ARCHITECTURES, load_profile("jetson_nano"), batch, rate, silent, "test"))


def twice(factor: int, item: int) -> int:
    return factor * item


def dying_once(marker: Path, item: int) -> int:
    """Kills its own worker process at item 11 the first time it is met."""
    if item == 11 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 3 * item


def test_scores_of_the_cluster_equal_local_ones(address: str) -> None:
    local = scores()
    with cluster(address) as executor, helped_by(Help(executor)):
        assert len(executor.ray.nodes()) == 2
        assert scores() == local


def test_what_a_lost_worker_was_at_is_done_again(address: str, tmp_path: Path) -> None:
    with cluster(address) as executor:
        assert list(executor.map(dying_once, tmp_path / "marker", range(40))) == [3 * item for item in range(40)]
    assert (tmp_path / "marker").exists()


def test_a_node_with_other_code_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.cluster.code_hash", lambda: "other")
    with cluster(address) as executor, pytest.raises(ConfigurationError, match="runs other code"):
        list(executor.map(twice, 2, range(3)))


def test_targets_of_the_cluster_equal_local_ones(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    made: list[dict[str, bytes]] = []
    for place in ("local", "cluster"):
        build = tmp_path / place
        build.mkdir()
        board(build)
        monkeypatch.chdir(build)
        request = Request("./board.toml", settings=SMALL, build=Path())
        told: list[Any] = []
        with cluster(address) as executor:
            fleet = Fleet(1) if place == "local" else ClusterFleet(executor)
            ((_, last),) = fleet.run([request], lambda _, event, told=told: told.append(event.kind))
        assert last.code == 0, last
        assert told.count("finished") == 5
        made.append(files_of(build))
    assert made[0] == made[1]


def test_no_cluster_and_no_ray_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(ToolMissingError, match="not installed") as told, cluster("auto"):
        pass
    assert "spikeport[ray]" in (told.value.hint or "")
