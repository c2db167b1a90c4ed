"""What a run may use besides its own process: scores that another target has paid for, and a cluster.

Comes in: the build folder, a number of processes, and the address of a Ray cluster if there is one. None of them decides a
result, so none is part of a stage's key.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.cluster import cluster, code_hash
from stages.searching.shared_scores import SharedScores
from stages.searching.workers import Help, LocalProcesses, helped_by

#: In the build folder; no target is called like that.
SCORES = Path(".shared", "scores")


@contextmanager
def helpers(build: Path, ray: str | None = None, jobs: int = 1) -> Iterator[None]:
    """Within, scores are shared between all targets of the build folder, and computed by `jobs` processes or on the cluster."""
    scores = SharedScores(build / SCORES, code_hash())
    if ray is None:
        with helped_by(Help(LocalProcesses(jobs) if jobs > 1 else None, scores)):
            yield
    else:
        with cluster(ray) as executor, helped_by(Help(executor, scores)):
            yield
