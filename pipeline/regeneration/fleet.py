"""Runs workers in parallel, and ends them. Comes in: requests. Goes out: events while they work, and the last event of each.

`stop` leaves no process behind: workers are asked with SIGTERM, so that they end helpers in sessions of their own and remove
temporary folders, and killed with their process group soon after. The run folders survive a kill at any moment.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from typing import IO

from pydantic import ValidationError

from pipeline.regeneration.events import Event
from pipeline.regeneration.worker import REQUEST
from pipeline.request import Request
from pipeline.sources import ROOT

#: Between asking a worker to end and killing it.
GRACE_SECONDS = 1.5
_KEPT_LINES = 5
#: With -P, so that a folder `pipeline` where the user stands is not taken for ours; ours comes last, behind what is installed.
_BEGIN = "import sys; sys.path.append(sys.argv[1]); from pipeline.regeneration.worker import main; main()"
Listener = Callable[[Request, Event], None]


class Fleet:
    """At most `jobs` workers at a time. Usable once."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def run(self, requests: Sequence[Request], listen: Listener) -> Generator[tuple[Request, Event]]:
        """Yields each request with its last event as soon as it has ended; `listen` is called from several threads.

        Leaving the iteration early, also by an exception such as Ctrl-C, stops every worker.
        """
        with ThreadPoolExecutor(self.jobs) as threads:
            try:
                waiting = {threads.submit(self._one, request, listen): request for request in requests}
                for done in as_completed(waiting):
                    yield waiting[done], done.result()
            finally:
                self.stop()
                threads.shutdown(cancel_futures=True)

    def stop(self) -> None:
        """Ends all workers and everything that they have started."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            _signal(process, signal.SIGTERM)
        until = time.monotonic() + GRACE_SECONDS
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, until - time.monotonic()))
            _signal(process, signal.SIGKILL)

    def _one(self, request: Request, listen: Listener) -> Event:
        with tempfile.TemporaryFile() as said:
            process = self._start(said)
            if process is None:
                return Event(kind="ended", code=1, text="stopped before it began")
            try:
                last = _conversation(process, request, listen)
            finally:
                process.wait()
                _signal(process, signal.SIGKILL)  # helpers that outlived their worker
                with self._lock:
                    self._running.discard(process)
                _close(process)
            return last or _died(process.returncode, said)

    def _start(self, said: IO[bytes]) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._stopped:
                return None
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BEGIN, str(ROOT)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                env=self._environment(),
                start_new_session=True,
            )
            self._running.add(process)
            return process

    def _environment(self) -> dict[str, str]:
        """The cores shared out evenly, unless the user has said how many threads there shall be."""
        threads = max(1, available_cores() // self.jobs)
        return {"OMP_NUM_THREADS": str(threads), **os.environ}


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _conversation(process: subprocess.Popen[bytes], request: Request, listen: Listener) -> Event | None:
    """Sends the request, passes events on; None where the worker ended without a last event."""
    if process.stdin is None or process.stdout is None:  # both were asked for
        return None
    with suppress(BrokenPipeError):
        process.stdin.write(REQUEST.dump_json(request) + b"\n")
        process.stdin.flush()
    for line in process.stdout:
        try:
            event = Event.model_validate_json(line)
        except ValidationError:  # the torn last line of a killed worker
            return None
        if event.kind == "ended":
            return event
        listen(request, event)
    return None


def _died(status: int, said: IO[bytes]) -> Event:
    """The last event of a worker that sent none."""
    said.seek(0)
    lines = said.read().decode(errors="replace").strip().splitlines()[-_KEPT_LINES:]
    how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
    text = "\n  ".join([f"its process {how}", *lines])
    return Event(kind="ended", code=1, text=text, hint="the same command goes on from where it was")


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """To the worker's whole group; the worker leads it, and a group lives as long as any member."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _close(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(BrokenPipeError):
                stream.close()
