"""Small datasets with random content in the standard forms, as their publishers write them."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from stages.data.dataset import Split

CLASSES_10 = [f"class {index}" for index in range(10)]


def random_split(count: int, shape: tuple[int, ...], classes: int, seed: int) -> Split:
    """Random images; labels go round all classes."""
    random = np.random.default_rng(seed)
    return Split(random.integers(0, 256, (count, *shape), np.uint8), np.arange(count, dtype=np.int64) % classes)


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def write_mnist(folder: Path, *, compressed: bool = True, dot: bool = False) -> tuple[Split, Split]:
    """200 training and 40 test images."""
    folder.mkdir(parents=True, exist_ok=True)
    train, test = random_split(200, (1, 28, 28), 10, 0), random_split(40, (1, 28, 28), 10, 1)
    for prefix, split in (("train", train), ("t10k", test)):
        for kind, array in (("images-idx3", split.images[:, 0]), ("labels-idx1", split.labels)):
            name = f"{prefix}-{kind.replace('-', '.') if dot else kind}-ubyte"
            content = idx(array)
            (folder / (f"{name}.gz" if compressed else name)).write_bytes(
                gzip.compress(content, 1, mtime=0) if compressed else content
            )
    return train, test


def cifar_splits(classes: int) -> tuple[Split, Split]:
    return random_split(5 * classes * 2, (3, 32, 32), classes, 2), random_split(classes * 2, (3, 32, 32), classes, 3)


def _records(split: Split, coarse: bool) -> bytes:
    columns = [split.labels[:, None] // 5] * coarse + [split.labels[:, None], split.images.reshape(len(split), -1)]
    return np.concatenate(columns, 1).astype(np.uint8).tobytes()


def write_cifar10_binary(folder: Path) -> tuple[Split, Split]:
    folder.mkdir(parents=True, exist_ok=True)
    train, test = cifar_splits(10)
    for index in range(5):
        part = Split(train.images[index * 20 : index * 20 + 20], train.labels[index * 20 : index * 20 + 20])
        (folder / f"data_batch_{index + 1}.bin").write_bytes(_records(part, False))
    (folder / "test_batch.bin").write_bytes(_records(test, False))
    (folder / "batches.meta.txt").write_text("\n".join(CLASSES_10) + "\n\n")
    return train, test


def write_cifar100_binary(folder: Path) -> tuple[Split, Split]:
    folder.mkdir(parents=True, exist_ok=True)
    train, test = cifar_splits(100)
    (folder / "train.bin").write_bytes(_records(train, True))
    (folder / "test.bin").write_bytes(_records(test, True))
    (folder / "fine_label_names.txt").write_text("".join(f"class {index}\n" for index in range(100)))
    return train, test


def write_cifar10_python(folder: Path) -> tuple[Split, Split]:
    folder.mkdir(parents=True, exist_ok=True)
    train, test = cifar_splits(10)
    for index in range(5):
        part = slice(index * 20, index * 20 + 20)
        (folder / f"data_batch_{index + 1}").write_bytes(
            python2_pickle({b"data": train.images[part].reshape(20, -1), b"labels": train.labels[part].tolist()})
        )
    batch = {b"data": test.images.reshape(20, -1), b"labels": test.labels.tolist(), b"batch_label": b"testing batch"}
    (folder / "test_batch").write_bytes(python2_pickle(batch))
    (folder / "batches.meta").write_bytes(python2_pickle({b"label_names": [name.encode() for name in CLASSES_10]}))
    return train, test


def write_cifar100_python(folder: Path) -> tuple[Split, Split]:
    folder.mkdir(parents=True, exist_ok=True)
    train, test = cifar_splits(100)
    for name, split in (("train", train), ("test", test)):
        coarse = (split.labels // 5).tolist()
        content = {b"data": split.images.reshape(len(split), -1), b"fine_labels": split.labels.tolist()}
        (folder / name).write_bytes(python2_pickle({**content, b"coarse_labels": coarse}))
    names = [f"class {index}".encode() for index in range(100)]
    (folder / "meta").write_bytes(python2_pickle({b"fine_label_names": names}))
    return train, test


def python2_pickle(value: object) -> bytes:
    """Protocol 2 as Python 2's cPickle wrote the CIFAR files: text as BINSTRING, arrays through _reconstruct."""
    return b"\x80\x02" + _python2(value) + b"."


