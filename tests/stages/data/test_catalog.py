"""The catalog: names, numbers, and a fingerprint that follows the content and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stages.data.catalog import SOURCES, find_source, fingerprint, load_dataset
from targets.errors import ConfigurationError
from tests.stages.data.synthetic import random_split, write_cifar10_binary, write_image_classes, write_mnist

ROOT = Path(__file__).parents[3]


def test_every_source_says_in_one_line_what_it_is() -> None:
    names = [source.name for source in SOURCES]
    assert len(set(names)) == len(names)
    for source in SOURCES:
        assert find_source(source.name) is source
        assert 20 < len(source.summary) < 120
        assert "\n" not in source.summary


@pytest.mark.parametrize(
    ("name", "hint"),
    [("fashion", "did you mean fashion_mnist?"), ("cifar-10", "cifar10"), ("xyzzy", "known: digits, mnist")],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(ConfigurationError, match=f"unknown dataset '{name}'") as raised:
        load_dataset(name, None, 0)
    assert hint in raised.value.hint


@pytest.mark.parametrize("name", ["mnist@64", "images@0", "images@", "images@64@2", "images@-3", "@5"])
def test_a_number_is_refused_where_it_means_nothing(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"takes no number|unknown dataset"):
        find_source(name)


def test_a_number_changes_the_source() -> None:
    assert find_source("images@64").name == "images@64"


def test_bundled_digits_take_no_folder(tmp_path: Path) -> None:
    for use in (lambda: load_dataset("digits", tmp_path, 0), lambda: fingerprint("digits", tmp_path)):
        with pytest.raises(ConfigurationError, match="bundled and take no --data"):
            use()


def test_the_fingerprint_follows_the_content_alone(tmp_path: Path) -> None:
    write_mnist(tmp_path / "a/mnist")
    first = fingerprint("mnist", tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    labels = tmp_path / "b/mnist/train-labels-idx1-ubyte.gz"
    os.utime(labels, (1, 1))
    assert fingerprint("mnist", tmp_path / "b") == first
    assert fingerprint("mnist", tmp_path / "b/mnist") == first
    assert fingerprint("fashion_mnist", tmp_path / "b/mnist") != first
    status = labels.stat()
    labels.write_bytes(labels.read_bytes()[:-1] + b"\1")
    os.utime(labels, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert fingerprint("mnist", tmp_path / "b") != first


def test_the_fingerprint_follows_names_labels_and_number(tmp_path: Path) -> None:
    write_image_classes(tmp_path, random_split(12, (1, 4, 4), 2, 0), ["ant", "bee"])
    first = fingerprint("images", tmp_path)
    assert fingerprint("images@8", tmp_path) != first
    (tmp_path / "ant").rename(tmp_path / "aardvark")
    assert fingerprint("images", tmp_path) != first
    (tmp_path / "aardvark").rename(tmp_path / "ant")
    assert fingerprint("images", tmp_path) == first
    (tmp_path / "ant/000.png").rename(tmp_path / "bee/000.png")
    assert fingerprint("images", tmp_path) != first


def test_the_fingerprint_needs_the_files(tmp_path: Path) -> None:
    write_cifar10_binary(tmp_path)
    fingerprint("cifar10", tmp_path)
    (tmp_path / "data_batch_4.bin").unlink()
    with pytest.raises(ConfigurationError, match=r"lacks data_batch_4.bin"):
        fingerprint("cifar10", tmp_path)


def test_the_catalog_and_fingerprints_import_nothing_heavy() -> None:
    code = (
        "import sys; from stages.data.catalog import SOURCES, fingerprint; fingerprint('digits', None);"
        "print([name for name in ('sklearn', 'torch', 'PIL', 'pooch', 'requests', 'tonic') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
