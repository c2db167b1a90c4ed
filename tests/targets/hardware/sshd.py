"""A real OpenSSH server on the loopback address, with keys and a port of its own, that plays the board."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from targets.hardware.ways import Ssh

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


@dataclass(frozen=True)
class Server:
    """What a client needs to know of it, and how to disturb it."""

    port: int
    keys: Path
    #: Folder on the "board" in which bundles are unpacked.
    disk: Path
    process: subprocess.Popen[bytes]

    def way(self, **changes: object) -> Ssh:
        """The way to it."""
        fields = {
            "host": "127.0.0.1",
            "user": pwd.getpwuid(os.getuid()).pw_name,
            "port": self.port,
            "folder": str(self.disk),
            "identity": self.keys / "client",
            "known_hosts": self.keys / "known_hosts",
            "seconds": 30,
        }
        return Ssh.model_validate(fields | changes)

    def sessions(self) -> list[int]:
        """Processes that serve connections."""
        found = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True, check=False
        )
        return [int(pid) for pid in found.stdout.split()]

    def left_behind(self, marker: str) -> list[str]:
        """Files in its folder, and processes that mention the marker, once it had five seconds to clean up."""
        left: list[str] = []
        for _ in range(50):
            found = subprocess.run(["ps", "-eo", "args="], capture_output=True, text=True, check=True).stdout
            left = [line for line in found.splitlines() if marker in line] + [p.name for p in self.disk.iterdir()]
            if not left:
                break
            time.sleep(0.1)
        return left


@contextmanager
def serving(folder: Path, disk: Path, *more: str) -> Iterator[Server]:
    """A server with `more` lines of configuration. Skips where there is none, or where it cannot run."""
    if not Path(SSHD).exists() or not shutil.which("ssh"):
        pytest.skip("no OpenSSH server (sshd) and client on this machine")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    keys = folder / "keys"
    keys.mkdir(mode=0o700)
    for name in ("host", "client", "other"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(keys / name)]
        subprocess.run(command, check=True)
    shutil.copyfile(keys / "client.pub", keys / "authorized")
    port = _free_port()
    (keys / "known_hosts").write_text(f"[127.0.0.1]:{port} {(keys / 'host.pub').read_text()}")
    lines = [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {keys / 'host'}",
        f"AuthorizedKeysFile {keys / 'authorized'}",
    ]
    lines += [
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "UsePAM no",
        "StrictModes no",
        "PidFile none",
    ]
    (folder / "sshd_config").write_text("\n".join([*lines, "PermitRootLogin yes", *more, ""]))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=log)
    try:
        _wait_for(port, process, folder / "log")
        yield Server(port, keys, disk, process)
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(100):
        if process.poll() is not None:
            pytest.skip(f"sshd does not run here: {log.read_text(errors='replace').strip()[-200:]}")
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.skip("sshd does not listen")
