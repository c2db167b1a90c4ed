"""Python environments of their own, for tools that cannot share ours: created once per user and version, then found again.

Comes in: a file of pinned requirements. Goes out: the path of an interpreter that has them. Lava is archived upstream and
needs packages that nothing else wants, so it lives in a virtual environment under the user's cache folder. Two processes may
ask at once: the second waits for the first. An environment counts only once its mark is written, so one whose creation was
killed is made anew. Packages are installed without their dependencies and without regard to the Python that they declare:
the files name all that a run imports, and what was tried.
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
from dataclasses import dataclass
from pathlib import Path

from targets.errors import ToolMissingError
from targets.tool import Tool

_LIMIT_SECONDS = 900
_MARK = "complete"


@dataclass(frozen=True)
class Environment:
    """A virtual environment that belongs to this Python and these requirements."""

    tool_name: str
    requirements: Path
    #: The command that creates it by hand, for error messages.
    command: str
    newest_python: tuple[int, int] = (3, 12)

    @property
    def folder(self) -> Path:
        """Where it belongs, whether or not it exists."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        key = hashlib.sha256(self.requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
        return cache / "spikeport" / f"{self.tool_name}-{key}"

    def tool(self) -> Tool:
        """For `doctor`: whether it exists, or can."""
        if (self.folder / _MARK).exists():
            return Tool(self.tool_name, str(self.folder))
        if problem := self._too_new():
            return Tool(self.tool_name, problem.message, problem.hint)
        return Tool(self.tool_name, "not installed yet", self.command, "the first verification installs it")

    def interpreter(self) -> Path:
        """Its Python; the first call installs the packages.

        Raises:
            ToolMissingError: no package index is reachable, or this Python is too new for the tool.
        """
        python = self.folder / "bin" / "python"
        if not (self.folder / _MARK).exists():
            with _locked(self.folder):
                if not (self.folder / _MARK).exists():
                    self._create(python)
        return python

    def _create(self, python: Path) -> None:
        if problem := self._too_new():
            raise problem
        shutil.rmtree(self.folder, ignore_errors=True)
        self._step([sys.executable, "-m", "venv", str(self.folder)])
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--ignore-requires-python"]
        self._step([str(python), "-m", "pip", "install", *options, "--requirement", str(self.requirements)])
        (self.folder / _MARK).touch()

    def _too_new(self) -> ToolMissingError | None:
        if sys.version_info[:2] <= self.newest_python:
            return None
        newest = ".".join(str(part) for part in self.newest_python)
        problem = f"{self.tool_name} runs on Python up to {newest}, this is {sys.version.split()[0]}"
        return ToolMissingError(problem, f"install spikeport with Python {newest}")

    def _step(self, command: list[str]) -> None:
        hint = f"with a package index within reach, run: {self.command}"
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ToolMissingError(
                f"the environment for {self.tool_name} could not be created ({error})", hint
            ) from error
        if done.returncode:
            last = [line for line in done.stderr.splitlines() if line.strip()][-3:]
            raise ToolMissingError(f"the environment for {self.tool_name} could not be created: {' '.join(last)}", hint)


LAVA = Environment("lava", Path(__file__).parent / "requirements.txt", "python -m targets.loihi.environment")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Only one process at a time creates this environment; the lock ends with the process."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.stdout.write(f"{LAVA.interpreter()}\n")
