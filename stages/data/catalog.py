"""The datasets that `--dataset` names. Comes in: a name, a folder, a seed. Goes out: a Dataset, or the hash of its files.

A name may carry a number where the source has one to choose: `images@64` (pixels), `nmnist@16` (frames).
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from stages.data.cifar import CIFAR10, CIFAR100
from stages.data.dataset import Dataset
from stages.data.digits import Digits
from stages.data.events import DVS_GESTURE, NMNIST
from stages.data.idx import FASHION_MNIST, MNIST
from stages.data.image_folder import ImageFolder
from stages.data.npz import Npz
from stages.data.tiny_imagenet import TinyImageNet
from targets.errors import ConfigurationError

#: Part of every fingerprint. Raised when the same files come to mean other images, labels or splits.
_READING = 1
_NUMBERED = re.compile(r"(?P<name>[^@]+)@(?P<number>[1-9]\d{0,3})")


class Source(Protocol):
    """A dataset by name, and one line about it for people."""

    @property
    def name(self) -> str:
        """What `--dataset` calls it."""

    @property
    def summary(self) -> str:
        """What it holds, in one line."""

    @property
    def input_shape(self) -> tuple[int, int, int] | None:
        """Channels, rows, columns of one image or frame; None where only the user's files say it."""

    @property
    def classes(self) -> int | None:
        """Number of classes; None where only the user's files say it."""

    def files(self, folder: Path | None) -> Sequence[Path]:
        """The files that `load` reads, found below the folder or, without one, downloaded into the user's cache."""

    def load(self, folder: Path | None, seed: int) -> Dataset:
        """Reads it; the seed decides the validation split."""


@runtime_checkable
class NumberedSource(Source, Protocol):
    """A dataset with a number to choose, such as an edge in pixels."""

    def at(self, number: int) -> Source:
        """The dataset with that number."""


SOURCES: tuple[Source, ...] = (
    Digits(),
    MNIST,
    FASHION_MNIST,
    CIFAR10,
    CIFAR100,
    TinyImageNet(),
    NMNIST,
    DVS_GESTURE,
    ImageFolder(),
    Npz(),
)


def find_source(name: str) -> Source:
    """The source of that name.

    Raises:
        ConfigurationError: there is none (with the nearest names), or it takes no number.
    """
    numbered = _NUMBERED.fullmatch(name)
    plain = numbered["name"] if numbered else name
    for source in SOURCES:
        if source.name == plain:
            if not numbered:
                return source
            if isinstance(source, NumberedSource):
                return source.at(int(numbered["number"]))
            raise ConfigurationError(f"dataset {plain!r} takes no number", f"use --dataset {plain}")
    near = difflib.get_close_matches(plain, [source.name for source in SOURCES], n=3, cutoff=0.4)
    known = ", ".join(source.name for source in SOURCES)
    raise ConfigurationError(
        f"unknown dataset {name!r}", f"did you mean {' or '.join(near)}?" if near else f"known: {known}"
    )


def load_dataset(name: str, folder: Path | None, seed: int) -> Dataset:
    """The dataset of that name, read from the folder or, without one, downloaded once into the user's cache.

    Raises:
        ConfigurationError: no such dataset (with the nearest names), or its files are missing or damaged.
        ToolMissingError: reading it needs an optional package.
    """
    return find_source(name).load(folder, seed)


def fingerprint(name: str, folder: Path | None) -> str:
    """SHA-256 over the names and the content of the dataset's files, the key for whatever is computed from the dataset.

    Equal files give equal fingerprints wherever they lie and whenever they were copied. It hashes files as they are, so it
    neither decodes images nor imports scikit-learn: 0.4 s for CIFAR-10, 3 s for the 110,000 files of TinyImageNet. Seed and
    split are not part of it: a key needs `(fingerprint, seed)`. Where no folder is given it downloads, as `load_dataset`
    would.

    Raises:
        ConfigurationError: no such dataset, or its files are missing.
    """
    source = find_source(name)
    paths = source.files(folder)
    root = os.path.commonpath({path.parent for path in paths})
    # Compared and cut as text: 110,000 paths are far slower as Path objects.
    by_name = {str(path)[len(root) :].replace(os.sep, "/"): path for path in paths}
    content = hashlib.sha256(f"{_READING} {source.name} {len(by_name)}".encode())
    for relative in sorted(by_name):
        try:
            with by_name[relative].open("rb", buffering=0) as file:
                digest = hashlib.file_digest(file, "sha256").digest()
        except OSError as error:
            raise ConfigurationError(f"{by_name[relative]}: cannot be read ({error.strerror})") from error
        content.update(relative.encode(errors="surrogateescape") + b"\0" + digest)
    return content.hexdigest()
