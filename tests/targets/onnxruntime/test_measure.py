"""The measured heap is a property of the files: the same bytes again, and wherever they lie."""

from __future__ import annotations

from pathlib import Path

from targets.onnxruntime.export import export
from targets.onnxruntime.measure import measure
from targets.profile import Profile
from tests.networks import NETWORKS, filled


def test_the_same_files_measure_the_same_bytes_in_any_folder(tmp_path: Path, nano: Profile) -> None:
    network = filled(NETWORKS["chain"]())
    folders = [tmp_path / "a", tmp_path / "a_much_longer_path" / "of_a_user" / "b"]
    for folder in folders:
        folder.mkdir(parents=True)
        export(network, nano, folder)
    first, second = (measure(folder, network, nano) for folder in folders)
    assert first.terms == second.terms
