"""What a run may use besides its own process: scores that another target has paid for, and a cluster.

Comes in: the build folder, and the address of a Ray cluster if there is one. Neither decides a result, so neither is part of a
stage's key.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.cluster import cluster, code_hash
from stages.searching.shared_scores import SharedScores
from stages.searching.workers import Help, helped_by

#: In the build folder; no target is called like that.
SCORES = Path(".shared", "scores")


@contextmanager
def helpers(build: Path, ray: str | None = None) -> Iterator[None]:
    """Within, scores are shared between all targets of the build folder, and computed on the cluster if one is named."""
    scores = SharedScores(build / SCORES, code_hash())
    if ray is None:
        with helped_by(Help(scores=scores)):
            yield
    else:
        with cluster(ray) as executor, helped_by(Help(executor, scores)):
            yield
