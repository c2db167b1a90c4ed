"""Scores that have been paid for once, for every stage and every target that asks for the same.

A score depends on the architecture, the images, the seed, the neuron's arithmetic and the code, not on a target's memory: boards
of one family can share nearly all of them. Comes in: a folder. Goes out: numbers by architecture, from one file of JSON lines
per set of circumstances, named by their hash. Lines are appended whole by any number of processes; torn ones are passed over.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from stages.scores.subject import Batch, Subject
from stages.snn.architecture import Architecture
from targets.profile import Profile


@dataclass(frozen=True, eq=False)
class SharedScores:
    """All files of a folder."""

    folder: Path
    #: Hash of the code and the libraries that scores come from.
    code: str
    _open: dict[Path, KnownScores] = field(default_factory=dict)

    def of(self, profile: Profile, batch: Batch, rate: Callable[[Subject], float]) -> KnownScores:
        """The scores under these circumstances. What an untrained network computes depends on nothing else of a profile."""
        circumstances = {
            "code": self.code,
            "score": f"{rate.__module__}.{rate.__qualname__}",
            "neuron": asdict(profile.neuron.neuron),
            "pixel_shift": profile.neuron.pixel_shift,
            "images": [list(batch.images.shape), hashlib.sha256(batch.images.tobytes()).hexdigest()],
            "labels": hashlib.sha256(batch.labels.tobytes()).hexdigest(),
            "batch": [batch.classes, batch.timesteps, batch.seed, batch.spiking, batch.as_snasnet],
        }
        digest = hashlib.sha256(json.dumps(circumstances, sort_keys=True).encode()).hexdigest()
        path = self.folder / f"{digest[:32]}.jsonl"
        if path not in self._open:
            self._open[path] = KnownScores(path)
        return self._open[path]


class KnownScores:
    """Numbers by architecture."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._scores: dict[str, float] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            try:
                architecture, score = json.loads(line)
            except ValueError:  # torn by a kill or a full disk
                continue
            self._scores[architecture] = score

    def __contains__(self, architecture: Architecture) -> bool:
        return architecture.model_dump_json() in self._scores

    def __getitem__(self, architecture: Architecture) -> float:
        return self._scores[architecture.model_dump_json()]

    def add(self, architecture: Architecture, score: float) -> float:
        """Keeps a score, here and for others; returns it."""
        key = architecture.model_dump_json()
        self._scores[key] = score
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, (json.dumps([key, score]) + "\n").encode())
        finally:
            os.close(descriptor)
        return score
