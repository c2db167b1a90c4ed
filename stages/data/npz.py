"""The user's own arrays: `--dataset npz --data FILE`, one NumPy archive that is read without unpickling anything.

    x_train y_train x_test y_test [x_val y_val]                      as Keras names them
    train_images train_labels test_images test_labels [val_...]      as MedMNIST names them
    images labels                                                    a fifth of every class tests
    [class_names]                                                    text, one for each class

Images are uint8 of [N, H, W], [N, H, W, C] or [N, C, H, W] with one or three channels; event frames are 0/1 of
[N, T, C, H, W]. Labels are integers from 0, [N] or [N, 1]. Where there is no validation, a tenth of train validates.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.data.dataset import Dataset, Split
from stages.data.files import refuse
from stages.data.splits import with_test_and_validation, with_validation
from targets.errors import ConfigurationError

#: For each way of naming: images and labels of train, validation and test.
_NAMINGS = (
    (("x_train", "y_train"), ("x_val", "y_val"), ("x_test", "y_test")),
    (("train_images", "train_labels"), ("val_images", "val_labels"), ("test_images", "test_labels")),
)
_WHOLE = ("images", "labels")
_CLASS_NAMES = "class_names"
_CHANNELS = (1, 3)

_Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Npz:
    """The user's own arrays in one .npz file."""

    name: str = "npz"
    summary: str = (
        "your own arrays in one .npz file, given by --data: x_train, y_train, x_test, y_test, or images, labels"
    )
    input_shape: None = None
    classes: None = None

    def files(self, folder: Path | None) -> tuple[Path, ...]:
        """The file; `folder` is the file itself or a folder with no other .npz file."""
        if folder is None:
            raise ConfigurationError(f"dataset {self.name} needs --data", "name the .npz file")
        if not folder.is_dir():
            if not folder.exists():
                raise ConfigurationError(f"{folder}: no such file", "name the .npz file")
            return (folder,)
        inside = sorted(folder.glob("*.npz"))
        if len(inside) != 1:
            raise ConfigurationError(f"{folder}: holds {len(inside)} .npz files", "name the file itself with --data")
        return (inside[0],)

    def load(self, folder: Path | None, seed: int) -> Dataset:
        """The dataset in the file.

        Raises:
            ConfigurationError: it is no .npz file, lacks arrays, holds pickled objects, or arrays have the wrong type or shape.
        """
        (path,) = self.files(folder)
        arrays = read_npz(path)
        if all(name in arrays for name in _WHOLE):
            names, spiking = _checked(path, arrays, [_WHOLE])
            return with_test_and_validation(self.name, _split(arrays, _WHOLE), names, seed, spiking=spiking)
        for train, validation, test in _NAMINGS:
            if all(name in arrays for name in (*train, *test)):
                given = [pair for pair in (train, validation, test) if any(name in arrays for name in pair)]
                names, spiking = _checked(path, arrays, given)
                splits = [_split(arrays, pair) for pair in given]
                if len(splits) == 3:
                    return Dataset(self.name, splits[0], splits[1], splits[2], names, spiking)
                return with_validation(self.name, splits[0], splits[1], names, seed, spiking=spiking)
        raise ConfigurationError(
            f"{path}: holds {', '.join(sorted(arrays)) or 'nothing'}",
            "name the arrays x_train, y_train, x_test, y_test, or images, labels",
        )


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of the file.

    Raises:
        ConfigurationError: it is no .npz file, damaged, or holds an array of pickled objects.
    """
    try:
        if not zipfile.is_zipfile(path):
            raise ConfigurationError(f"{path}: not an .npz file, or truncated", "write it with numpy.savez")
        with np.load(path, allow_pickle=False) as archive:
            arrays: dict[str, object] = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, KeyError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error, SyntaxError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigurationError(f"{path}: damaged, or holds more than numbers ({reason})") from error
    except (NotImplementedError, RuntimeError) as error:  # a zip feature that is not there, such as encryption
        raise ConfigurationError(f"{path}: not readable as .npz ({error})") from error
    # What is no array comes out as bytes.
    refuse("npz", [f"{path}: {name} is not an array" for name, a in arrays.items() if not isinstance(a, np.ndarray)])
    return {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}


def _checked(path: Path, arrays: _Arrays, pairs: list[tuple[str, str]]) -> tuple[tuple[str, ...], bool]:
    """Names of the classes, and whether the images are event frames; every problem of all arrays at once."""
    problems = []
    for images, labels in pairs:
        absent = [name for name in (images, labels) if name not in arrays]
        if absent:
            problems.append(f"{path}: lacks {', '.join(absent)}")
            continue
        problems += [f"{path}: {problem}" for problem in _image_problems(images, arrays[images])]
        problems += [f"{path}: {problem}" for problem in _label_problems(labels, arrays[labels])]
        if arrays[images].shape[:1] != arrays[labels].shape[:1]:
            problems.append(f"{path}: {images} has shape {arrays[images].shape}, {labels} {arrays[labels].shape}")
    refuse("npz", problems, "see `--dataset npz` in the documentation for what the arrays have to be")
    train = arrays[pairs[0][1]]
    names = _class_names(path, arrays, int(max(arrays[labels].max() for _, labels in pairs)) + 1)
    unseen = sorted(set(range(len(names))) - set(train.ravel().tolist()))
    refuse("npz", [f"{path}: {pairs[0][1]} never names class {label}" for label in unseen], "number the classes from 0")
    return names, arrays[pairs[0][0]].ndim == 5


def _class_names(path: Path, arrays: _Arrays, classes: int) -> tuple[str, ...]:
    if _CLASS_NAMES not in arrays:
        return tuple(str(label) for label in range(classes))
    given = arrays[_CLASS_NAMES]
    if given.dtype.kind != "U" or given.ndim != 1 or len(given) < classes:
        raise ConfigurationError(f"{path}: class_names is not text for {classes} classes", "or leave class_names out")
    return tuple(str(name) for name in given)


def _image_problems(name: str, images: NDArray[Any]) -> list[str]:
    if images.dtype != np.uint8:
        return [f"{name} holds {images.dtype} instead of uint8 from 0 to 255 (or 0 and 1 for event frames)"]
    if images.ndim not in (3, 4, 5) or 0 in images.shape:
        return [f"{name} has shape {images.shape} instead of [N, H, W], [N, H, W, C], [N, C, H, W] or [N, T, C, H, W]"]
    if images.ndim == 4 and (images.shape[1] in _CHANNELS) == (images.shape[3] in _CHANNELS):
        return [f"{name} has shape {images.shape}, which leaves open where its one or three channels are"]
    if images.ndim == 5 and images.max() > 1:
        return [f"{name} holds event frames with values up to {images.max()} instead of 0 and 1"]
    return []


def _label_problems(name: str, labels: NDArray[Any]) -> list[str]:
    if labels.dtype.kind not in "iu" or not (labels.ndim == 1 or (labels.ndim == 2 and labels.shape[1] == 1)):
        return [f"{name} holds {labels.dtype} of shape {labels.shape} instead of one integer for each image"]
    if labels.size and not 0 <= labels.min() <= labels.max() < 2**16:
        return [f"{name} holds labels from {labels.min()} to {labels.max()} instead of from 0"]
    return []


def _split(arrays: _Arrays, pair: tuple[str, str]) -> Split:
    images, labels = arrays[pair[0]], arrays[pair[1]]
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and images.shape[3] in _CHANNELS:
        images = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    return Split(images, labels.reshape(-1).astype(np.int64))
