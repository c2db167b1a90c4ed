"""The folder of one run, `build/<target>/<dataset>/`: who may write in it, and how a stage's folder comes to be whole.

A stage writes into `<nn_stage>.partial/`, which survives a kill and is there again for the next run of the same key. When the
stage is finished its manifest is written, and the folder takes the place of `<nn_stage>/` by renaming. A reader therefore
finds the former results or the new ones, never a part, and a kill at any moment leaves a state from which the next run goes on.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.manifest import MANIFEST, Damaged, Manifest, damage, read_manifest
from targets.errors import ConfigurationError
from targets.network_file import write_atomically

_KEY = ".key"
_LOCK = ".lock"
#: A worker notices within a second that its parent was killed, and ends within another.
PATIENCE_SECONDS = 2.5


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run, and the operations on them that must not be torn apart."""

    path: Path

    def stage(self, folder: str) -> Path:
        """Where the finished results of a stage lie."""
        return self.path / folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Excludes every other process from this run's folder; the kernel lets go of it when this process ends.

        POSIX record locks are chosen over flock because a forked worker does not inherit them: a worker that outlives a
        killed run does not keep the folder locked.

        Raises:
            ConfigurationError: another process works here.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if not _acquired(descriptor):
                owner = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
                raise ConfigurationError(
                    f"{self.path}: another spikeport works in this folder" + (f" (process {owner})" if owner else ""),
                    "wait for it to end, or give this run a folder of its own with --build",
                )
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def complete(self, folder: str) -> Manifest | Damaged | None:
        """The manifest of a stage whose files are all as written; what is wrong with them otherwise."""
        final = self.stage(folder)
        manifest = read_manifest(final)
        if not isinstance(manifest, Manifest):
            return manifest
        broken = list(damage(final, manifest))
        return Damaged("; ".join(broken)) if broken else manifest

    def begin(self, folder: str, key: str) -> tuple[Path, bool]:
        """The partial folder of a stage, and whether it holds files of an interrupted run with the same key."""
        partial = self._partial(folder)
        marker = partial / _KEY
        if marker.is_file() and marker.read_text(encoding="utf-8") == key:
            return partial, any(path.name != _KEY for path in partial.iterdir())
        remove(partial)
        partial.mkdir(parents=True)
        write_atomically(marker, key.encode())
        return partial, False

    def publish(self, folder: str) -> None:
        """Puts a partial folder, whose manifest is written, in the place of the stage's folder."""
        partial, final, former = self._partial(folder), self.stage(folder), self.path / f"{folder}.former"
        remove(former)
        if final.exists():
            final.replace(former)
        partial.replace(final)
        self._tidy(folder)

    def recover(self, folder: str) -> None:
        """Ends a `publish` that was killed."""
        if (self._partial(folder) / MANIFEST).is_file():
            self.publish(folder)
        self._tidy(folder)

    def _tidy(self, folder: str) -> None:
        """Removes what only an unfinished stage needs: the former results, the key and torn temporary files."""
        remove(self.path / f"{folder}.former")
        for path in self.stage(folder).rglob(".*"):
            path.unlink()

    def _partial(self, folder: str) -> Path:
        return self.path / f"{folder}.partial"


def _acquired(descriptor: int) -> bool:
    """Whether the lock could be had, at once or from a run that was just killed and is ending."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except (BlockingIOError, PermissionError):
            if time.monotonic() > until:
                return False
        time.sleep(0.1)


def remove(folder: Path) -> None:
    """Deletes a folder and what is in it; nothing happens when it is not there."""
    if folder.exists():
        shutil.rmtree(folder)
