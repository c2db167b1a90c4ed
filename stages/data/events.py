"""Recordings of event cameras, binned into 0/1 frames: one frame for each time step of the network.

Comes in: recordings of (x, y, time, polarity). Goes out: uint8 [N, T, 2, H, W], where 1 says that at least one event of
that polarity fell on the pixel during the step. Steps have equal length between a recording's first and last event.
`nmnist@16` bins into 16 frames instead of 8.

Sources: N-MNIST (Orchard et al. 2015), decoded by tonic; DVS128 Gesture (Amir et al. 2017) as tonic publishes it, cut into one
array of (x, y, polarity, time) for each gesture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.data.dataset import Dataset, Split
from stages.data.download import RemoteFile, cache_folder, fetch_and_unpack
from stages.data.files import Form, damaged, locate, refuse
from stages.data.splits import with_validation
from targets.errors import ConfigurationError, ToolMissingError

_EVENT = np.dtype([("x", np.int64), ("y", np.int64), ("t", np.int64), ("p", np.int64)])
#: Bytes of one event of N-MNIST: x, y, and polarity with 23 bits of time.
_NMNIST_EVENT_BYTES = 5


def bin_events(events: NDArray[Any], frames: int, rows: int, columns: int) -> NDArray[np.uint8]:
    """The frames [T, 2, H, W] of one recording, an array with the fields x, y, t and p (polarity 0 or 1).

    An event at time t is in step floor((t - first) * T / (last - first + 1)).

    Raises:
        ConfigurationError: there are no events, or one has a polarity or a pixel that the sensor does not have.
    """
    if len(events) == 0:
        raise ConfigurationError("holds no events")
    x, y, t, p = (np.asarray(events[axis]).astype(np.int64) for axis in "xytp")
    for axis, values, end in (("x", x, columns), ("y", y, rows), ("polarity", p, 2)):
        if values.min() < 0 or values.max() >= end:
            wrong = values.min() if values.min() < 0 else values.max()
            raise ConfigurationError(f"has an event with {axis} {wrong}, outside of 0 to {end - 1}")
    first, last = int(t.min()), int(t.max())
    if last - first >= 2**62 // frames:
        raise ConfigurationError(f"has events {last - first} time units apart")
    binned = np.zeros((frames, 2, rows, columns), np.uint8)
    binned[(t - first) * frames // (last - first + 1), p, y, x] = 1
    return binned


@dataclass(frozen=True)
class EventDataset:
    """Recordings in one file each, of a square sensor, with official train and test folders."""

    name: str
    summary: str
    places: tuple[str, ...]
    #: Folders of train and test, and the archives that unpack to them.
    folders: tuple[str, str]
    archives: tuple[RemoteFile, RemoteFile]
    #: Recordings below such a folder.
    pattern: str
    label_of: Callable[[Path], str]
    read: Callable[[Path], NDArray[Any]]
    class_names: tuple[str, ...]
    edge: int
    frames: int = 8

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """One channel for each polarity, rows, columns."""
        return 2, self.edge, self.edge

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def at(self, number: int) -> EventDataset:
        """The same binned into that many frames."""
        return replace(self, name=f"{self.name}@{number}", frames=number)

    def files(self, folder: Path | None) -> tuple[Path, ...]:
        """Every recording of train and test."""
        return tuple(path for part in self._folders(folder) for path in self._recordings(part))

    def load(self, folder: Path | None, seed: int) -> Dataset:
        """Frames [N, T, 2, H, W] of 0 and 1; about a tenth of train validates.

        Raises:
            ConfigurationError: recordings are missing, damaged or of another sensor, or cannot be downloaded.
            ToolMissingError: they need tonic, and it is not installed.
        """
        train, test = (self._split(self._recordings(part)) for part in self._folders(folder))
        return with_validation(self.name, train, test, self.class_names, seed, spiking=True)

    def _folders(self, folder: Path | None) -> tuple[Path, ...]:
        if folder is None:
            cache = cache_folder(self.name.partition("@")[0])
            parts = zip(self.archives, self.folders, strict=True)
            return tuple(fetch_and_unpack(self.name, archive, cache, into) / into for archive, into in parts)
        return locate(self.name, folder, self.places, [Form.of("recordings by class", *self.folders)])[1]

    def _recordings(self, folder: Path) -> list[Path]:
        found = sorted(folder.glob(self.pattern))
        if not found:
            raise ConfigurationError(f"{self.name}: no recordings ({self.pattern}) in {folder}")
        return found

    def _split(self, paths: list[Path]) -> Split:
        images = np.zeros((len(paths), self.frames, 2, self.edge, self.edge), np.uint8)
        labels = np.zeros(len(paths), np.int64)
        problems = []
        for index, path in enumerate(paths):
            label = self.label_of(path)
            if not label.isdecimal() or int(label) >= len(self.class_names):
                problems.append(f"{path}: {label!r} is not a class from 0 to {len(self.class_names) - 1}")
                continue
            labels[index] = int(label)
            try:
                images[index] = bin_events(self.read(path), self.frames, self.edge, self.edge)
            except ConfigurationError as error:
                problems.append(error.message if str(path) in error.message else f"{path}: {error.message}")
        refuse(self.name, problems, "fetch these recordings again, or leave --data out to download the dataset")
        return Split(images, labels)


def read_nmnist(path: Path) -> NDArray[Any]:
    """The events of one N-MNIST recording, decoded by tonic.

    Raises:
        ConfigurationError: the file ends within an event.
        ToolMissingError: tonic is not installed.
    """
    try:
        from tonic.io import read_mnist_file
    except ImportError as error:
        raise ToolMissingError("reading N-MNIST needs tonic, which is not installed", "pip install tonic") from error
    if path.stat().st_size % _NMNIST_EVENT_BYTES:
        raise damaged(path, f"truncated: {path.stat().st_size} bytes, not a multiple of {_NMNIST_EVENT_BYTES}")
    events: NDArray[Any] = read_mnist_file(str(path), dtype=_EVENT)
    return events


def read_gesture(path: Path) -> NDArray[Any]:
    """The events of one gesture, saved as integers [N, 4] of x, y, polarity and milliseconds.

    Raises:
        ConfigurationError: the file is damaged or holds something else.
    """
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError) as error:
        raise damaged(path, f"not a readable .npy file, or truncated ({error})") from error
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.shape[1] != 4 or values.dtype.kind not in "iuf":
        raise damaged(path, "does not hold one x, y, polarity and time for each event")
    events = np.zeros(len(values), _EVENT)
    for column, axis in enumerate("xypt"):
        events[axis] = values[:, column]
    return events


def _parent_name(path: Path) -> str:
    return path.parent.name


def _stem(path: Path) -> str:
    return path.stem


NMNIST = EventDataset(
    name="nmnist",
    summary="70,000 event recordings of handwritten digits, 34x34 pixels in 8 frames, 10 classes; nmnist@16: 16 frames",
    places=("nmnist", "NMNIST", "N-MNIST"),
    folders=("Train", "Test"),
    archives=(
        RemoteFile(
            "https://data.mendeley.com/public-files/datasets/468j46mzdv/files/39c25547-014b-4137-a934-9d29fa53c7a0/file_downloaded",
            "20959b8e626244a1b502305a9e6e2031",
            "train.zip",
        ),
        RemoteFile(
            "https://data.mendeley.com/public-files/datasets/468j46mzdv/files/05a4d654-7e03-4c15-bdfa-9bb2bcbea494/file_downloaded",
            "69ca8762b2fe404d9b9bad1103e97832",
            "test.zip",
        ),
    ),
    pattern="*/*.bin",
    label_of=_parent_name,
    read=read_nmnist,
    class_names=tuple(str(digit) for digit in range(10)),
    edge=34,
)

DVS_GESTURE = EventDataset(
    name="dvs_gesture",
    summary="1,341 event recordings of gestures, 128x128 pixels in 8 frames, 11 classes; dvs_gesture@16: 16 frames",
    places=("dvs_gesture", "DVSGesture"),
    folders=("ibmGestureTrain", "ibmGestureTest"),
    archives=(
        RemoteFile(
            "https://figshare.com/ndownloader/files/38022171",
            "3a8f0d4120a166bac7591f77409cb105",
            "ibmGestureTrain.tar.gz",
        ),
        RemoteFile(
            "https://figshare.com/ndownloader/files/38020584",
            "56070e45dadaa85fff82e0fbfbc06de5",
            "ibmGestureTest.tar.gz",
        ),
    ),
    pattern="*/*.npy",
    label_of=_stem,
    read=read_gesture,
    class_names=(
        "hand clapping",
        "right hand wave",
        "left hand wave",
        "right arm clockwise",
        "right arm counter-clockwise",
        "left arm clockwise",
        "left arm counter-clockwise",
        "arm roll",
        "air drums",
        "air guitar",
        "other gestures",
    ),
    edge=128,
)
