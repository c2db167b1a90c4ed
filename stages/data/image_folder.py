"""Any folder of images by class: `--dataset images --data DIR`, and `images@64` to cut and scale them to 64x64 pixels.

    DIR/train/CLASS/*.png  DIR/test/CLASS/*.png  [DIR/val/CLASS/*.png]     the splits as they are
    DIR/CLASS/*.png                                                        a fifth of every class tests

Where there is no `test`, `val` tests (as in ImageNet's form); where there is no `val`, a tenth of train validates. Names
that begin with a dot, Thumbs.db and desktop.ini are file managers' own and ignored; every other file has to be an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.data.dataset import Dataset, Split
from stages.data.files import refuse
from stages.data.images import Shape, common_shape, read_images
from stages.data.splits import TEST_SEED, TEST_SHARE, VALIDATION_SHARE, stratified
from targets.errors import ConfigurationError

_LITTER = {"thumbs.db", "desktop.ini"}
_TEST = ("test",)
_VALIDATION = ("val", "validation", "valid")


@dataclass
class _Files:
    """Image files with the indices of their classes."""

    paths: list[Path] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)

    def taken(self, indices: NDArray[np.int64]) -> _Files:
        return _Files([self.paths[i] for i in indices], [self.labels[i] for i in indices])

    def split(self, share: float, seed: int, class_names: Sequence[str]) -> tuple[_Files, _Files]:
        kept, taken = stratified(np.array(self.labels, np.int64), share, seed, class_names)
        return self.taken(kept), self.taken(taken)


@dataclass(frozen=True)
class ImageFolder:
    """The user's own images; `edge` in pixels where they are to be cut and scaled."""

    name: str = "images"
    summary: str = "your own folder of images by class, given by --data; images@64 scales them to 64x64 pixels"
    edge: int | None = None
    input_shape: None = None
    classes: None = None

    def at(self, number: int) -> ImageFolder:
        """The same with images of that edge in pixels."""
        return replace(self, name=f"{self.name}@{number}", edge=number)

    def files(self, folder: Path | None) -> tuple[Path, ...]:
        """Every image of every split."""
        return tuple(path for files in self._scan(folder)[1] if files for path in files.paths)

    def load(self, folder: Path | None, seed: int) -> Dataset:
        """Images [N, C, H, W]: grey if all files are, else in red, green, blue.

        Raises:
            ConfigurationError: there are no images, files are no images or of different sizes, or the splits' classes differ.
        """
        class_names, (train, validation, test) = self._scan(folder)
        if test is None:
            train, test = train.split(TEST_SHARE, TEST_SEED, class_names)
        if validation is None:
            train, validation = train.split(VALIDATION_SHARE, seed, class_names)
        shape = common_shape(self.name, [*train.paths, *validation.paths, *test.paths], self.edge)
        return Dataset(
            self.name,
            self._read(train, shape),
            self._read(validation, shape),
            self._read(test, shape),
            class_names,
        )

    def _read(self, files: _Files, shape: Shape) -> Split:
        images = read_images(self.name, files.paths, shape, scale=self.edge is not None)
        return Split(images, np.array(files.labels, np.int64))

    def _scan(self, folder: Path | None) -> tuple[tuple[str, ...], tuple[_Files, _Files | None, _Files | None]]:
        """Names of the classes, and the files of train, validation and test where these are folders."""
        if folder is None:
            raise ConfigurationError(
                f"dataset {self.name} needs --data", "name the folder that holds one folder per class"
            )
        if not folder.is_dir():
            raise ConfigurationError(f"{folder}: no such folder", "name the folder that holds one folder per class")
        root = _descend(folder)
        folders = {path.name.lower(): path for path in _entries(root) if path.is_dir()}
        problems: list[str] = []
        if "train" not in folders or not any(path.is_dir() for path in _entries(folders["train"])):
            class_names = _classes(root, problems)
            everything = _listed(root, class_names, problems)
            refuse(self.name, problems, "give every class a folder with nothing but its images")
            return class_names, (everything, None, None)
        class_names = _classes(folders["train"], problems)
        train = _listed(folders.pop("train"), class_names, problems)
        test = _first(folders, _TEST, class_names, problems)
        validation = _first(folders, _VALIDATION, class_names, problems)
        problems += [f"{path}: neither train, val nor test" for path in folders.values()]
        refuse(
            self.name,
            problems,
            "give every class a folder with nothing but its images, with the same names in each split",
        )
        return class_names, (train, None, validation) if test is None else (train, validation, test)


def _first(
    folders: dict[str, Path], names: Sequence[str], class_names: Sequence[str], problems: list[str]
) -> _Files | None:
    """The files of the first of these folders, which is thereby taken from `folders`; None where there is none."""
    for name in names:
        if name in folders:
            return _listed(folders.pop(name), class_names, problems)
    return None


def _descend(folder: Path) -> Path:
    """The dataset's folder where the user named the one that holds it: as long as there is but a single folder inside."""
    while True:
        inside = [path for path in _entries(folder) if path.is_dir()]
        if len(inside) != 1 or not any(path.is_dir() for path in _entries(inside[0])):
            return folder
        folder = inside[0]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(p for p in folder.iterdir() if not p.name.startswith(".") and p.name.lower() not in _LITTER)
    except OSError as error:
        raise ConfigurationError(f"{folder}: cannot be read ({error.strerror})") from error


def _classes(folder: Path, problems: list[str]) -> tuple[str, ...]:
    names = tuple(path.name for path in _entries(folder) if path.is_dir())
    if len(names) < 2:
        problems.append(f"{folder}: holds {len(names)} folders of images, at least two classes are needed")
    return names


def _listed(folder: Path, class_names: Sequence[str], problems: list[str]) -> _Files:
    """The files in the class folders of one split; what does not belong there goes to `problems`."""
    from PIL import Image as pillow

    known = pillow.registered_extensions()
    files = _Files()
    entries = _entries(folder)
    problems += [f"{path}: an image outside of any class folder" for path in entries if path.suffix.lower() in known]
    problems += [f"{p}: a class that train does not have" for p in entries if p.is_dir() and p.name not in class_names]
    for label, name in enumerate(class_names):
        inside = _entries(folder / name) if (folder / name).is_dir() else []
        problems += [f"{path}: a folder inside the folder of a class" for path in inside if path.is_dir()]
        images = [path for path in inside if not path.is_dir()]
        if not images:
            problems.append(f"{folder / name}: no images of this class")
        files.paths += images
        files.labels += [label] * len(images)
    return files
