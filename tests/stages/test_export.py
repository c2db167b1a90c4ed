"""The export stage: what it writes is described byte by byte, what does not fit is refused before anything is written."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from stages.export import ExportConfig, export
from targets.errors import DoesNotFitError
from targets.profile import MemoryRegion, Profile, load_profile
from tests.networks import NETWORKS, filled


def with_ram(profile: Profile, size_bytes: int) -> Profile:
    region = MemoryRegion(kind="ram", total=size_bytes, source="test")
    return profile.model_copy(update={"memory": {"ram": region}})


@pytest.mark.parametrize("name", NETWORKS)
def test_files_are_described_as_they_are(name: str, tmp_path: Path) -> None:
    exported = export(filled(NETWORKS[name]()), load_profile("jetson_nano"), tmp_path)
    assert exported.family == "onnxruntime"
    for file in exported.files.values():
        content = (tmp_path / file.path).read_bytes()
        assert (file.size_bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_equal_networks_give_equal_bytes(tmp_path: Path) -> None:
    profile = load_profile("jetson_nano")
    for name in "ab":
        (tmp_path / name).mkdir()
    first, second = (export(filled(NETWORKS["branching"]()), profile, tmp_path / name) for name in "ab")
    assert first == second


def test_what_does_not_fit_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(DoesNotFitError, match="memory in ram"):
        export(filled(NETWORKS["chain"]()), with_ram(load_profile("jetson_nano"), 1000), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nir_is_written_when_asked_for(tmp_path: Path) -> None:
    profile, network = load_profile("jetson_nano"), filled(NETWORKS["chain"]())
    digests = set()
    for name in "ab":
        (tmp_path / name).mkdir()
        exported = export(network, profile, tmp_path / name, ExportConfig(nir=True))
        digests.add(exported.files["nir"].sha256)
        assert exported.files["nir"].path == "network.nir"
    assert len(digests) == 1
    (tmp_path / "without").mkdir()
    assert "nir" not in export(network, profile, tmp_path / "without", ExportConfig()).files
