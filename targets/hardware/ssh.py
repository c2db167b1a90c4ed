"""A Linux board behind the system's OpenSSH client: one connection copies the bundle, runs it, fetches results and cleans up.

Comes in: the bundle's folder (with `run.sh`) and the way to the board. Goes out: the record, and the files of `out/`. The board
needs a POSIX shell, tar, head, mktemp, setsid and timeout, which every Linux has. The remote command is a fixed text; the only
things that vary, a folder and three numbers, are words of their own, quoted by `shlex.quote`.

Nothing stays behind, however it ends: the remote shell holds a trap that ends the run with everything in its session and
removes the folder; a watcher that reads the connection's input pulls that trap when the connection closes, from this side or by
accident; and where not even that is noticed (a cable pulled), the time limit ends the run there.
"""

from __future__ import annotations

import contextlib
import secrets
import shlex
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import IO

from targets.errors import HardwareError, SpikeportError, ToolMissingError
from targets.hardware.archive import RESULTS, pack, unpack_untrusted
from targets.hardware.command import last_line
from targets.hardware.record import Returned, parse_record
from targets.hardware.ways import Ssh

CONNECT_SECONDS = 10
#: For copying and for what the board does after the run.
_MARGIN_SECONDS = 120
_MOST_RETURNED = 1024**3
_NO_FOLDER, _NOT_COPIED, _INTERRUPTED, _NOT_RETURNED, _NO_TOOL = 91, 92, 93, 94, 95

#: $1 folder, $2 bytes of the archive, $3 seconds, $4 a word that nothing else prints, $5 a library or nothing.
REMOTE = f"""
base=$1 size=$2 limit=$3 mark=$4
export SPIKEPORT_LIBRARY="$5"
umask 077
for tool in tar head mktemp setsid timeout; do
  command -v "$tool" >/dev/null || {{ echo "$tool is missing" >&2; exit {_NO_TOOL}; }}
done
dir=$(mktemp -d "$base/spikeport.XXXXXXXX") || exit {_NO_FOLDER}
child= watcher=
cleanup() {{
  trap '' HUP INT TERM PIPE
  [ -z "$watcher" ] || kill -KILL "$watcher" 2>/dev/null
  [ -z "$child" ] || kill -KILL "-$child" 2>/dev/null
  cd / && rm -rf -- "$dir"
}}
trap cleanup EXIT
trap 'exit {_INTERRUPTED}' HUP INT TERM PIPE
head -c "$size" | tar -x -o -f - -C "$dir" || exit {_NOT_COPIED}
cd "$dir" && mkdir -p {RESULTS} || exit {_NOT_COPIED}
exec 3<&0
{{ cat <&3; kill -TERM $$; }} >/dev/null 2>&1 &
watcher=$!
setsid timeout -k 2 "$limit" sh ./run.sh </dev/null >stdout 2>stderr 3<&- &
child=$! began=$(date +%s)
wait "$child"
code=$?
[ $code != 137 ] || [ $(($(date +%s) - began)) -lt "$limit" ] || code=124
echo $code >code
kill -KILL "-$child" 2>/dev/null
tail -c 4000 stderr >stderr.tail && echo "$mark" && tar -c -f - code stdout stderr.tail {RESULTS} || exit {_NOT_RETURNED}
"""


def run(bundle: Path, way: Ssh, into: Path) -> Returned:
    """Copies, runs, reads back.

    Raises:
        ToolMissingError: there is no ssh on this machine.
        HardwareError: the board cannot be reached or trusted, its disk is full, the run failed or took too long.
    """
    archive, mark = pack(bundle), f"spikeport-{secrets.token_hex(16)}"
    words = [way.folder, str(len(archive)), str(way.seconds), mark, way.library or ""]
    remote = shlex.join(["exec", "sh", "-c", REMOTE, "spikeport", *words])
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        code = _connect([*client(way), remote], archive, way, out, err)
        out.seek(0)
        err.seek(0)
        if code:
            raise _failure(code, err.read(), way)
        sent = out.read(_MOST_RETURNED + 1).partition(f"{mark}\n".encode())[2]
    unpack_untrusted(sent, into, _MOST_RETURNED)
    return _returned(into, way)


