"""MNIST and Fashion-MNIST: four idx files of unsigned bytes, compressed with gzip or not.

The format (LeCun et al., http://yann.lecun.com/exdb/mnist): two zero bytes, the type (8: unsigned byte), the rank, each
dimension as a big-endian uint32, then the values. MNIST: LeCun et al. 1998; Fashion-MNIST: Xiao et al., arXiv 1708.07747.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.data.dataset import Dataset, Split
from stages.data.download import RemoteFile, cache_folder, fetch
from stages.data.files import Form, damaged, locate, read_bytes, refuse
from stages.data.splits import with_validation
from targets.errors import ConfigurationError

#: The four files in the order of `Form.needed`; the split and what is in it.
_FILES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
_PIXELS = (28, 28)


def _names(stem: str) -> tuple[str, ...]:
    # Two spellings are about: train-images-idx3-ubyte (the original) and train-images.idx3-ubyte (unpacked by some tools).
    spellings = (stem, ".".join(stem.rsplit("-", 1)))
    return tuple(f"{spelling}-ubyte{end}" for spelling in spellings for end in (".gz", ""))


_FORM = Form("idx files, .gz or not", tuple(_names(stem) for stem in _FILES))


@dataclass(frozen=True)
class IdxDataset:
    """A dataset of 28x28 grey images in four idx files."""

    name: str
    summary: str
    #: Folders below --data in which it is looked for.
    places: tuple[str, ...]
    class_names: tuple[str, ...]
    base_url: str
    md5: tuple[str, str, str, str]
    input_shape: tuple[int, int, int] = (1, *_PIXELS)
    #: Whether a mirrored image keeps its class.
    mirrors: bool = False
    #: Labels of the official training set's first images, which tell it from others of the same file names.
    begins: tuple[int, ...] = ()

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def files(self, folder: Path | None) -> tuple[Path, ...]:
        """Images and labels of train, images and labels of test; downloaded where no folder is given."""
        if folder is not None:
            return locate(self.name, folder, self.places, [_FORM])[1]
        remote = [
            RemoteFile(f"{self.base_url}{stem}-ubyte.gz", md5) for stem, md5 in zip(_FILES, self.md5, strict=True)
        ]
        return tuple(fetch(self.name, file, cache_folder(self.name)) for file in remote)

    def load(self, folder: Path | None, seed: int) -> Dataset:
        """Images [N, 1, 28, 28]; about a tenth of train validates.

        Raises:
            ConfigurationError: the files are missing, cannot be downloaded, or do not hold what their names say.
        """
        train_images, train_labels, test_images, test_labels = self.files(folder)
        train = self._split(train_images, train_labels)
        test = self._split(test_images, test_labels)
        self._refuse_another(train_labels, train)
        return with_validation(self.name, train, test, self.class_names, seed, mirrors=self.mirrors)

    def _refuse_another(self, label_file: Path, train: Split) -> None:
        """Files of the same names with the labels of another dataset known here."""
        for other in (MNIST, FASHION_MNIST):
            if other.name != self.name and tuple(train.labels[: len(other.begins)]) == other.begins:
                raise ConfigurationError(
                    f"{label_file}: these are the labels of {other.name}, not of {self.name}",
                    f"use --dataset {other.name}, or give the folder of {self.name}",
                )

    def _split(self, image_file: Path, label_file: Path) -> Split:
        images, labels = read_idx(image_file), read_idx(label_file)
        problems = []
        if images.shape[1:] != _PIXELS:
            problems.append(f"{image_file}: holds values of shape {images.shape}, not images of 28x28 pixels")
        if labels.ndim != 1:
            problems.append(f"{label_file}: holds values of shape {labels.shape}, not labels")
        elif len(labels) != len(images):
            problems.append(f"{label_file}: {len(labels)} labels for the {len(images)} images of {image_file.name}")
        elif len(labels) and labels.max() >= len(self.class_names):
            problems.append(f"{label_file}: label {labels.max()}, though there are {len(self.class_names)} classes")
        refuse(self.name, problems, "fetch these files again, or leave --data out to download the dataset")
        return Split(images[:, None], labels.astype(np.int64))


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array in an idx file of unsigned bytes.

    Raises:
        ConfigurationError: it is of another format or type, or longer or shorter than its header says.
    """
    content = read_bytes(path)
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        raise damaged(path, "not an idx file of unsigned bytes")
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise damaged(path, "truncated in its header")
    shape = tuple(int(size) for size in np.frombuffer(content[4:start], ">u4"))
    if len(content) - start != math.prod(shape):
        kind = "truncated" if len(content) - start < math.prod(shape) else "too long"
        raise damaged(path, f"{kind}: {len(content) - start} bytes where shape {shape} takes {math.prod(shape)}")
    return np.frombuffer(bytearray(content), np.uint8, offset=start).reshape(shape)  # writable, as torch wants it


MNIST = IdxDataset(
    name="mnist",
    summary="70,000 handwritten digits of 28x28 grey pixels, 10 classes (downloads 12 MB)",
    places=("mnist", "MNIST", "MNIST/raw", "raw"),
    class_names=tuple(str(digit) for digit in range(10)),
    base_url="https://ossci-datasets.s3.amazonaws.com/mnist/",
    md5=(
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ),
    begins=(5, 0, 4, 1, 9, 2, 1, 3, 1, 4, 3, 5, 3, 6, 1, 7, 2, 8, 6, 9),
)

FASHION_MNIST = IdxDataset(
    name="fashion_mnist",
    summary="70,000 articles of clothing of 28x28 grey pixels, 10 classes (downloads 31 MB)",
    places=("fashion_mnist", "fashion-mnist", "fashion", "FashionMNIST", "FashionMNIST/raw", "raw"),
    class_names=(
        "T-shirt/top",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ),
    base_url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    md5=(
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ),
    mirrors=True,
    begins=(9, 0, 0, 3, 0, 2, 7, 2, 5, 5, 0, 9, 5, 5, 7, 9, 1, 0, 6, 4),
)
