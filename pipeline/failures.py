"""How a failure is told: one clear line, a hint, and an exit code that a script can rely on.

0 fits and verified     1 an internal error     2 bad input or configuration, or the disk     3 does not fit the target
4 verification failed, or worse than the lock file   5 a tool is missing, or the board fails   130 stopped with Ctrl-C
"""

from __future__ import annotations

import errno
import sys
import traceback
from types import TracebackType

from rich.console import Console
from rich.markup import escape

from targets.errors import ConfigurationError, InternalError, SpikeportError

INTERRUPTED = 130
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_WRITABLE = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR}


def from_system(error: OSError) -> SpikeportError | None:
    """What an error of the operating system means to a user; None if it is none that a user can mend."""
    where = f"{error.filename}: " if error.filename else ""
    if error.errno in _NO_SPACE:
        return ConfigurationError(
            f"{where}the disk is full ({error.strerror})",
            "free some space and give the same command again: finished stages are kept",
        )
    if error.errno in _NOT_WRITABLE:
        return ConfigurationError(
            f"{where}cannot be written ({error.strerror})", "name another build folder with --build"
        )
    return None


def show(error: SpikeportError, console: Console) -> None:
    """The message in red, the hint below it."""
    title = "internal error" if isinstance(error, InternalError) else "error"
    console.print(f"[bold red]{title}:[/] {escape(error.message)}", highlight=False, soft_wrap=True)
    if error.hint:
        console.print(f"[dim]hint:[/] {escape(error.hint)}", highlight=False, soft_wrap=True)


def unexpected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A `sys.excepthook` for faults of spikeport's own: where it happened instead of the whole traceback."""
    frames = traceback.extract_tb(trace)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    fault = InternalError(
        f"{kind.__name__}: {error}{place}", "give the same command with --debug for the traceback, and report it"
    )
    show(fault, Console(stderr=True))


def report_tersely() -> None:
    """From now on unexpected exceptions are told in one line. Python itself exits with 1 for them."""
    sys.excepthook = unexpected
