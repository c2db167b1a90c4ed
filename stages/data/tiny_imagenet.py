"""TinyImageNet-200 (Le and Yang 2015, Stanford CS231N) as its archive unpacks.

    wnids.txt  words.txt  train/WNID/images/*.JPEG  val/val_annotations.txt  val/images/*.JPEG

The labels of its `test` folder were never published, so `val` tests, as is usual; a tenth of train validates.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.data.dataset import Dataset, Split
from stages.data.download import RemoteFile, cache_folder, fetch_and_unpack
from stages.data.files import Form, locate, read_lines, refuse
from stages.data.images import Shape, read_images
from stages.data.splits import VALIDATION_SHARE, stratified

_SHAPE = Shape(channels=3, rows=64, columns=64)
_FORM = Form.of("as unpacked", "wnids.txt", "words.txt", "train", "val/val_annotations.txt", "val/images")
_PLACES = ("tiny-imagenet-200", "tiny_imagenet", "tiny-imagenet")
_ARCHIVE = RemoteFile("http://cs231n.stanford.edu/tiny-imagenet-200.zip", "90528d7ca1a48142e341f4ef8d21d0de")
_HINT = "unpack tiny-imagenet-200.zip again, or leave --data out to download it"


@dataclass(frozen=True)
class TinyImageNet:
    """200 classes of 64x64 colour photographs; grey ones among them are repeated in all three channels."""

    name: str = "tiny_imagenet"
    summary: str = "110,000 photographs of 64x64 colour pixels, 200 classes (downloads 237 MB)"
    archive: RemoteFile = _ARCHIVE
    input_shape: tuple[int, int, int] = (_SHAPE.channels, _SHAPE.rows, _SHAPE.columns)
    classes: int = 200

    def files(self, folder: Path | None) -> tuple[Path, ...]:
        """The lists of classes and annotations, and every image of train and val."""
        root = self._root(folder)
        lists = [root / "wnids.txt", root / "words.txt", root / "val/val_annotations.txt"]
        train, test = (sorted(root.glob(pattern)) for pattern in ("train/*/images/*", "val/images/*"))
        return (*lists, *train, *test)

    def load(self, folder: Path | None, seed: int) -> Dataset:
        """Images [N, 3, 64, 64].

        Raises:
            ConfigurationError: files are missing, unlisted, no images or of another size, or the download fails.
        """
        root = self._root(folder)
        wnids = read_lines(root / "wnids.txt")
        words = dict(line.split("\t", 1) for line in read_lines(root / "words.txt") if "\t" in line)
        class_names = tuple(words.get(wnid, wnid).split(",")[0] for wnid in wnids)
        problems: list[str] = []
        train_paths, train_labels = _train(root / "train", wnids, problems)
        test_paths, test_labels = _annotated(root / "val", wnids, problems)
        refuse(self.name, problems, _HINT)
        labels = np.array(train_labels, np.int64)
        kept, taken = stratified(labels, VALIDATION_SHARE, seed, class_names)
        # Each split is decoded on its own: taking them from one array would need 1.2 GB twice.
        train, validation = (
            Split(read_images(self.name, [train_paths[i] for i in indices], _SHAPE), labels[indices])
            for indices in (kept, taken)
        )
        test = Split(read_images(self.name, test_paths, _SHAPE), np.array(test_labels, np.int64))
        return Dataset(self.name, train, validation, test, class_names, mirrors=True)

    def _root(self, folder: Path | None) -> Path:
        if folder is None:
            folder = fetch_and_unpack(self.name, self.archive, cache_folder(self.name))
        return locate(self.name, folder, _PLACES, [_FORM])[1][0].parent


def _train(folder: Path, wnids: list[str], problems: list[str]) -> tuple[list[Path], list[int]]:
    paths: list[Path] = []
    labels: list[int] = []
    for label, wnid in enumerate(wnids):
        images = sorted((folder / wnid / "images").glob("*"))
        if not images:
            problems.append(f"{folder / wnid / 'images'}: no images of this class")
        paths += images
        labels += [label] * len(images)
    unlisted = sorted(path for path in folder.iterdir() if path.is_dir() and path.name not in set(wnids))
    problems += [f"{path}: a class that wnids.txt does not list" for path in unlisted]
    return paths, labels


def _annotated(folder: Path, wnids: list[str], problems: list[str]) -> tuple[list[Path], list[int]]:
    """The images of val with the labels that val_annotations.txt gives them: file, class and a box, between tabs."""
    annotations = folder / "val_annotations.txt"
    label_of = {wnid: label for label, wnid in enumerate(wnids)}
    present = {path.name: path for path in sorted((folder / "images").iterdir())}
    paths: list[Path] = []
    labels: list[int] = []
    for number, line in enumerate(read_lines(annotations), start=1):
        name, _, wnid = line.partition("\t")
        wnid = wnid.partition("\t")[0]
        if wnid not in label_of:
            problems.append(f"{annotations}: line {number}: no class {wnid!r} in wnids.txt")
        elif name not in present:
            problems.append(f"{annotations}: line {number}: no image {name!r} that is not annotated already")
        else:
            paths.append(present.pop(name))
            labels.append(label_of[wnid])
    problems += [f"{path}: not annotated in val_annotations.txt" for path in present.values()]
    return paths, labels
