"""Lava's own Python environment: created once per user and version, then found again.

Goes out: the path of its interpreter. Lava is archived upstream and pins old packages, so it lives in a virtual environment
of its own under the user's cache folder. Two processes may ask at once: the second waits for the first. An environment
counts only once its mark is written, so one whose creation was killed is made anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from targets.errors import ToolMissingError

REQUIREMENTS = Path(__file__).parent / "requirements.txt"
COMMAND = "python -m targets.loihi.environment"
NEWEST_PYTHON = (3, 12)
_LIMIT_SECONDS = 900
_MARK = "complete"


def interpreter() -> Path:
    """Python with Lava in it; the first call installs it, which takes about half a minute.

    Raises:
        ToolMissingError: it cannot be installed: no package index is reachable, or this Python is too new for Lava.
    """
    folder = environment_folder()
    python = folder / "bin" / "python"
    if not (folder / _MARK).exists():
        with _locked(folder):
            if not (folder / _MARK).exists():
                _create(folder, python)
    return python


def environment_folder() -> Path:
    """Where the environment of this Python and these requirements belongs, whether or not it exists."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    key = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    return cache / "spikeport" / f"lava-{key}"


def _create(folder: Path, python: Path) -> None:
    if sys.version_info[:2] > NEWEST_PYTHON:
        newest = ".".join(str(part) for part in NEWEST_PYTHON)
        raise ToolMissingError(
            f"Lava runs on Python 3.10 to {newest}, this is {sys.version.split()[0]}",
            f"install spikeport with Python {newest}",
        )
    shutil.rmtree(folder, ignore_errors=True)
    _install_step([sys.executable, "-m", "venv", str(folder)])
    # Lava's wheels declare Python 3.10 only and pull in packages that no run imports: every package is pinned by us.
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--ignore-requires-python"]
    _install_step([str(python), "-m", "pip", "install", *options, "--requirement", str(REQUIREMENTS)])
    (folder / _MARK).touch()


def _install_step(command: list[str]) -> None:
    hint = f"with a package index within reach, run: {COMMAND}"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolMissingError(f"Lava's environment could not be created ({error})", hint) from error
    if done.returncode:
        last = [line for line in done.stderr.splitlines() if line.strip()][-3:]
        raise ToolMissingError(f"Lava's environment could not be created: {' '.join(last)}", hint)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Only one process at a time creates this environment; the lock ends with the process."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.stdout.write(f"{interpreter()}\n")
