"""How a stage tells that it is getting on, without knowing who watches: a terminal, a log or nobody."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the state of long work. Calls are cheap and may be frequent."""

    def __call__(self, what: str, done: float, total: float) -> None:
        """`done` of `total` units of `what` (one line for people) are finished."""


def silent(what: str, done: float, total: float) -> None:
    """A Progress for which nobody watches."""
