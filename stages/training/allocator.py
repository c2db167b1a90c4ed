"""Keeps freed memory for the next step of a training instead of giving it back to the kernel after each.

Comes in: nothing. Goes out: glibc's malloc, told to serve large blocks from the heap and to keep its top. Every step of a
training frees and takes the same large tensors; by default each is mapped, zeroed page by page and unmapped again.
Other C libraries are left as they are: they have no such settings.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

#: Parameters of mallopt (malloc.h), and what glibc starts with.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_DEFAULTS = {_TRIM_THRESHOLD: 128 * 1024, _MMAP_MAX: 65_536}
_KEEPING = {_TRIM_THRESHOLD: 2**31 - 1, _MMAP_MAX: 0}


@contextmanager
def kept_memory() -> Iterator[None]:
    """malloc keeps what is freed in the block; afterwards it is given back."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        yield
        return
    _set(library, _KEEPING)
    try:
        yield
    finally:
        _set(library, _DEFAULTS)
        library.malloc_trim(0)


def _set(library: ctypes.CDLL, values: dict[int, int]) -> None:
    for parameter, value in values.items():
        library.mallopt(parameter, value)
