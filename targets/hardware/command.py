"""A board behind a program of the user's own: a script that flashes a microcontroller and reads its serial port.

Comes in: the bundle's folder and the words of a command. Goes out: what it printed, and the files that it left in `out/`. The
program is started as a list of words, in a session of its own, in a copy of the bundle; whatever it started ends with it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from targets.errors import HardwareError, ToolMissingError
from targets.hardware.archive import RESULTS
from targets.hardware.record import MOST_BYTES, Returned, parse_record
from targets.hardware.ways import Command

_TO_END_SECONDS = 5


def run(bundle: Path, way: Command, into: Path) -> Returned:
    """Starts the program on a copy of the bundle and reads the record that it prints.

    Raises:
        ToolMissingError: there is no such program.
        HardwareError: it failed, took too long, or printed something else.
    """
    (into / RESULTS).mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="spikeport-") as scratch:
        folder = Path(scratch) / "bundle"
        shutil.copytree(bundle, folder)
        (folder / RESULTS).mkdir(exist_ok=True)
        printed = _printed(way, folder, Path(scratch))
        for path in sorted((folder / RESULTS).iterdir()):
            if path.is_file() and not path.is_symlink():
                shutil.copyfile(path, into / RESULTS / path.name)
    return Returned(parse_record(printed, way.command[0]), into / RESULTS)


def _printed(way: Command, folder: Path, scratch: Path) -> bytes:
    out, err = scratch / "stdout", scratch / "stderr"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        try:
            process = subprocess.Popen(
                [*way.command, str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        except OSError as error:
            raise ToolMissingError(
                f"{way.command[0]} cannot be started ({error.strerror})", f"chmod +x {way.command[0]}, or name it fully"
            ) from error
        try:
            code = process.wait(way.seconds)
        except subprocess.TimeoutExpired as error:
            raise HardwareError(
                f"{way.command[0]} did not end within {way.seconds} s and was stopped",
                "give it more in [measure.hardware] seconds, or see whether the board answers",
            ) from error
        finally:
            _end(process)
    if code != 0:
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"failed with exit code {code}"
        raise HardwareError(f"{way.command[0]} {how}: {last_line(err.read_bytes())}", "see docs/real-hardware.md")
    if out.stat().st_size > MOST_BYTES:
        raise HardwareError(f"{way.command[0]} printed more than {MOST_BYTES:,} bytes", f"use files in {RESULTS}/")
    return out.read_bytes()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the program and everything in its session, also what it left behind."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_TO_END_SECONDS)
            if number == signal.SIGKILL:
                return


def last_line(said: bytes) -> str:
    """The last words of a program, on one printable line."""
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    text = lines[-1] if lines else "it said nothing"
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:300]
