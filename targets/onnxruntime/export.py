"""Writes everything that a Linux board, or whoever programs it, gets of a network.

step.onnx, whole.onnx    the network: one time step with explicit states, and all steps on one input (`onnx_file`)
SHA256SUMS               their hashes: what was altered after the export is refused
example.py, example.c    the shortest programs that run whole.onnx; ort_api.h declares what the latter uses
board.tar.gz             a folder that builds, runs, checks and measures itself on the board alone (`board`)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from targets.errors import ConfigurationError, UnsupportedOperationError
from targets.network import Network
from targets.network_file import write_atomically
from targets.onnxruntime import checksums
from targets.onnxruntime.board import write_tarball
from targets.onnxruntime.onnx_file import write
from targets.onnxruntime.rules import rules
from targets.onnxruntime.settings import Settings
from targets.profile import Profile

HERE = Path(__file__).parent
_EXAMPLES = {
    "example in Python": HERE / "examples/example.py",
    "example in C": HERE / "examples/example.c",
    "declarations of the example in C": HERE / "runner/ort_api.h",
}


def export(network: Network, profile: Profile, folder: Path, class_names: Sequence[str] = ()) -> Mapping[str, Path]:
    """Writes all files into `folder`; returns their paths by a name for people.

    Raises:
        ConfigurationError: the network has no values.
        UnsupportedOperationError: an intermediate result does not fit the runtime's int32.
    """
    if not network.has_values:
        raise ConfigurationError("this integer network has shapes only and cannot be exported", "train it first")
    found = [finding for rule in rules for finding in rule(network, profile)]
    if found:
        lines = "".join(f"\n  - {finding}" for finding in found)
        raise UnsupportedOperationError(f"the network cannot run on {profile.name}:{lines}", found[0].hint)
    settings: Settings = profile.settings
    paths = {str(form): path for form, path in write(network, folder, profile.name, settings, class_names).items()}
    paths["checksums"] = folder / checksums.NAME
    for name, source in _EXAMPLES.items():
        paths[name] = folder / source.name
        write_atomically(paths[name], source.read_bytes())
    return {**paths, "board": write_tarball(network, settings, folder)}
