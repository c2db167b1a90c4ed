"""Places buffers in memory by their lifetimes, and verifies the result by itself.

Comes in: buffers with the first and the last phase in which their content matters. Goes out: an offset for each, such that
buffers that are live together do not overlap, in as little memory as a few greedy orders find.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from targets.errors import InternalError

ALIGNMENT = 4


@dataclass(frozen=True)
class Buffer:
    """Bytes that hold something from phase `first` to phase `last`, both included."""

    name: str
    size_bytes: int
    first: int
    last: int

    def lives_with(self, other: Buffer) -> bool:
        """Whether both hold something in the same phase."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Placement:
    """Offsets of buffers by name in one memory of `size_bytes`."""

    offsets: Mapping[str, int]
    size_bytes: int


_ORDERS: tuple[Callable[[Buffer], tuple[int, ...]], ...] = (
    lambda buffer: (-buffer.size_bytes, buffer.first),
    lambda buffer: (buffer.first, -buffer.size_bytes),
    lambda buffer: (buffer.first - buffer.last, -buffer.size_bytes),
)


def place(buffers: Sequence[Buffer]) -> Placement:
    """The smallest placement of several greedy ones; stops at the first that reaches the lower bound."""
    best: Placement | None = None
    for order in _ORDERS:
        placement = _first_fit(sorted(buffers, key=order))
        if best is None or placement.size_bytes < best.size_bytes:
            best = placement
        if best.size_bytes == live_bytes(buffers):
            break
    if best is None:
        raise InternalError("no order to place buffers in")
    verify(buffers, best)
    return best


def live_bytes(buffers: Sequence[Buffer]) -> int:
    """The most bytes that are live in one phase: no placement needs less."""
    phases = {buffer.first for buffer in buffers}
    return max((sum(_padded(b) for b in buffers if b.first <= phase <= b.last) for phase in phases), default=0)


def verify(buffers: Sequence[Buffer], placement: Placement) -> None:
    """Raises:
    InternalError: two buffers that are live together overlap, or one leaves the memory.
    """
    for buffer in buffers:
        offset = placement.offsets[buffer.name]
        if offset % ALIGNMENT or offset < 0 or offset + buffer.size_bytes > placement.size_bytes:
            raise InternalError(f"buffer {buffer.name} at {offset} leaves its memory of {placement.size_bytes} B")
    for one, other in combinations(buffers, 2):
        a, b = placement.offsets[one.name], placement.offsets[other.name]
        if one.lives_with(other) and a < b + other.size_bytes and b < a + one.size_bytes:
            raise InternalError(f"buffers {one.name} and {other.name} are live together and overlap")


def _padded(buffer: Buffer) -> int:
    return -(-buffer.size_bytes // ALIGNMENT) * ALIGNMENT


def _first_fit(buffers: Sequence[Buffer]) -> Placement:
    """Each buffer at the lowest offset where it meets no live one."""
    offsets: dict[str, int] = {}
    placed: list[Buffer] = []
    for buffer in buffers:
        offset = 0
        for other in sorted((o for o in placed if o.lives_with(buffer)), key=lambda o: offsets[o.name]):
            if offset + buffer.size_bytes <= offsets[other.name]:
                break
            offset = max(offset, offsets[other.name] + _padded(other))
        offsets[buffer.name] = offset
        placed.append(buffer)
    return Placement(offsets, max((offsets[b.name] + _padded(b) for b in buffers), default=0))
