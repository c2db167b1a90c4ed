"""Keys change exactly when an input does; damage of any kind is noticed; differences name what changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.manifest import (
    MANIFEST,
    Damaged,
    Manifest,
    damage,
    differences,
    key_of,
    output_hashes,
    read_manifest,
    write_manifest,
)

names = st.sampled_from(["epochs", "rate", "seed", "bits"])
leaves = st.one_of(
    st.integers(-3, 3), st.sampled_from(["", "1", "adam"]), st.booleans(), st.sampled_from([0.0, -0.0, 1.0])
)
inputs = st.dictionaries(names, st.one_of(leaves, st.dictionaries(names, leaves, max_size=3)), max_size=4)


def manifest_of(folder: Path, **given: object) -> Manifest:
    read = {"config": {"epochs": 3}, **given}
    return Manifest(
        stage="search", key=key_of(read), inputs=read, outputs=output_hashes(folder), seconds=1.5, reasons=("new",)
    )


@given(inputs)
def test_the_key_does_not_depend_on_the_order(values: dict) -> None:
    assert key_of(values) == key_of(dict(reversed(values.items())))


@given(inputs, inputs)
def test_keys_are_equal_exactly_when_nothing_differs(left: dict, right: dict) -> None:
    assert (key_of(left) == key_of(right)) == (not differences(left, right))


def test_differences_name_the_leaf_and_both_values() -> None:
    old = {"config": {"epochs": 3, "gone": 1}, "source": {"stages/search.py": "a" * 64}, "same": 1}
    new = {"config": {"epochs": 4, "rate": 0.1}, "source": {"stages/search.py": "b" * 64}, "same": 1}
    assert differences(old, new) == [
        "config.epochs changed from 3 to 4",
        "config.gone is gone",
        "config.rate is new",
        "source: stages/search.py changed",
    ]


def test_a_manifest_comes_back_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text("{}")
    written = manifest_of(tmp_path)
    write_manifest(tmp_path, written)
    assert read_manifest(tmp_path) == written
    assert list(damage(tmp_path, written)) == []


def test_no_folder_means_no_manifest(tmp_path: Path) -> None:
    assert read_manifest(tmp_path / "nothing") is None


@pytest.mark.parametrize("cut", [0, 1, 40, -2])
def test_a_truncated_manifest_is_damaged(tmp_path: Path, cut: int) -> None:
    write_manifest(tmp_path, manifest_of(tmp_path))
    path = tmp_path / MANIFEST
    path.write_bytes(path.read_bytes()[:cut])
    assert isinstance(read_manifest(tmp_path), Damaged)


def test_an_edited_manifest_is_damaged(tmp_path: Path) -> None:
    write_manifest(tmp_path, manifest_of(tmp_path))
    path = tmp_path / MANIFEST
    path.write_text(path.read_text().replace('"epochs": 3', '"epochs": 4'))
    assert isinstance(read_manifest(tmp_path), Damaged)


def test_truncated_edited_and_missing_files_are_found(tmp_path: Path) -> None:
    for name in ("whole", "truncated", "missing", "edited"):
        (tmp_path / name).write_bytes(b"weights")
    written = manifest_of(tmp_path)
    (tmp_path / "truncated").write_bytes(b"wei")
    (tmp_path / "edited").write_bytes(b"weightS")
    (tmp_path / "missing").unlink()
    found = list(damage(tmp_path, written))
    assert len(found) == 3
    assert {line.split()[0] for line in found} == {"truncated", "edited", "missing"}


def test_hidden_files_are_no_outputs(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "net").write_bytes(b"x")
    (tmp_path / ".net.torn").write_bytes(b"x")
    assert list(output_hashes(tmp_path)) == ["sub/net"]
