"""CIFAR-10 and CIFAR-100 in their binary and their python version (Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html).

Binary: records of the label (CIFAR-100: coarse label, fine label) and 3,072 bytes of red, green, blue planes. Python: pickled
dictionaries of the same bytes, read by `plain_pickle` without executing them. CIFAR-100 is loaded with its 100 fine labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.data.dataset import Dataset, Split
from stages.data.download import RemoteFile, cache_folder, fetch_and_unpack
from stages.data.files import Form, damaged, locate, read_bytes, read_lines, refuse
from stages.data.plain_pickle import read_plain_pickle
from stages.data.splits import with_validation

_SHAPE = (3, 32, 32)
_PIXELS = 3 * 32 * 32
#: Training images for each test image, in the official splits: what shows that a file ends early between two records.
_TRAIN_PER_TEST = 5


@dataclass(frozen=True)
class Cifar:
    """A CIFAR dataset; of each form's files the last names the classes and the one before it holds the test images."""

    name: str
    summary: str
    places: tuple[str, ...]
    binary: Form
    python: Form
    classes: int
    #: Bytes before the pixels of a binary record; the last of them is the label.
    label_bytes: int
    #: Where the python version keeps labels and names of the classes.
    label_key: str
    names_key: str
    archive: RemoteFile
    input_shape: tuple[int, int, int] = _SHAPE

    def files(self, folder: Path | None) -> tuple[Path, ...]:
        """The batches of train, the test batch and the class names; downloaded where no folder is given."""
        return self._locate(folder)[1]

    def load(self, folder: Path | None, seed: int) -> Dataset:
        """Images [N, 3, 32, 32] in red, green, blue; about a tenth of train validates.

        Raises:
            ConfigurationError: the files are missing, cannot be downloaded, or do not hold what their names say.
        """
        form, (*batches, names) = self._locate(folder)
        splits = [self._binary_batch(path) if form is self.binary else self._python_batch(path) for path in batches]
        self._check(batches, splits)
        images = np.concatenate([split.images for split in splits[:-1]])
        labels = np.concatenate([split.labels for split in splits[:-1]])
        class_names = self._class_names(form, names)
        return with_validation(self.name, Split(images, labels), splits[-1], class_names, seed, mirrors=True)

    def _locate(self, folder: Path | None) -> tuple[Form, tuple[Path, ...]]:
        forms = (self.binary, self.python)
        if folder is None:
            folder = fetch_and_unpack(self.name, self.archive, cache_folder(self.name))
        return locate(self.name, folder, self.places, forms)

    def _check(self, paths: list[Path], batches: list[Split]) -> None:
        problems = []
        for path, batch in zip(paths, batches, strict=True):
            if len(batch) and not 0 <= batch.labels.min() <= batch.labels.max() < self.classes:
                wrong = next(label for label in batch.labels if not 0 <= label < self.classes)
                problems.append(f"{path}: label {wrong}, though there are {self.classes} classes")
        expected = len(batches[-1]) * _TRAIN_PER_TEST // (len(batches) - 1)
        problems += [
            f"{path}: truncated, {len(batch)} images instead of {expected} by the {len(batches[-1])} of {paths[-1].name}"
            for path, batch in zip(paths[:-1], batches[:-1], strict=True)
            if len(batch) != expected
        ]
        refuse(self.name, problems, "fetch these files again, or leave --data out to download the dataset")

    def _binary_batch(self, path: Path) -> Split:
        content = read_bytes(path)
        record = self.label_bytes + _PIXELS
        if len(content) % record:
            raise damaged(path, f"truncated or of another format: {len(content)} bytes, not a multiple of {record}")
        records = np.frombuffer(content, np.uint8).reshape(-1, record)
        labels = records[:, self.label_bytes - 1].astype(np.int64)
        return Split(records[:, self.label_bytes :].reshape(-1, *_SHAPE), labels)

    def _python_batch(self, path: Path) -> Split:
        content = _dictionary(path)
        pixels, labels = content.get("data"), content.get(self.label_key)
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (_PIXELS,):
            raise damaged(path, f"no array of bytes with {_PIXELS} columns under 'data'")
        if not isinstance(labels, list) or not all(type(label) is int and abs(label) < 2**31 for label in labels):
            raise damaged(path, f"no list of integers under {self.label_key!r}")
        if len(labels) != len(pixels):
            raise damaged(path, f"{len(labels)} labels for {len(pixels)} images")
        return Split(np.ascontiguousarray(pixels).reshape(-1, *_SHAPE), np.array(labels, np.int64))

    def _class_names(self, form: Form, path: Path) -> tuple[str, ...]:
        names: object = read_lines(path) if form is self.binary else _dictionary(path).get(self.names_key)
        if not isinstance(names, list) or len(names) != self.classes:
            raise damaged(path, f"not the names of {self.classes} classes")
        return tuple(_text(name) for name in names)


def _dictionary(path: Path) -> dict[str, object]:
    content = read_plain_pickle(path)
    if not isinstance(content, dict):
        raise damaged(path, "not a pickled dictionary")
    return {_text(key): value for key, value in content.items()}


def _text(value: object) -> str:
    # Python 2 wrote text as bytes.
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


_TEN_BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")

CIFAR10 = Cifar(
    name="cifar10",
    summary="60,000 photographs of 32x32 colour pixels, 10 classes (downloads 170 MB)",
    places=("cifar-10-batches-bin", "cifar-10-batches-py", "cifar10", "cifar-10", "CIFAR10"),
    binary=Form.of("binary version", *(f"{batch}.bin" for batch in _TEN_BATCHES), "batches.meta.txt"),
    python=Form.of("python version", *_TEN_BATCHES, "batches.meta"),
    classes=10,
    label_bytes=1,
    label_key="labels",
    names_key="label_names",
    archive=RemoteFile("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),
)

CIFAR100 = Cifar(
    name="cifar100",
    summary="60,000 photographs of 32x32 colour pixels, 100 classes (downloads 169 MB)",
    places=("cifar-100-binary", "cifar-100-python", "cifar100", "cifar-100", "CIFAR100"),
    binary=Form.of("binary version", "train.bin", "test.bin", "fine_label_names.txt"),
    python=Form.of("python version", "train", "test", "meta"),
    classes=100,
    label_bytes=2,
    label_key="fine_labels",
    names_key="fine_label_names",
    archive=RemoteFile("https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"),
)
