"""Reads and writes sizes in bytes. KiB means 1024; a bare "KB" is refused, because vendors mean both 1000 and 1024 by it."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

_UNITS = {"": 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_AMBIGUOUS = {"k", "kb", "K", "KB", "kB", "M", "MB", "Mb", "mb", "G", "GB", "gb"}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")


def parse_size(value: Any) -> int:
    """Bytes of an integer or of a text such as "64 KiB".

    Raises:
        ValueError: not a size, an ambiguous unit, a negative or a fractional number of bytes.
    """
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f'{value!r} is not a size; write bytes (65536) or a text such as "64 KiB"')
    if isinstance(value, int):
        if value < 0:
            raise ValueError(f"{value} is negative")
        return value
    match = _SIZE.fullmatch(value)
    if match is None:
        raise ValueError(f'"{value}" is not a size; write bytes (65536) or a text such as "64 KiB"')
    number, unit = match.groups()
    if unit in _AMBIGUOUS:
        raise ValueError(f'"{value}" is ambiguous (1000 or 1024?); write KiB, MiB or GiB')
    if unit not in _UNITS:
        raise ValueError(f'"{value}" has no known unit; use B, KiB, MiB or GiB')
    size = float(number) * _UNITS[unit]
    if size != int(size):
        raise ValueError(f'"{value}" is not a whole number of bytes')
    return int(size)


def format_size(size_bytes: int) -> str:
    """A size for people: exact in bytes below 10 KiB, else with one decimal in the largest fitting unit."""
    if abs(size_bytes) < 10 * 1024:
        return f"{size_bytes:,} B"
    for unit in ("KiB", "MiB"):
        size_bytes_scaled = size_bytes / _UNITS[unit]
        if abs(size_bytes_scaled) < 1024:
            return f"{size_bytes_scaled:,.1f} {unit}"
    return f"{size_bytes / _UNITS['GiB']:,.2f} GiB"


ByteSize = Annotated[int, BeforeValidator(parse_size)]
"""A pydantic field that holds bytes and accepts what `parse_size` accepts."""
