"""The hashes of an artifact's files, beside them in `SHA256SUMS`: what was altered after the export is refused by name.

The format is that of coreutils, so that `sha256sum -c SHA256SUMS` checks the files on a board.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from targets.errors import ConfigurationError
from targets.network_file import write_atomically

NAME = "SHA256SUMS"


def write_sums(folder: Path, paths: Iterable[Path]) -> Path:
    """Writes the hashes of files within the folder."""
    lines = (f"{_digest(path)}  {path.relative_to(folder).as_posix()}\n" for path in sorted(paths))
    write_atomically(folder / NAME, "".join(lines).encode())
    return folder / NAME


def require_unaltered(folder: Path, names: Iterable[str]) -> None:
    """Raises:
    ConfigurationError: with every file that is missing or not as it was exported.
    """
    try:
        lines = (folder / NAME).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{folder / NAME}: cannot be read ({error})", "export again") from error
    exported = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    problems = [problem for name in names if (problem := _problem(folder / name, exported.get(name)))]
    if problems:
        raise ConfigurationError.from_problems(f"{folder}", problems, "export again")


def _problem(path: Path, exported: str | None) -> str:
    if not path.exists():
        return f"{path.name} is missing"
    if exported is None:
        return f"{path.name} is not in {NAME}"
    found = _digest(path)
    return "" if found == exported else f"{path.name} was altered: SHA-256 {found[:16]}..., exported {exported[:16]}..."


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
