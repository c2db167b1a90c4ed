"""The user's own arrays: each documented naming and layout is read, everything else named, nothing unpickled."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.data.catalog import load_dataset
from stages.data.npz import read_npz
from targets.errors import ConfigurationError
from tests.stages.data.synthetic import joined, random_split, same_images

TRAIN, TEST = random_split(60, (3, 8, 7), 3, 0), random_split(12, (3, 8, 7), 3, 1)
KERAS = {"x_train": TRAIN.images, "y_train": TRAIN.labels, "x_test": TEST.images, "y_test": TEST.labels}
MEDMNIST = {
    "train_images": TRAIN.images.transpose(0, 2, 3, 1),
    "train_labels": TRAIN.labels[:, None].astype(np.uint8),
    "val_images": TEST.images.transpose(0, 2, 3, 1),
    "val_labels": TEST.labels[:, None].astype(np.uint8),
    "test_images": TEST.images.transpose(0, 2, 3, 1),
    "test_labels": TEST.labels[:, None].astype(np.uint8),
}


def saved(folder: Path, **arrays: Any) -> Path:
    np.savez_compressed(folder / "own.npz", **arrays)
    return folder / "own.npz"


@pytest.mark.parametrize("arrays", [KERAS, MEDMNIST], ids=["keras", "medmnist"])
def test_both_namings_and_layouts_are_read(tmp_path: Path, arrays: dict[str, Any]) -> None:
    path = saved(tmp_path, **arrays)
    for given_ in (path, tmp_path):
        dataset = load_dataset("npz", given_, seed=0)
        assert np.array_equal(dataset.test.images, TEST.images)
        assert np.array_equal(dataset.test.labels, TEST.labels)
        assert dataset.class_names == ("0", "1", "2")
    if "val_images" in arrays:
        assert np.array_equal(dataset.validation.images, TEST.images)
        assert np.array_equal(dataset.train.images, TRAIN.images)
    else:
        assert same_images(joined(dataset.train, dataset.validation), TRAIN)


def test_whole_arrays_are_split_by_class(tmp_path: Path) -> None:
    arrays = {"images": TRAIN.images[:, 0], "labels": TRAIN.labels, "class_names": np.array(["ant", "bee", "cat"])}
    dataset = load_dataset("npz", saved(tmp_path, **arrays), seed=0)
    assert dataset.input_shape == (1, 8, 7)
    assert dataset.class_names == ("ant", "bee", "cat")
    assert [len(split) for split in dataset.splits.values()] == [42, 6, 12]


def test_frames_of_zeros_and_ones_are_events(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 2, (60, 4, 2, 5, 5), np.uint8)
    dataset = load_dataset("npz", saved(tmp_path, images=frames, labels=TRAIN.labels), seed=0)
    assert dataset.spiking
    assert dataset.input_shape == (2, 5, 5)
    assert same_images(joined(*dataset.splits.values()), type(TRAIN)(frames, TRAIN.labels))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x_train": TRAIN.images / 255}, "x_train holds float64 instead of uint8"),
        ({"x_train": TRAIN.images[:, :, :, :0]}, "x_train has shape (60, 3, 8, 0)"),
        ({"x_train": TRAIN.images[:, 0, 0]}, "x_train has shape (60, 7)"),
        (
            {"x_train": TRAIN.images.reshape(60, 3, 56)[:, :, :, None]},
            "leaves open where its one or three channels are",
        ),
        ({"x_test": TEST.images[:, :, :4]}, "test: images have shape (3, 4, 7)"),
        ({"y_train": TRAIN.labels[:-1]}, "x_train has shape (60, 3, 8, 7), y_train (59,)"),
        ({"y_train": np.eye(3, dtype=int)[TRAIN.labels]}, "y_train holds int64 of shape (60, 3)"),
        ({"y_train": TRAIN.labels.astype(float)}, "y_train holds float64"),
        ({"y_test": TEST.labels - 1}, "y_test holds labels from -1 to 1"),
        ({"y_test": TEST.labels + 1}, "y_train never names class 3"),
        ({"y_train": TRAIN.labels * 2, "y_test": TEST.labels * 2}, "y_train never names class 1"),
        ({"x_val": TEST.images}, "lacks y_val"),
        ({"class_names": np.array(["a", "b"])}, "class_names is not text for 3 classes"),
        ({"x_train": np.array([{"a": 1}, None], dtype=object)}, "damaged, or holds more than numbers"),
    ],
)
def test_wrong_arrays_are_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_dataset("npz", saved(tmp_path, **{**KERAS, **change}), 0)
    assert message in raised.value.message


def test_other_names_and_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"own.npz: holds a, b"):
        load_dataset("npz", saved(tmp_path, a=TRAIN.images, b=TRAIN.labels), 0)
    np.save(tmp_path / "array.npy", TRAIN.images)
    with pytest.raises(ConfigurationError, match=r"array.npy: not an .npz file"):
        load_dataset("npz", tmp_path / "array.npy", 0)
    with zipfile.ZipFile(tmp_path / "text.npz", "w") as archive:
        archive.writestr("x_train.npy", "not an array")
    with pytest.raises(ConfigurationError, match=r"holds 2 .npz files"):
        load_dataset("npz", tmp_path, 0)
    with pytest.raises(ConfigurationError, match=r"text.npz: x_train is not an array"):
        load_dataset("npz", tmp_path / "text.npz", 0)
    with pytest.raises(ConfigurationError, match="no such file"):
        load_dataset("npz", tmp_path / "nowhere.npz", 0)
    with pytest.raises(ConfigurationError, match="needs --data"):
        load_dataset("npz", None, 0)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_an_error_or_arrays_but_never_a_traceback(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(saved(tmp_path, images=TRAIN.images[:2, 0], labels=TRAIN.labels[:2]).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.npz"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        read_npz(path)
    except ConfigurationError as error:
        assert str(path) in error.message
        assert "\n" not in error.message
