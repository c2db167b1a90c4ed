"""What code and which tools a stage runs, found without importing any of it.

Comes in: the dotted names of the modules where a stage starts. Goes out: a hash for every project module they can reach and
the version of every distribution they import. Both are part of a stage's key, so that a change of code or of a library runs
again what it can affect and nothing else.
"""

from __future__ import annotations

import ast
import hashlib
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("pipeline", "stages", "targets")


@dataclass(frozen=True)
class Closure:
    """Everything that some modules can reach by import statements, at any depth of their functions."""

    #: SHA-256 of each project file, by its path from the root.
    files: Mapping[str, str]
    #: Top-level names of what else is imported, without the standard library.
    libraries: frozenset[str]

    def tools(self) -> dict[str, str]:
        """Python and each installed library with its version. What is imported only if present may be absent."""
        found = {"python": platform.python_version()}
        for library in sorted(self.libraries):
            distribution = _distribution(library)
            if distribution is not None:
                found[distribution] = version(distribution)
        return found


@cache
def closure(modules: tuple[str, ...], data_folders: tuple[str, ...] = ()) -> Closure:
    """The closure of modules by dotted name; `data_folders` adds files that are read, not imported (C sources, templates)."""
    waiting, seen, libraries = list(modules), set[Path](), set[str]()
    while waiting:
        name = waiting.pop()
        if name.split(".")[0] not in LAYERS:
            libraries.add(name.split(".")[0])
            continue
        for path in _files(name):
            if path not in seen:
                seen.add(path)
                waiting += _imports(path) if path.suffix == ".py" else ()
    data = {path for folder in data_folders for path in _data_files(ROOT / folder)}
    files = {path.relative_to(ROOT).as_posix(): file_hash(path) for path in sorted(seen | data)}
    return Closure(files, frozenset(libraries - sys.stdlib_module_names))


def file_hash(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(name: str) -> Iterator[Path]:
    """Files that importing `a.b.c` runs: those of the packages above it, the module's own, and the C that is compiled for it."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        folder = ROOT.joinpath(*parts[:length])
        for path in (folder / "__init__.py", folder.with_suffix(".py"), folder.with_suffix(".c")):
            if path.is_file():
                yield path


@cache
def _imports(path: Path) -> tuple[str, ...]:
    """Names that a file imports; `from a import b` counts as `a.b`, which may be a module."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return tuple(names)


def _data_files(folder: Path) -> Iterable[Path]:
    """Files that are read. Python files outside of packages are among them: other interpreters run them as scripts."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return (path for path in files if path.suffix != ".py" or not (path.parent / "__init__.py").exists())


@cache
def _distribution(library: str) -> str | None:
    """The distribution that installs an importable name; most carry the same name."""
    try:
        version(library)
        return library
    except PackageNotFoundError:
        return next(iter(_distributions_by_import().get(library, ())), None)


@cache
def _distributions_by_import() -> Mapping[str, list[str]]:
    return packages_distributions()
