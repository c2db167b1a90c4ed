"""Downloads a published file once into the user's cache, checks its hash, and unpacks archives without leaving their folder.

Comes in: URL and MD5 (what the publishers state; it guards against damage and a moved file). Goes out: a path. A file is in
the cache whole and checked, or not at all. Being offline, a missing page, a cut transfer and a wrong hash are each a
ConfigurationError that names the URL and what to do instead.
"""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from targets.errors import ConfigurationError

#: Names another folder for downloaded datasets than the platform's cache.
CACHE_VARIABLE = "SPIKEPORT_CACHE"
_TIMEOUT_SECONDS = 30.0
_RETRIES = 1


@dataclass(frozen=True)
class RemoteFile:
    """A published file and the MD5 of its content, in hexadecimal; `save_as` where the URL does not end in a file name."""

    url: str
    md5: str
    save_as: str = ""

    @property
    def name(self) -> str:
        """The file's name in the cache."""
        return self.save_as or self.url.rsplit("/", 1)[-1]


def cache_folder(dataset: str) -> Path:
    """Where a downloaded dataset lies: below $SPIKEPORT_CACHE, or else the platform's folder for caches."""
    import pooch

    chosen = os.environ.get(CACHE_VARIABLE)
    return (Path(chosen) if chosen else Path(pooch.os_cache("spikeport"))) / dataset


def fetch(dataset: str, remote: RemoteFile, folder: Path, retries: int = _RETRIES) -> Path:
    """The file in the folder, downloaded where it is not there yet or its hash is wrong; a progress bar on a terminal.

    Raises:
        ConfigurationError: it cannot be downloaded or written, or what arrives has another hash.
    """
    import pooch
    import requests

    downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=_TIMEOUT_SECONDS)
    known = {remote.name: f"md5:{remote.md5}"}
    cache = pooch.create(folder, "", registry=known, urls={remote.name: remote.url}, retry_if_failed=retries)
    unpacked = ", unpack it" if remote.name.endswith((".tar.gz", ".zip")) else ""
    hint = f"get {remote.name} another way{unpacked} and give its folder with --data"
    try:
        return Path(cache.fetch(remote.name, downloader=downloader))
    except requests.exceptions.HTTPError as error:
        reason = f"the server answers {error.response.status_code if error.response is not None else 'nothing'}"
    except requests.exceptions.Timeout:
        reason = f"no answer within {_TIMEOUT_SECONDS:.0f} seconds"
    except requests.exceptions.ConnectionError:
        reason = "no connection to the server; is this machine offline?"
    except requests.exceptions.RequestException as error:
        reason = f"the transfer broke off ({type(error).__name__})"
    except ValueError:  # how pooch says that the hash differs; nothing is kept
        reason = f"what arrived is not the file with MD5 {remote.md5}"
    except OSError as error:
        reason, hint = f"{folder}: {error.strerror}", f"set {CACHE_VARIABLE} to a folder that can be written"
    raise ConfigurationError(f"{dataset}: cannot download {remote.url}: {reason}", hint)


def fetch_and_unpack(dataset: str, remote: RemoteFile, folder: Path, into: str = "", retries: int = _RETRIES) -> Path:
    """The folder that holds the archive's content (folder/into), downloaded and unpacked where it is not there yet."""
    target = folder / (into or "content")
    if not target.is_dir():
        archive = fetch(dataset, remote, folder, retries)
        unpack(archive, target)
        archive.unlink()
    return target


def unpack(archive: Path, target: Path) -> None:
    """Unpacks a tar or zip archive as the new folder `target`, whole or not at all.

    Raises:
        ConfigurationError: it is damaged, or a member is a link or would lie outside the folder; nothing is left behind.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
        whole = Path(scratch) / "content"
        whole.mkdir()
        try:
            for name, content in _members(archive):
                path = whole / _inside(archive, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                with content, path.open("wb") as file:
                    shutil.copyfileobj(content, file)
        except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise ConfigurationError(f"{archive}: damaged archive ({error})", "remove it and run again") from error
        except OSError as error:
            raise ConfigurationError(f"{archive}: cannot be unpacked ({error.strerror or error})") from error
        try:
            whole.rename(target)
        except OSError as error:
            if not target.is_dir():  # else another run has unpacked the same archive meanwhile
                raise ConfigurationError(f"{target}: cannot be written ({error.strerror})") from error


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and content of every file in the archive."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for entry in zipped.infolist():
                if not entry.is_dir():
                    yield entry.filename, zipped.open(entry)
        return
    with tarfile.open(archive) as tarred:
        for member in tarred:
            content = tarred.extractfile(member) if member.isreg() else None
            if content is not None:
                yield member.name, content
            elif not member.isdir():
                raise ConfigurationError(f"{archive}: {member.name} is a link or device, not a file")


def _inside(archive: Path, name: str) -> PurePosixPath:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name or not path.parts:
        raise ConfigurationError(f"{archive}: {name!r} would be written outside of its folder")
    return path
