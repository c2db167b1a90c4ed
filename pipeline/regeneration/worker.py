"""One target in a process of its own. Comes in: a Request as one JSON line on stdin. Goes out: events, one a line, on stdout.

A process per target keeps a crash, an exhausted memory or a library's global state from touching the others. It leads a
process group of its own, and stdin stays open: when the parent is gone, however it died, stdin ends, and the whole group with it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from typing import BinaryIO

from pydantic import BaseModel, TypeAdapter

from pipeline.chain import CHAIN, Job
from pipeline.deploy import run_chain
from pipeline.failures import from_system
from pipeline.helpers import helpers
from pipeline.manifest import Manifest
from pipeline.regeneration.events import Event
from pipeline.report import files
from pipeline.report.assemble import assemble
from pipeline.request import Request
from pipeline.sentences import sentence
from stages.verify import Verification, require_verified
from targets.errors import InternalError, SpikeportError

REQUEST = TypeAdapter(Request)
#: Progress is told at most this often; training reports every batch.
_PAUSE_SECONDS = 0.1


class EventWatcher:
    """A `pipeline.deploy.Watcher` that writes events."""

    def __init__(self, out: BinaryIO) -> None:
        self.out = out
        self.stage = ""
        self.told = 0.0

    def send(self, event: Event) -> None:
        """Writes one line at once."""
        self.out.write(event.line())
        self.out.flush()

    def kept(self, stage: str, manifest: Manifest, result: BaseModel) -> None:
        """The stored result stands in."""
        self.send(Event(kind="kept", stage=stage, text=sentence(result)))

    def started(self, stage: str, reasons: list[str], resumed: bool) -> None:
        """The stage runs."""
        self.stage = stage
        self.send(Event(kind="started", stage=stage, reasons=tuple(reasons)))

    def finished(self, stage: str, seconds: float, result: BaseModel) -> None:
        """The stage has stored its result."""
        self.send(Event(kind="finished", stage=stage, seconds=seconds, text=sentence(result)))

    def progress(self, what: str, done: float, total: float) -> None:
        """Not every step is worth a line."""
        if time.monotonic() - self.told >= _PAUSE_SECONDS:
            self.told = time.monotonic()
            self.send(Event(kind="progress", stage=self.stage, text=what, done=done, total=total))


def make(request: Request, watcher: EventWatcher) -> Event:
    """The chain and the reports; the last event."""
    reported = False
    try:
        job = Job.of(request)
        with helpers(request.build):
            manifests = run_chain(job, CHAIN[-1].name, watcher)
        files.write(job.folder.path, assemble(job, manifests))
        reported = True
        require_verified(job.result(Verification))
    except SpikeportError as error:
        return Event(kind="ended", code=error.exit_code, text=error.message, hint=error.hint, reported=reported)
    except OSError as error:
        traceback.print_exc()
        told = from_system(error) or InternalError(str(error))
        return Event(kind="ended", code=told.exit_code, text=told.message, hint=told.hint)
    return Event(kind="ended", reported=True)


def main() -> None:
    """Makes one target. Whatever libraries print goes to stderr, which the parent keeps."""
    events = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    request = REQUEST.validate_json(sys.stdin.buffer.readline())
    threading.Thread(target=_die_with_parent, daemon=True).start()
    watcher = EventWatcher(events)
    last = make(request, watcher)
    watcher.send(last)
    sys.exit(last.code)


def _die_with_parent() -> None:
    while os.read(0, 4096):  # unbuffered: a lock on sys.stdin held here would abort the interpreter's shutdown
        pass
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGTERM)
        time.sleep(1)
        os.killpg(os.getpid(), signal.SIGKILL)
