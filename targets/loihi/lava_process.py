"""Starts Lava in its own interpreter and brings back what it wrote, or what went wrong. Lava itself is never imported here.

Lava runs every process model as an operating-system process and talks through shared memory. Therefore a run is a session
of its own that is ended as a whole when its time is up, when this program is interrupted, or when it dies; its shared memory
carries a name of ours and is removed afterwards.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from targets.errors import VerificationError
from targets.loihi.environment import LAVA

OBSERVER = Path(__file__).parent / "runner" / "observe.py"
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - POSIX shared memory lives there


class LavaRunError(VerificationError):
    """Lava failed on the artifact, or did not finish in time."""


@contextmanager
def observed(action: str, folder: Path, inputs: NDArray[np.uint8], limit_seconds: float) -> Iterator[Path]:
    """Runs `runner/observe.py` on an artifact; yields the folder with what it wrote, which is removed afterwards.

    Raises:
        ToolMissingError: Lava's environment cannot be created.
        LavaRunError: the run failed (with the traceback of the process model) or exceeded its time.
    """
    python = LAVA.interpreter()
    # -I: nothing of our own environment; -B: no compiled files in the artifact
    with tempfile.TemporaryDirectory(prefix="spikeport-lava-") as name:
        desk = Path(name)
        np.save(desk / "inputs.npy", inputs)
        _run([str(python), "-I", "-B", str(OBSERVER), action, str(folder.resolve()), str(desk)], desk, limit_seconds)
        yield desk


def _run(command: list[str], desk: Path, limit_seconds: float) -> None:
    prefix = f"spikeport{secrets.token_hex(6)}_"
    environment = {**os.environ, "SPIKEPORT_SHARED_MEMORY": prefix, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with (desk / "output.txt").open("wb") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # held open: its end tells the child that this program is gone
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        try:
            status: int | None = _wait(child, desk, limit_seconds)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            _end(child, prefix)
    if status != 0:
        what = f"did not finish within {limit_seconds:.0f} s" if status is None else f"failed with exit status {status}"
        raise LavaRunError(f"Lava {what}:\n{_reason(desk)}", "run the artifact's run_lava.py by hand to see more")


def _wait(child: subprocess.Popen[bytes], desk: Path, limit_seconds: float) -> int:
    """The exit status. After a process model has failed Lava may wait for ever, so it gets a few seconds only."""
    waited, step, grace = 0.0, 1.0, 5.0
    while waited < limit_seconds and grace > 0:
        try:
            return child.wait(min(step, limit_seconds - waited))
        except subprocess.TimeoutExpired:
            waited += step
            grace -= step if (desk / "traceback.txt").exists() else 0
    if grace <= 0:
        return 1
    raise subprocess.TimeoutExpired(child.args, limit_seconds)


def _end(child: subprocess.Popen[bytes], prefix: str) -> None:
    """Ends every process of the run's session and removes its shared memory."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    if child.stdin is not None:
        child.stdin.close()
    child.wait()
    for segment in _SHARED_MEMORY.glob(f"{prefix}*"):
        segment.unlink(missing_ok=True)


def _reason(desk: Path) -> str:
    """The process models' tracebacks if there are any, else the last lines that Lava printed."""
    traceback = desk / "traceback.txt"
    source = traceback if traceback.exists() else desk / "output.txt"
    return "\n".join(source.read_text(errors="replace").splitlines()[-25:])