def _python2(value: object) -> bytes:
    if isinstance(value, dict):
        return b"}q\x01(" + b"".join(_python2(key) + _python2(item) for key, item in value.items()) + b"u"
    if isinstance(value, list):
        return b"]q\x02(" + b"".join(_python2(item) for item in value) + b"e"
    if isinstance(value, int):
        return b"K" + bytes([value]) if 0 <= value < 256 else b"J" + struct.pack("<i", value)
    if isinstance(value, bytes):
        short = len(value) < 256
        return (b"U" + bytes([len(value)]) if short else b"T" + struct.pack("<i", len(value))) + value
    assert isinstance(value, np.ndarray) and value.dtype == np.uint8
    shape = b"(" + b"".join(_python2(size) for size in value.shape) + b"t"
    minus_one = b"J\xff\xff\xff\xff"
    dtype = b"cnumpy\ndtype\nq\x03(U\x02u1K\x00K\x01tRq\x04(K\x03U\x01|NNN" + minus_one + minus_one + b"K\x00tb"
    made = b"cnumpy.core.multiarray\n_reconstruct\nq\x05(cnumpy\nndarray\nq\x06K\x00\x85U\x01btRq\x07"
    return made + b"(K\x01" + shape + dtype + b"\x89" + _python2(value.tobytes()) + b"tb"


def write_image(path: Path, pixels: np.ndarray) -> None:
    """An image of [C, H, W], in the format that the name's ending says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)).save(path)


def write_image_classes(folder: Path, split: Split, names: list[str]) -> None:
    """One folder for each class; as PNG, hence without loss."""
    for index, (pixels, label) in enumerate(zip(split.images, split.labels, strict=True)):
        write_image(folder / names[label] / f"{index:03}.png", pixels)


def write_tiny_imagenet(folder: Path) -> tuple[Split, Split]:
    """Three classes, ten training and two test images of each; the files are PNG inside, for there is no loss."""
    wnids = ["n01443537", "n01629819", "n01641577"]
    train, test = random_split(30, (3, 64, 64), 3, 4), random_split(6, (3, 64, 64), 3, 5)
    for index, (pixels, label) in enumerate(zip(train.images, train.labels, strict=True)):
        path = folder / "train" / wnids[label] / "images" / f"{wnids[label]}_{index}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.transpose(1, 2, 0)).save(path, format="PNG")
    (folder / "val/images").mkdir(parents=True)
    lines = []
    for index, (pixels, label) in enumerate(zip(test.images, test.labels, strict=True)):
        Image.fromarray(pixels.transpose(1, 2, 0)).save(folder / f"val/images/val_{index}.JPEG", format="PNG")
        lines.append(f"val_{index}.JPEG\t{wnids[label]}\t0\t32\t44\t62\n")
    (folder / "val/val_annotations.txt").write_text("".join(lines))
    (folder / "wnids.txt").write_text("\n".join(wnids) + "\n")
    (folder / "words.txt").write_text(
        "n01443537\tgoldfish, Carassius auratus\nn01629819\tEuropean fire salamander\nn01641577\tbullfrog\n"
    )
    return train, test


def same_images(split: Split, others: Split) -> bool:
    """Whether both hold the same images with the same labels, in any order."""

    def content(of: Split) -> list[bytes]:
        return sorted(bytes([label]) + image.tobytes() for image, label in zip(of.images, of.labels, strict=True))

    return content(split) == content(others)


def joined(*splits: Split) -> Split:
    return Split(np.concatenate([s.images for s in splits]), np.concatenate([s.labels for s in splits]))
