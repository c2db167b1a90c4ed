"""Runs the same linked firmware in QEMU, the second emulator: QEMU models boards, and is driven here as a debugger drives one.

Comes in: an ELF file and inputs as bytes. Goes out: scores. Needs `qemu-system-arm`, which no wheel brings; nothing of the
product depends on it, tests and benchmarks compare it with Unicorn where it is installed.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from targets.cortex_m.firmware import Firmware
from targets.errors import ToolMissingError, VerificationError

#: QEMU's machine for a shipped board: the same core, flash and RAM at the same addresses, and no less of them.
MACHINES = {"microbit_v1": "microbit", "stm32vldiscovery": "stm32vldiscovery", "nucleo_f446re": "netduinoplus2"}
_TIMEOUT_SECONDS = 60


def scores(firmware: Firmware, machine: str, inputs: Sequence[bytes]) -> NDArray[np.int32]:
    """Scores [N, classes] of inputs that the firmware takes in one block.

    Raises:
        ToolMissingError: QEMU is not installed.
        VerificationError: the firmware does not come back from an inference.
    """
    if shutil.which("qemu-system-arm") is None:
        raise ToolMissingError("QEMU is not installed", "apt-get install qemu-system-arm")
    exchange, buffer = firmware.address("firmware_exchange"), firmware.address("firmware_input")
    address, size = firmware.symbols["snn_scores"]
    found = []
    with _debugger(firmware, machine) as ask:
        ask(f"Z1,{exchange:x},2")
        ask("c")
        for content in inputs:
            for start in range(0, len(content), 256):
                part = content[start : start + 256]
                ask(f"M{buffer + start:x},{len(part):x}:{part.hex()}")
            ask("s")  # off the breakpoint, which would be met again at once
            if not ask("c").startswith("T"):
                raise VerificationError("the firmware does not come back from an inference in QEMU")
            found.append(np.frombuffer(bytes.fromhex(ask(f"m{address:x},{size:x}")), "<i4"))
    return np.stack(found)


class _Remote:
    """The remote protocol of GDB: $text#checksum, acknowledged by +."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._pending = b""

    def __call__(self, command: str) -> str:
        """Sends a command and returns the answer."""
        data = command.encode()
        self._connection.sendall(b"$" + data + f"#{sum(data) % 256:02x}".encode())
        while True:
            start, end = self._pending.find(b"$"), self._pending.find(b"#")
            if start >= 0 and len(self._pending) >= end + 3 > 3:
                answer, self._pending = self._pending[start + 1 : end], self._pending[end + 3 :]
                self._connection.sendall(b"+")
                return answer.decode()
            received = self._connection.recv(65536)
            if not received:
                raise VerificationError("QEMU ended before it answered")
            self._pending += received


@contextmanager
def _debugger(firmware: Firmware, machine: str) -> Iterator[_Remote]:
    with tempfile.TemporaryDirectory() as folder:
        image, channel = Path(folder) / "firmware.elf", Path(folder) / "gdb"
        image.write_bytes(firmware.content)
        server = f"socket,path={channel},server=on,wait=off,id=gdb"
        command = ["qemu-system-arm", "-M", machine, "-kernel", str(image), "-display", "none", "-monitor", "none"]
        process = subprocess.Popen(
            [*command, "-serial", "none", "-S", "-chardev", server, "-gdb", "chardev:gdb"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield _Remote(_connected(channel, process))
        finally:
            process.kill()
            process.wait(_TIMEOUT_SECONDS)


def _connected(channel: Path, process: subprocess.Popen[bytes]) -> socket.socket:
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_TIMEOUT_SECONDS)
        try:
            connection.connect(str(channel))
            return connection
        except OSError:
            connection.close()
            time.sleep(0.02)
    raise VerificationError("QEMU does not start")
