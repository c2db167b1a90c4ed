"""Finds a dataset's files below the folder that the user named, and reads them with errors that name the file.

Comes in: `--data DIR`, which is the dataset's folder or the one that holds it, and the forms in which the dataset may lie
there. Goes out: the paths of one complete form. What is missing or unreadable is a ConfigurationError that says what was
looked for where.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from targets.errors import ConfigurationError

_GZIP_MAGIC = b"\x1f\x8b"
_SHOWN = 10


@dataclass(frozen=True)
class Form:
    """One way in which a dataset lies on disk: for each file or folder it needs, the names that it may have."""

    name: str
    needed: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, name: str, *needed: str) -> Form:
        """A form whose files have one name each."""
        return cls(name, tuple((one,) for one in needed))

    def missing(self, folder: Path) -> list[str]:
        """The first names of those files that the folder does not hold."""
        return [names[0] for names in self.needed if not any((folder / name).exists() for name in names)]

    def paths(self, folder: Path) -> tuple[Path, ...]:
        """The files, in the order of `needed`; all of them exist."""
        return tuple(next(folder / name for name in names if (folder / name).exists()) for names in self.needed)


def locate(dataset: str, folder: Path, places: Sequence[str], forms: Sequence[Form]) -> tuple[Form, tuple[Path, ...]]:
    """The first complete form in one of the `places` below the folder, or else in the folder itself.

    Raises:
        ConfigurationError: there is none; the message says which files were looked for where, or which ones a folder lacks.
    """
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "no such folder"
        raise ConfigurationError(f"{folder}: {what}", f"give the folder of {dataset}, or the one that holds it")
    candidates = [folder / place for place in places if (folder / place).is_dir()] + [folder]
    partial: list[tuple[int, str]] = []
    for candidate in candidates:
        for form in forms:
            missing = form.missing(candidate)
            if not missing:
                return form, form.paths(candidate)
            if len(missing) < len(form.needed):
                partial.append((len(missing), f"{dataset}: {candidate} lacks {', '.join(missing)}"))
    hint = "leave --data out to download it, or give its folder or the one that holds it"
    if partial:
        raise ConfigurationError(min(partial)[1], hint)
    wanted = " or ".join(f"{', '.join(names[0] for names in form.needed)} ({form.name})" for form in forms)
    where = ", ".join(str(path) for path in (folder, *(folder / place for place in places)))
    raise ConfigurationError(f"{dataset} not found: looked for {wanted} in {where}", hint)


def read_bytes(path: Path) -> bytes:
    """The file's content, decompressed where it is gzip.

    Raises:
        ConfigurationError: the file cannot be read, or its compressed content is cut off or damaged.
    """
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(_GZIP_MAGIC) else content
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise damaged(path, f"truncated or damaged gzip file ({error})") from error
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from error


def read_lines(path: Path) -> list[str]:
    """The lines of a small UTF-8 text file that are not blank, without the spaces around them."""
    try:
        return [line.strip() for line in read_bytes(path).decode().splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise damaged(path, "not a text file") from error


def damaged(path: Path, what: str) -> ConfigurationError:
    """The error for a file of a known dataset whose content is not what it must be."""
    return ConfigurationError(f"{path}: {what}", "fetch this file again, or leave --data out to download the dataset")


def refuse(dataset: str, problems: Sequence[str], hint: str = "") -> None:
    """Raises one ConfigurationError over all problems, the first ones in words; does nothing where there is none."""
    if problems:
        rest = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        raise ConfigurationError.from_problems(f"dataset {dataset}", [*problems[:_SHOWN], *rest], hint)
