"""The restricted pickle reader: equal to pickle on plain values, and never more than that."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stages.data.plain_pickle import read_plain_pickle
from targets.errors import ConfigurationError
from tests.stages.data.synthetic import python2_pickle

IN_ONE_FOLDER = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text() | st.binary()
)
ARRAYS = hnp.arrays(
    st.sampled_from(["u1", "i2", "<i4", ">i4", "i8", "f4", "?"]),
    hnp.array_shapes(min_side=1),
)
PLAIN = st.recursive(
    SCALARS | ARRAYS,
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers() | st.binary(), inner)
    ),
    max_leaves=12,
)
BATCH = {b"labels": [3, 300, 9], b"data": np.arange(12, dtype=np.uint8).reshape(3, 4), b"batch_label": b"training" * 50}


def read(folder: Path, content: bytes) -> Any:
    path = folder / "batch"
    path.write_bytes(content)
    return read_plain_pickle(path)


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return type(b) is dict and a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))
    return type(a) is type(b) and a == b


@IN_ONE_FOLDER
@given(value=PLAIN, protocol=st.sampled_from([2, 3, 4]))
@example(value=np.asfortranarray(np.arange(6, dtype="u1").reshape(2, 3)), protocol=2)
def test_plain_values_come_back_as_pickle_wrote_them(tmp_path: Path, value: Any, protocol: int) -> None:
    assert equal(read(tmp_path, pickle.dumps(value, protocol)), value)


def test_a_batch_of_python_2_comes_back_with_bytes_for_text(tmp_path: Path) -> None:
    content = python2_pickle(BATCH)
    assert equal(pickle.loads(content, encoding="bytes"), BATCH)  # noqa: S301 - the test's own bytes are what CIFAR has
    assert equal(read(tmp_path, content), BATCH)


class _Attack:
    def __init__(self, target: Path) -> None:
        self._target = target

    def __reduce__(self) -> Any:
        return Path.touch, (self._target,)


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_in_the_file_is_executed(tmp_path: Path, protocol: int) -> None:
    content = pickle.dumps({"data": _Attack(tmp_path / "executed")}, protocol)
    with pytest.raises(ConfigurationError, match=r"batch: refused: (it would import|opcode)"):
        read(tmp_path, content)
    assert not (tmp_path / "executed").exists()
    pickle.loads(content)  # noqa: S301 - the attack is a real one
    assert (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x80\x02cos\nsystem\nU\x04true\x85R.", "it would import os.system"),
        (b"\x80\x02cnumpy\nload\nU\x04file\x85R.", "it would import numpy.load"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.", "it would import os.system"),
        (b"\x80\x04]]\x93.", "it would import something"),
        (b"(S'true'\nios\nsystem\n.", "opcode"),
        (b"\x80\x02\x82\x01.", "opcode EXT1"),
        (b"\x80\x02U\x01xQ.", "opcode BINPERSID"),
        (b"\x80\x02cnumpy\nndarray\n)\x81.", "opcode NEWOBJ"),
        (b"\x80\x02cnumpy\nndarray\n.", "not plain"),
        (b"\x80\x02cnumpy\nndarray\nK\x01\x85R.", "it calls something"),
        (b"\x80\x02cnumpy\ndtype\nU\x01O\x85R.", "an array of type 'O'"),
        (b"\x80\x02]}b.", "it sets the state of an object"),
        (b"\x80\x02]\x86.", "too short a stack"),
        (b"\x80\x02})K\x01s.", "plain keys"),
        (b"", "not a readable pickle"),
        (b"junk", "not a readable pickle"),
    ],
)
def test_everything_else_is_refused_by_name(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path, content)
    assert str(tmp_path / "batch") in raised.value.message
    assert reason in raised.value.message
    assert "\n" not in raised.value.message


def test_an_array_of_another_size_than_its_bytes_is_refused(tmp_path: Path) -> None:
    content = python2_pickle({b"data": np.zeros((3, 4), np.uint8)}).replace(b"(K\x03K\x04t", b"(K\x03K\x05t")
    with pytest.raises(ConfigurationError, match="does not match its 12 bytes"):
        read(tmp_path, content)


@IN_ONE_FOLDER
@given(data=st.data())
def test_damage_is_an_error_or_a_value_but_never_a_traceback(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from([python2_pickle(BATCH), pickle.dumps(BATCH, 4)])))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        read(tmp_path, bytes(content[: data.draw(st.integers(0, len(content)))]))
    except ConfigurationError as error:
        assert str(tmp_path / "batch") in error.message


@pytest.mark.parametrize("length", range(0, 500, 7))
def test_a_truncated_file_is_refused(tmp_path: Path, length: int) -> None:
    with pytest.raises(ConfigurationError, match="batch"):
        read(tmp_path, python2_pickle(BATCH)[:length])
