"""Event recordings: each event is in the frame, pixel and polarity where it belongs, and no other."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.data.catalog import find_source, load_dataset
from stages.data.events import bin_events
from targets.errors import ConfigurationError, ToolMissingError

EVENT = np.dtype([("x", np.int16), ("y", np.int16), ("p", bool), ("t", np.int64)])
HAS_TONIC = importlib.util.find_spec("tonic") is not None


def recording(*events: tuple[int, int, int, int]) -> np.ndarray:
    """From (x, y, t, p)."""
    made = np.zeros(len(events), EVENT)
    for row, (x, y, t, p) in zip(made, events, strict=True):
        row["x"], row["y"], row["t"], row["p"] = x, y, t, p
    return made


def test_events_are_binned_into_steps_of_equal_length() -> None:
    frames = bin_events(
        recording((1, 0, 100, 0), (2, 1, 149, 1), (2, 1, 149, 1), (0, 1, 150, 0), (3, 0, 199, 1)), 2, 2, 4
    )
    expected = np.zeros((2, 2, 2, 4), np.uint8)
    expected[0, 0, 0, 1] = expected[0, 1, 1, 2] = expected[1, 0, 1, 0] = expected[1, 1, 0, 3] = 1
    assert np.array_equal(frames, expected)


@given(
    events=st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(0, 10**15), st.integers(0, 1)), min_size=1
    ),
    frames=st.integers(1, 20),
)
def test_binning_equals_its_definition(events: list[tuple[int, int, int, int]], frames: int) -> None:
    first, last = min(e[2] for e in events), max(e[2] for e in events)
    expected = np.zeros((frames, 2, 3, 5), np.uint8)
    for x, y, t, p in events:
        expected[(t - first) * frames // (last - first + 1), p, y, x] = 1
    assert np.array_equal(bin_events(recording(*events), frames, 3, 5), expected)


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([], "no events"),
        ([(5, 0, 0, 0)], "x 5, outside of 0 to 4"),
        ([(0, -1, 0, 0)], "y -1, outside of 0 to 2"),
        ([(0, 0, 0, 0), (0, 0, 2**62, 1)], "time units apart"),
    ],
)
def test_events_off_the_sensor_are_refused(events: list[tuple[int, int, int, int]], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        bin_events(recording(*events), 4, 3, 5)


def gesture(seed: int, count: int = 50) -> np.ndarray:
    random = np.random.default_rng(seed)
    columns = [random.integers(0, end, count) for end in (128, 128, 2)]
    return np.stack([*columns, np.sort(random.integers(0, 900, count))], 1).astype(np.int64)


def write_gestures(folder: Path) -> None:
    for part, users in (("ibmGestureTrain", 3), ("ibmGestureTest", 1)):
        for user in range(users):
            inside = folder / part / f"user{user + 1:02}_led"
            inside.mkdir(parents=True)
            for label in range(11):
                np.save(inside / f"{label}.npy", gesture(user * 11 + label))


def test_gestures_are_read_from_their_arrays(tmp_path: Path) -> None:
    write_gestures(tmp_path / "DVSGesture")
    dataset = load_dataset("dvs_gesture@4", tmp_path, seed=0)
    assert dataset.spiking
    assert dataset.train.images.shape[1:] == (4, 2, 128, 128)
    assert find_source("dvs_gesture@4").input_shape == dataset.input_shape
    assert [len(split) for split in dataset.splits.values()] == [22, 11, 11]
    x, y, p, t = gesture(7)[10]
    low, high = gesture(7)[:, 3].min(), gesture(7)[:, 3].max()
    image = dataset.test.images[dataset.test.labels.tolist().index(7)]
    assert image[(t - low) * 4 // (high - low + 1), p, y, x] == 1
    assert load_dataset("dvs_gesture", tmp_path, seed=0).train.images.shape[1] == 8


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("3.npy", None, "3.npy: not a readable .npy file, or truncated"),
        ("3.npy", np.zeros((5, 3), int), "3.npy: does not hold one x, y, polarity and time"),
        ("3.npy", np.full((5, 4), 200), "3.npy: has an event with x 200, outside of 0 to 127"),
        ("3.npy", np.array([{}], dtype=object), "3.npy: not a readable .npy file"),
        ("11.npy", gesture(0), "11.npy: '11' is not a class from 0 to 10"),
        ("wave.npy", gesture(0), "wave.npy: 'wave' is not a class from 0 to 10"),
    ],
)
def test_a_wrong_recording_is_named(tmp_path: Path, name: str, content: Any, message: str) -> None:
    write_gestures(tmp_path)
    path = tmp_path / "ibmGestureTrain/user02_led" / name
    if content is None:
        path.write_bytes(path.read_bytes()[:-8])
    else:
        np.save(path, content, allow_pickle=True)
    with pytest.raises(ConfigurationError) as raised:
        load_dataset("dvs_gesture", tmp_path, 0)
    assert message in raised.value.message
    assert "\n" not in raised.value.message


def nmnist(events: list[tuple[int, int, int, int]]) -> bytes:
    """As N-MNIST stores (x, y, t, p): five bytes an event, big-endian, polarity in the highest bit of the time."""
    return b"".join(bytes([x, y]) + (p << 23 | t).to_bytes(3, "big") for x, y, t, p in events)


def write_nmnist(folder: Path) -> None:
    for part, count in (("Train", 4), ("Test", 1)):
        for label in range(10):
            (folder / part / str(label)).mkdir(parents=True)
            for index in range(count):
                content = nmnist([(label, index, 1000, 0), (33, 33, 300_999, 1)])
                (folder / part / str(label) / f"{index:05}.bin").write_bytes(content)


@pytest.mark.skipif(not HAS_TONIC, reason="tonic is not installed (pip install tonic)")
def test_nmnist_is_decoded_by_tonic(tmp_path: Path) -> None:
    write_nmnist(tmp_path / "NMNIST")
    dataset = load_dataset("nmnist@3", tmp_path, seed=0)
    assert dataset.test.images.shape == (10, 3, 2, 34, 34)
    for image, label in zip(dataset.train.images, dataset.train.labels, strict=True):
        assert image.sum() == 2
        assert image[0, 0, :4, label].sum() == 1
        assert image[2, 1, 33, 33] == 1
    path = tmp_path / "NMNIST/Train/3/00001.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ConfigurationError, match=r"00001.bin: truncated: 9 bytes"):
        load_dataset("nmnist", tmp_path, 0)


def test_without_tonic_the_one_command_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_nmnist(tmp_path)
    monkeypatch.setitem(sys.modules, "tonic", None)  # what Python does when a package is not there
    monkeypatch.setitem(sys.modules, "tonic.io", None)
    with pytest.raises(ToolMissingError) as raised:
        load_dataset("nmnist", tmp_path, 0)
    assert raised.value.hint == "pip install tonic"
