"""Folders as tar streams, to a board and back. What comes back is not trusted.

Going there: plain files with fixed owner and date, so that equal bundles are equal bytes. Coming back: only plain files directly
inside known places, of a name that cannot leave the folder, and no more bytes than were allowed for.
"""

from __future__ import annotations

import gzip
import io
import re
import tarfile
from pathlib import Path

from targets.errors import HardwareError

#: Folder inside a bundle whose files come back.
RESULTS = "out"
MOST_FILES = 64
_NAME = re.compile(rf"(?:{RESULTS}/)?[A-Za-z0-9_][A-Za-z0-9._-]{{0,99}}")


def pack(folder: Path, inside: str = "") -> bytes:
    """All plain files of a folder, below the folder `inside` of the archive."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = tarfile.TarInfo(f"{inside}{path.relative_to(folder).as_posix()}")
            entry.size, entry.mode = path.stat().st_size, 0o755 if path.suffix == ".sh" else 0o644
            with path.open("rb") as file:
                archive.addfile(entry, file)
    return stream.getvalue()


def pack_compressed(folder: Path, inside: str) -> bytes:
    """A .tar.gz of equal bytes for equal folders."""
    return gzip.compress(pack(folder, inside), compresslevel=6, mtime=0)


def unpack_untrusted(content: bytes, into: Path, most_bytes: int) -> None:
    """Writes what a board sent.

    Raises:
        HardwareError: the archive is damaged, too large, or holds a name or a kind of file that is refused.
    """
    total = count = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for entry in archive:
                name = entry.name.removeprefix("./")
                if entry.isdir() and name in ("", ".", RESULTS):
                    continue
                if not entry.isreg() or not _NAME.fullmatch(name):
                    kind = "a file" if entry.isreg() else "something that is not a plain file"
                    raise HardwareError(
                        f"the board sent {kind} named {entry.name[:120]!r}, which is refused; nothing of it was kept",
                        f"a bundle may leave plain files in {RESULTS}/, named with letters, digits, dots and dashes",
                    )
                total, count = total + entry.size, count + 1
                if total > most_bytes or count > MOST_FILES:
                    raise HardwareError(f"the board sent more than {most_bytes:,} bytes or {MOST_FILES} files")
                source = archive.extractfile(entry)
                target = into / name
                target.parent.mkdir(exist_ok=True)
                target.write_bytes(source.read() if source else b"")
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise HardwareError(f"what the board sent is damaged ({error})", "try again") from error
