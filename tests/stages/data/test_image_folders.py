"""Folders of images: every file is read or named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from stages.data.catalog import find_source, load_dataset
from stages.data.dataset import Split
from stages.data.images import Shape, read_images
from targets.errors import ConfigurationError
from tests.stages.data.synthetic import (
    joined,
    random_split,
    same_images,
    write_image,
    write_image_classes,
    write_tiny_imagenet,
)

NAMES = ["ant", "bee", "cat"]


def refused(folder: Path, name: str = "images") -> str:
    with pytest.raises(ConfigurationError) as raised:
        load_dataset(name, folder, 0)
    return raised.value.message


def write_splits(folder: Path, **counts: int) -> dict[str, Split]:
    splits = {part: random_split(count, (3, 8, 6), 3, seed) for seed, (part, count) in enumerate(counts.items())}
    for part, split in splits.items():
        write_image_classes(folder / part, split, NAMES)
    return splits


@pytest.mark.parametrize("above", [0, 2])
def test_one_folder_per_class_is_split_by_class(tmp_path: Path, above: int) -> None:
    split = random_split(60, (1, 8, 6), 3, 0)
    folder = tmp_path.joinpath(*["deeper"] * above)
    write_image_classes(folder, split, NAMES)
    (folder / "ant/.DS_Store").write_bytes(b"finder")
    (folder / "README.md").write_text("about these images")
    dataset = load_dataset("images", tmp_path, seed=0)
    assert dataset.class_names == ("ant", "bee", "cat")
    assert dataset.input_shape == (1, 8, 6)
    assert [len(part) for part in dataset.splits.values()] == [42, 6, 12]
    assert same_images(joined(*dataset.splits.values()), split)


def test_train_validation_and_test_stay_as_they_are(tmp_path: Path) -> None:
    splits = write_splits(tmp_path, train=30, val=6, test=9)
    dataset = load_dataset("images", tmp_path, seed=0)
    for given_, read in ((splits["train"], dataset.train), (splits["val"], dataset.validation)):
        assert same_images(given_, read)
    assert same_images(splits["test"], dataset.test)


def test_val_tests_where_there_is_no_test(tmp_path: Path) -> None:
    splits = write_splits(tmp_path, train=30, val=6)
    dataset = load_dataset("images", tmp_path, seed=0)
    assert same_images(splits["val"], dataset.test)
    assert same_images(splits["train"], joined(dataset.train, dataset.validation))


def test_images_of_one_edge_are_cut_and_scaled(tmp_path: Path) -> None:
    for index, (rows, columns) in enumerate([(32, 64), (64, 32), (10, 10)] * 2):
        for name, value in (("dark", 10), ("light", 200)):
            write_image(tmp_path / name / f"{index}.png", np.full((3, rows, columns), value, np.uint8))
    assert "64x32 pixels instead of" in refused(tmp_path) or "32x64 pixels instead of" in refused(tmp_path)
    dataset = load_dataset("images@16", tmp_path, seed=0)
    assert dataset.input_shape == (3, 16, 16)
    for split in dataset.splits.values():
        assert (split.images == np.where(split.labels == 0, 10, 200)[:, None, None, None]).all()


@pytest.mark.parametrize(
    ("mode", "channels", "value"),
    [("L", 1, 77), ("1", 1, True), ("P", 3, 0), ("RGBA", 3, (9, 8, 7, 255)), ("LA", 1, (5, 255))],
)
def test_modes_of_eight_bits_are_read(tmp_path: Path, mode: str, channels: int, value: object) -> None:
    Image.new(mode, (4, 4), value).save(tmp_path / "image.png")
    images = read_images("images", [tmp_path / "image.png"], Shape(channels, 4, 4))
    assert images.shape == (1, channels, 4, 4)
    if mode == "RGBA":
        assert images[0, :, 0, 0].tolist() == [9, 8, 7]


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _deep(path: Path) -> None:
    Image.new("I;16", (6, 8)).save(path)


def _transparent(path: Path) -> None:
    Image.new("RGBA", (6, 8), (1, 2, 3, 100)).save(path)


def _moving(path: Path) -> None:
    Image.new("L", (6, 8)).save(path, format="GIF", save_all=True, append_images=[Image.new("L", (6, 8), 255)])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.write_text("hello"), "not an image"),
        (lambda path: path.write_bytes(b""), "not an image"),
        (_cut, "truncated or damaged image"),
        (_deep, "mode I;16"),
        (_transparent, "partly transparent"),
        (_moving, "has 2 frames"),
        (lambda path: write_image(path, np.zeros((3, 8, 7), np.uint8)), "7x8 pixels instead of 6x8"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, spoil: Callable[[Path], object], message: str) -> None:
    write_splits(tmp_path, train=30, test=6)
    path = tmp_path / "train/bee/004.png"
    assert path.exists()
    spoil(path)
    text = refused(tmp_path)
    assert f"{path}: " in text
    assert message in text
    assert "\n" not in text


def test_what_does_not_belong_is_named(tmp_path: Path) -> None:
    write_splits(tmp_path, train=30, test=6)
    write_image(tmp_path / "test/dog/1.png", np.zeros((3, 8, 6), np.uint8))
    write_image(tmp_path / "train/loose.png", np.zeros((3, 8, 6), np.uint8))
    (tmp_path / "train/ant/inner").mkdir()
    (tmp_path / "train/empty").mkdir()
    (tmp_path / "extra").mkdir()
    text = refused(tmp_path)
    for expected in (
        f"{tmp_path / 'test/dog'}: a class that train does not have",
        f"{tmp_path / 'train/loose.png'}: an image outside of any class folder",
        f"{tmp_path / 'train/ant/inner'}: a folder inside the folder of a class",
        f"{tmp_path / 'train/empty'}: no images of this class",
        f"{tmp_path / 'extra'}: neither train, val nor test",
    ):
        assert expected in text


def test_many_problems_are_counted(tmp_path: Path) -> None:
    write_splits(tmp_path, train=30, test=15)
    for path in (tmp_path / "test").glob("*/*.png"):
        path.write_text("no image")
    text = refused(tmp_path)
    assert text.count("not an image") == 10
    assert "and 5 more" in text


@pytest.mark.parametrize("folder", [None, "nowhere", "."])
def test_a_folder_has_to_be_given_and_to_hold_classes(tmp_path: Path, folder: str | None) -> None:
    with pytest.raises(ConfigurationError, match=r"needs --data|no such folder|at least two classes"):
        load_dataset("images", tmp_path / folder if folder else None, 0)


def test_images_beyond_memory_are_refused_before_they_are_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"take 34 GiB") as raised:
        read_images("images", [tmp_path / "x.png"] * 1000, Shape(3, 3000, 4000))
    assert "images@64" in raised.value.hint


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(format_=st.sampled_from(["PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM"]), data=st.data())
def test_damaged_images_are_read_or_named(tmp_path: Path, format_: str, data: st.DataObject) -> None:
    path = tmp_path / "image"
    noise = np.random.default_rng(0).integers(0, 256, (7, 9, 3), np.uint8)
    Image.fromarray(noise).save(path, format=format_)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        images = read_images("images", [path], Shape(3, 7, 9))
    except ConfigurationError as error:
        assert f"{path}: " in error.message
    else:
        assert images.shape == (1, 3, 7, 9)


def test_tiny_imagenet_takes_val_as_test(tmp_path: Path) -> None:
    train, test = write_tiny_imagenet(tmp_path / "tiny-imagenet-200")
    for folder in (tmp_path, tmp_path / "tiny-imagenet-200"):
        dataset = load_dataset("tiny_imagenet", folder, seed=0)
        assert np.array_equal(dataset.test.images, test.images)
        assert np.array_equal(dataset.test.labels, test.labels)
        assert same_images(joined(dataset.train, dataset.validation), train)
    assert find_source("tiny_imagenet").input_shape == dataset.input_shape
    assert len(dataset.validation) == 3
    assert dataset.class_names == ("goldfish", "European fire salamander", "bullfrog")


def _edit(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: _edit(f / "val/val_annotations.txt", "val_0.JPEG", "val_9.JPEG"), "line 1: no image 'val_9.JPEG'"),
        (lambda f: _edit(f / "val/val_annotations.txt", "val_0.JPEG", "val_1.JPEG"), "line 2: no image 'val_1.JPEG'"),
        (lambda f: _edit(f / "val/val_annotations.txt", "n01629819", "n9"), "line 2: no class 'n9' in wnids.txt"),
        (lambda f: _edit(f / "wnids.txt", "n01641577\n", ""), "n01641577: a class that wnids.txt does not list"),
        (lambda f: shutil.rmtree(f / "train/n01641577/images"), "n01641577/images: no images of this class"),
        (lambda f: _cut(f / "train/n01641577/images/n01641577_2.JPEG"), "n01641577_2.JPEG: truncated or damaged"),
        (lambda f: write_image(f / "val/images/new.png", np.zeros((3, 64, 64), np.uint8)), "new.png: not annotated"),
        (lambda f: (f / "wnids.txt").unlink(), "lacks wnids.txt"),
    ],
)
def test_a_spoilt_tiny_imagenet_is_named(tmp_path: Path, spoil: Callable[[Path], object], message: str) -> None:
    write_tiny_imagenet(tmp_path)
    spoil(tmp_path)
    assert message in refused(tmp_path, "tiny_imagenet")
