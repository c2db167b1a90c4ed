"""The official binary formats: every image arrives under its label, and no damage passes or ends in a traceback."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stages.data.catalog import find_source, load_dataset
from stages.data.dataset import Split
from stages.data.idx import FASHION_MNIST, read_idx
from targets.errors import ConfigurationError
from tests.stages.data.synthetic import (
    idx,
    joined,
    python2_pickle,
    same_images,
    write_cifar10_binary,
    write_cifar10_python,
    write_cifar100_binary,
    write_cifar100_python,
    write_mnist,
)

Writer = Callable[[Path], tuple[Split, Split]]
IN_ONE_FOLDER = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def refused(name: str, folder: Path) -> str:
    """The one-line message with which the dataset is refused."""
    with pytest.raises(ConfigurationError) as raised:
        load_dataset(name, folder, 0)
    assert "\n" not in raised.value.message
    assert raised.value.hint
    return raised.value.message


@pytest.mark.parametrize(
    ("name", "inside", "write"),
    [
        ("mnist", "mnist", write_mnist),
        ("mnist", "MNIST/raw", lambda folder: write_mnist(folder, compressed=False)),
        ("fashion_mnist", "fashion-mnist", lambda folder: write_mnist(folder, compressed=False, dot=True)),
        ("fashion_mnist", "FashionMNIST/raw", lambda folder: write_mnist(folder, dot=True)),
        ("cifar10", "cifar-10-batches-bin", write_cifar10_binary),
        ("cifar10", "cifar-10-batches-py", write_cifar10_python),
        ("cifar100", "cifar-100-binary", write_cifar100_binary),
        ("cifar100", "cifar-100-python", write_cifar100_python),
    ],
)
def test_every_form_is_read_from_its_folder_and_from_the_one_above(
    tmp_path: Path, name: str, inside: str, write: Writer
) -> None:
    train, test = write(tmp_path / inside)
    for folder in (tmp_path, tmp_path / inside):
        dataset = load_dataset(name, folder, seed=1)
        assert np.array_equal(dataset.test.images, test.images)
        assert np.array_equal(dataset.test.labels, test.labels)
        assert same_images(joined(dataset.train, dataset.validation), train)
    assert (find_source(name).input_shape, find_source(name).classes) == (dataset.input_shape, dataset.classes)
    assert dataset.class_names[1] in ("1", "trouser", "class 1")


def test_the_python_and_the_binary_version_are_the_same_dataset(tmp_path: Path) -> None:
    write_cifar10_binary(tmp_path / "a")
    write_cifar10_python(tmp_path / "b")
    first, second = (load_dataset("cifar10", tmp_path / side, seed=3) for side in "ab")
    assert first.digest() == second.digest()
    assert first.class_names == second.class_names


@IN_ONE_FOLDER
@given(array=hnp.arrays(np.uint8, hnp.array_shapes(max_dims=4)), data=st.data())
def test_an_idx_file_is_its_array_or_refused(tmp_path: Path, array: np.ndarray, data: st.DataObject) -> None:
    path = tmp_path / "file"
    content = idx(array)
    path.write_bytes(data.draw(st.sampled_from([content, gzip.compress(content)])))
    assert np.array_equal(read_idx(path), array)
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(ConfigurationError, match=r"truncated|not an idx file"):
        read_idx(path)
    path.write_bytes(content + b"\0")
    with pytest.raises(ConfigurationError, match="too long"):
        read_idx(path)


def _rewrite(path: Path, content: bytes) -> None:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("train-images-idx3-ubyte", b"", "not an idx file of unsigned bytes"),
        ("train-images-idx3-ubyte", b"<html>404</html>", "not an idx file of unsigned bytes"),
        ("train-images-idx3-ubyte", b"\x1f\x8b\x08\x00cut", "truncated or damaged gzip"),
        ("train-images-idx3-ubyte", idx(np.zeros((200, 14, 14))), "not images of 28x28 pixels"),
        ("train-images-idx3-ubyte", idx(np.zeros(200)), "not images of 28x28 pixels"),
        ("train-labels-idx1-ubyte", idx(np.zeros(199)), "199 labels for the 200 images"),
        ("train-labels-idx1-ubyte", idx(np.full(200, 10)), "label 10, though there are 10 classes"),
        ("t10k-labels-idx1-ubyte", idx(np.zeros((40, 2))), "not labels"),
        ("t10k-labels-idx1-ubyte", idx(np.zeros(40))[:-3], "truncated: 37 bytes"),
    ],
)
def test_a_wrong_idx_file_is_named(tmp_path: Path, file: str, content: bytes, message: str) -> None:
    write_mnist(tmp_path, compressed=False)
    (tmp_path / file).write_bytes(content)
    text = refused("mnist", tmp_path)
    assert str(tmp_path / file) in text
    assert message in text


def test_a_dataset_of_the_same_file_names_is_told_apart(tmp_path: Path) -> None:
    write_mnist(tmp_path, compressed=False)
    path = tmp_path / "train-labels-idx1-ubyte"
    labels = np.resize(FASHION_MNIST.begins, 200)
    path.write_bytes(idx(labels))
    assert refused("mnist", tmp_path) == f"{path}: these are the labels of fashion_mnist, not of mnist"
    assert len(load_dataset("fashion_mnist", tmp_path, 0).train) == 180


def test_a_gzip_file_that_ends_early_is_named(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-100])
    assert f"{path}: truncated or damaged gzip file" in refused("mnist", tmp_path)


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("data_batch_2.bin", lambda c: c[:-1], "truncated or of another format: 61459 bytes"),
        ("data_batch_2.bin", lambda c: c[: 3073 * 19], "truncated, 19 images instead of 20"),
        ("data_batch_2.bin", lambda c: b"", "truncated, 0 images instead of 20"),
        ("test_batch.bin", lambda c: c[:3073] + b"\x0a" + c[3074:], "label 10, though there are 10 classes"),
        ("batches.meta.txt", lambda c: b"cat\ndog\n", "not the names of 10 classes"),
        ("batches.meta.txt", lambda c: b"\xff\xfe", "not a text file"),
    ],
)
def test_a_wrong_binary_batch_is_named(
    tmp_path: Path, file: str, damage: Callable[[bytes], bytes], message: str
) -> None:
    write_cifar10_binary(tmp_path)
    (tmp_path / file).write_bytes(damage((tmp_path / file).read_bytes()))
    text = refused("cifar10", tmp_path)
    assert str(tmp_path / file) in text
    assert message in text


PIXELS = np.zeros((20, 3072), np.uint8)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ([1, 2], "not a pickled dictionary"),
        ({b"labels": [0] * 20}, "no array of bytes"),
        ({b"data": PIXELS[:, :100], b"labels": [0] * 20}, "no array of bytes with 3072 columns"),
        ({b"data": PIXELS}, "no list of integers under 'labels'"),
        ({b"data": PIXELS, b"labels": [b"cat"] * 20}, "no list of integers under 'labels'"),
        ({b"data": PIXELS, b"labels": [0] * 19}, "19 labels for 20 images"),
        ({b"data": PIXELS, b"labels": [-1] * 20}, "label -1, though there are 10 classes"),
        ({b"data": PIXELS, b"labels": [10**6] * 20}, "label 1000000, though there are 10 classes"),
    ],
)
def test_a_wrong_python_batch_is_named(tmp_path: Path, batch: object, message: str) -> None:
    write_cifar10_python(tmp_path)
    (tmp_path / "data_batch_3").write_bytes(python2_pickle(batch))
    text = refused("cifar10", tmp_path)
    assert str(tmp_path / "data_batch_3") in text
    assert message in text


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    assert "no such folder" in refused("mnist", tmp_path / "nowhere")
    text = refused("mnist", tmp_path)
    assert "train-images-idx3-ubyte.gz" in text
    assert str(tmp_path / "MNIST/raw") in text
    write_mnist(tmp_path / "mnist")
    (tmp_path / "mnist/t10k-labels-idx1-ubyte.gz").unlink()
    assert refused("mnist", tmp_path) == f"mnist: {tmp_path / 'mnist'} lacks t10k-labels-idx1-ubyte.gz"
    write_cifar10_binary(tmp_path)
    (tmp_path / "test_batch.bin").unlink()
    assert refused("cifar10", tmp_path) == f"cifar10: {tmp_path} lacks test_batch.bin"


def test_a_python_batch_that_would_run_code_is_refused(tmp_path: Path) -> None:
    write_cifar10_python(tmp_path)
    (tmp_path / "data_batch_1").write_bytes(b"\x80\x02cos\nsystem\nU\x04true\x85R.")
    assert "data_batch_1: refused: it would import os.system" in refused("cifar10", tmp_path)