def client(way: Ssh) -> list[str]:
    """The command line of ssh, up to the destination. It never asks and never trusts an unknown host key."""
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "ConnectTimeout": str(CONNECT_SECONDS),
        "ServerAliveInterval": "5",
        "ServerAliveCountMax": "3",
        "ClearAllForwardings": "yes",
        "ForwardAgent": "no",
        "PermitLocalCommand": "no",
        "LogLevel": "ERROR",
    }
    if way.known_hosts:
        options["UserKnownHostsFile"] = f'"{way.known_hosts}"'
    words = ["ssh", "-T", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
    words += ["-o", "IdentitiesOnly=yes", "-i", str(way.identity)] if way.identity else []
    words += ["-p", str(way.port)] if way.port else []
    words += ["-l", way.user] if way.user else []
    return [*words, "--", way.host]


def _connect(words: list[str], archive: bytes, way: Ssh, out: IO[bytes], err: IO[bytes]) -> int:
    """Exit code of ssh. Its input stays open while the board works: closing it is how the board learns that we are gone."""
    try:
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=out, stderr=err, start_new_session=True)
    except FileNotFoundError as error:
        raise ToolMissingError("ssh is not installed", "install the OpenSSH client") from error
    stdin = process.stdin

    def feed() -> None:
        with contextlib.suppress(OSError):
            if stdin is not None:
                stdin.write(archive)
                stdin.flush()

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    try:
        return process.wait(CONNECT_SECONDS + way.seconds + _MARGIN_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise HardwareError(
            f"{way.address} did not answer for {CONNECT_SECONDS + way.seconds + _MARGIN_SECONDS} s",
            "the board ends the run by its own time limit and removes what was copied",
        ) from error
    finally:
        process.kill()
        process.wait()
        feeder.join()
        with contextlib.suppress(OSError):
            if stdin is not None:
                stdin.close()


def _failure(code: int, said: bytes, way: Ssh) -> SpikeportError:
    """What an exit code of ssh, or of the fixed remote command, means."""
    text = said.decode(errors="replace")
    line = _telling_line(text)
    if code == 255:
        return _unreachable(text, line, way)
    meanings = {
        _NO_FOLDER: (f"no folder can be made in {way.folder}", "name another one: ssh://HOST/FOLDER"),
        _NOT_COPIED: ("the bundle cannot be copied", f"free some space in {way.folder} or name another folder"),
        _INTERRUPTED: ("the connection closed while the board worked; it has removed everything", "try again"),
        _NOT_RETURNED: ("the results cannot be brought back", f"free some space in {way.folder}"),
        _NO_TOOL: ("the board lacks a program", "install it there"),
    }
    what, hint = meanings.get(code, (f"the remote shell ended with {code}", "see whether `ssh HOST sh` works"))
    if any(sign in text for sign in _FULL):
        what, hint = "its disk is full", f"free some space in {way.folder} or name another folder: ssh://HOST/FOLDER"
    return HardwareError(f"{way.address}: {what} ({line})", hint)


#: Of the kernel; and of GNU tar, where the first bytes of a block still had room.
_FULL = ("No space left on device", "Disk quota exceeded", "File too large", "Wrote only")


def _unreachable(text: str, line: str, way: Ssh) -> HardwareError:
    """Why ssh itself gave up."""
    for sign, what, hint in (
        ("REMOTE HOST IDENTIFICATION HAS CHANGED", "its host key has changed", _KEY_HINT),
        ("Host key verification failed", "its host key is not known here", _KEY_HINT),
        ("Permission denied", "it refuses the key", "ssh-copy-id to the board, or name identity in [measure.hardware]"),
        ("Could not resolve", "there is no such host", "use its address, or an alias of ~/.ssh/config"),
        ("Connection refused", "nothing listens there", "start sshd on the board; give the port as ssh://HOST:PORT"),
        ("timed out", "it does not answer", "is it switched on, and in this network?"),
    ):
        if sign in text:
            return HardwareError(f"{way.address}: {what} ({line})", hint)
    return HardwareError(
        f"{way.address}: the connection was dropped ({line})", "try again; the board removes what was copied by itself"
    )


_KEY_HINT = "compare the board's key with `ssh-keyscan`, then correct known_hosts; no connection is made before"


def _telling_line(text: str) -> str:
    """The line of a message that names the cause; ssh frames some in rows of @, and tar goes on after the first."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("@")]
    chosen = next((line for line in lines if any(sign in line for sign in _FULL)), lines[-1] if lines else "")
    return last_line(chosen.encode()) if chosen else "no message"


def _returned(into: Path, way: Ssh) -> Returned:
    """The record of a run that ended well.

    Raises:
        HardwareError: it did not.
    """
    missing = [name for name in ("code", "stdout", "stderr.tail") if not (into / name).is_file()]
    if missing:
        raise HardwareError(f"{way.address}: the board did not send {', '.join(missing)}", "try again")
    code, said = (into / "code").read_text().strip(), (into / "stderr.tail").read_bytes()
    if code == "124":
        raise HardwareError(
            f"{way.address}: the run did not end within {way.seconds} s and was stopped",
            "give it more in [measure.hardware] seconds, or fewer samples",
        )
    if code != "0":
        number = int(code) if code.isdigit() else -1
        how = f"was killed by signal {number - 128}" if 128 < number < 160 else f"failed with exit code {code}"
        full = any(sign in said.decode(errors="replace") for sign in _FULL)
        hint = "free some space on the board" if full else "killed for want of memory? `dmesg` on the board tells"
        raise HardwareError(f"{way.address}: the run {how}: {last_line(said)}", hint if full or number > 128 else "")
    return Returned(parse_record((into / "stdout").read_bytes(), "the bundle's run.sh"), into / RESULTS)
