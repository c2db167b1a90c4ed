"""What a worker process tells its parent: one JSON line for each thing that happens to a stage, and one at the end.

A single flat record rather than one type per event, because a line must be readable by whoever tails the stream.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Event(BaseModel):
    """One line. Which fields count depends on `kind`; the others keep their defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["kept", "started", "progress", "finished", "ended"]
    #: Name of the stage; empty for `ended`.
    stage: str = ""
    #: Why the stage runs (`started`).
    reasons: tuple[str, ...] = ()
    #: What the stage is at (`progress`), what it found (`finished`), or the error (`ended`).
    text: str = ""
    hint: str = ""
    done: float = 0.0
    total: float = 0.0
    seconds: float = 0.0
    #: Exit code (`ended`).
    code: int = 0
    #: Whether the reports were written, which is also so where verification failed (`ended`).
    reported: bool = False

    def line(self) -> bytes:
        """The event as it is sent."""
        return self.model_dump_json(exclude_defaults=True).encode() + b"\n"
