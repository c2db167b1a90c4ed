"""ONNX Runtime's own library for a version and an instruction set: the installed one, or fetched once into the user's cache.

Goes in: a Runtime. Comes out: the path of its libonnxruntime.so. What is fetched, and the SHA-256 of archive and library, is
runtimes.json: npm's onnxruntime-node carries the C library of most releases for both instruction sets, PyPI's wheels only of the
latest. `python -m targets.onnxruntime.runtimes VERSION INSTRUCTION_SET` fetches ahead of time.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from targets.errors import ConfigurationError, ToolMissingError
from targets.host_library import cache_folder, made_folder
from targets.network_file import write_atomically

TABLE = Path(__file__).with_suffix(".json")
SECONDS = 600
NPM = "https://registry.npmjs.org"


@dataclass(frozen=True)
class Runtime:
    """A release of ONNX Runtime on an instruction set, as `platform.machine()` calls it."""

    version: str
    instruction_set: str

    def __str__(self) -> str:
        """As the tables call it."""
        return f"{self.version} {self.instruction_set}"


class Source(BaseModel):
    """Where a library comes from: a member of a package's archive."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    registry: Literal["npm", "pypi"]
    package: str
    archive_sha256: str
    member: str
    sha256: str
    #: What pip must be told to get a wheel for another machine.
    wheel: tuple[str, ...] = ()


@functools.cache
def native_runtime() -> Runtime:
    """The installed runtime on this machine. Does not import it.

    Raises:
        ToolMissingError: it is not installed.
    """
    try:
        return Runtime(importlib.metadata.version("onnxruntime"), platform.machine())
    except importlib.metadata.PackageNotFoundError as error:
        raise ToolMissingError("onnxruntime is not installed", "pip install onnxruntime") from error


@functools.cache
def sources() -> Mapping[str, Source]:
    """The table, by the name of the runtime."""
    return TypeAdapter(dict[str, Source]).validate_json(TABLE.read_bytes())


def is_known(runtime: Runtime) -> bool:
    """Whether its library is installed or can be fetched."""
    return _installed(runtime) is not None or str(runtime) in sources()


def is_here(runtime: Runtime) -> bool:
    """Whether nothing needs to be fetched."""
    return _installed(runtime) is not None or _cached(runtime).exists()


def fetch_command(runtime: Runtime) -> str:
    """The one command that fetches it."""
    return f"{sys.executable} -m targets.onnxruntime.runtimes {runtime}"


def library_of(runtime: Runtime) -> Path:
    """Its libonnxruntime.so, fetched if it has to be.

    Raises:
        ToolMissingError: it is not in the table, or cannot be fetched.
        ConfigurationError: what was fetched is not what the table says.
    """
    path = _installed(runtime) or _cached(runtime)
    if not path.exists():
        _fetch(runtime, path)
    return path


def _installed(runtime: Runtime) -> Path | None:
    spec = importlib.util.find_spec("onnxruntime") if runtime == native_runtime() else None
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "capi" / _name(runtime)
    return path if path.exists() else None


def _cached(runtime: Runtime) -> Path:
    return cache_folder() / "onnxruntime" / str(runtime).replace(" ", "-") / _name(runtime)


def _name(runtime: Runtime) -> str:
    return f"libonnxruntime.so.{runtime.version}"


def _fetch(runtime: Runtime, path: Path) -> None:
    source = sources().get(str(runtime))
    if source is None:
        known = ", ".join(sorted(sources()))
        raise ToolMissingError(
            f"nothing is known of a library of ONNX Runtime {runtime}",
            f"use a version of {TABLE.name} ({known}), or add this one with its hashes",
        )
    with tempfile.TemporaryDirectory(dir=made_folder(path.parent)) as folder:
        get = _from_npm if source.registry == "npm" else _from_pypi
        archive = get(source, runtime, Path(folder))
        _check(archive.read_bytes(), source.archive_sha256, archive.name)
        content = _member(archive, source.member)
    _check(content, source.sha256, source.member)
    write_atomically(path, content)


def _from_pypi(source: Source, runtime: Runtime, folder: Path) -> Path:
    where = ("--dest", str(folder), "--no-deps", "--only-binary", ":all:", "--retries", "1", "-q")
    wanted = f"{source.package}=={runtime.version}"
    _run([sys.executable, "-m", "pip", "download", *where, *source.wheel, wanted], runtime, folder)
    return _only_file(folder, runtime)


def _from_npm(source: Source, runtime: Runtime, folder: Path) -> Path:
    """By npm where it is installed, which knows of mirrors and proxies; else the archive at its public address."""
    if npm := shutil.which("npm"):
        wanted = f"{source.package}@{runtime.version}"
        _run([npm, "pack", "--silent", "--pack-destination", str(folder), wanted], runtime, folder)
        return _only_file(folder, runtime)
    import pooch
    import requests

    address = f"{NPM}/{source.package}/-/{source.package}-{runtime.version}.tgz"
    try:
        return Path(pooch.retrieve(address, source.archive_sha256, "package.tgz", folder))
    except (requests.RequestException, OSError) as error:
        raise _cannot(runtime, str(error)) from error
    except ValueError as error:  # pooch's word for a wrong hash
        raise ConfigurationError(f"{address} is not the archive that was pinned", "report this") from error


def _run(command: list[str], runtime: Runtime, folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise _cannot(runtime, f"no answer within {SECONDS} s") from error
    if done.returncode:
        raise _cannot(runtime, (done.stderr.strip() or "no message").splitlines()[-1])


def _only_file(folder: Path, runtime: Runtime) -> Path:
    found = [path for path in folder.iterdir() if path.is_file()]
    if len(found) != 1:
        raise _cannot(runtime, f"{len(found)} files came")
    return found[0]


def _cannot(runtime: Runtime, said: str) -> ToolMissingError:
    return ToolMissingError(
        f"the library of ONNX Runtime {runtime} cannot be fetched ({said})",
        f"{fetch_command(runtime)}   (with a network; its result stays in {cache_folder()})",
    )


def _member(archive: Path, name: str) -> bytes:
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as wheel:
                return wheel.read(name)
        with tarfile.open(archive) as package:
            member = package.extractfile(name)
            return member.read() if member else b""
    except (KeyError, OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise ConfigurationError(f"{archive.name}: has no {name} ({error})", "report this") from error


def _check(content: bytes, wanted: str, name: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != wanted:
        raise ConfigurationError(
            f"{name}: SHA-256 is {found[:16]}..., {wanted[:16]}... was pinned",
            "it was damaged or replaced on its way; try again",
        )


if __name__ == "__main__":
    sys.stdout.write(f"{library_of(Runtime(*sys.argv[1:3]))}\n")
