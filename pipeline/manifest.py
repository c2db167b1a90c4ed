"""The manifest beside every stage's results: what went in, what came out, how long it took and why it ran.

The key of a stage is the hash of its inputs: configuration, profile, seed, dataset, the bytes of earlier results, source code
and tool versions. Equal keys give equal results, so a stage with an unchanged key does not run. Because earlier results count
by their bytes, a stage that ran again and came out the same does not disturb those after it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, ValidationError

from pipeline.sources import file_hash
from targets.network_file import write_atomically

MANIFEST = "manifest.json"
_SHOWN = 40
#: Inputs whose names are paths, told apart from their parent by a colon rather than a dot.
_FILES = ("source", "results")

Inputs = Mapping[str, Any]
"""JSON objects within JSON objects; the leaves are compared one by one when a key differs."""


class Manifest(BaseModel):
    """What `manifest.json` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    stage: str
    key: str
    inputs: dict[str, Any]
    #: SHA-256 of every file of the stage, by its path in the stage's folder.
    outputs: dict[str, str]
    #: Duration of the run that finished it; an earlier, killed one is not counted.
    seconds: NonNegativeFloat
    #: Why it ran, one sentence each.
    reasons: tuple[str, ...]


class Damaged(NamedTuple):
    """A manifest or one of the files it lists is not as it was written."""

    what: str


def key_of(inputs: Inputs) -> str:
    """SHA-256 over the canonical JSON of the inputs."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes `manifest.json` atomically: its presence says that the stage is complete."""
    write_atomically(folder / MANIFEST, (manifest.model_dump_json(indent=1) + "\n").encode())


def read_manifest(folder: Path) -> Manifest | Damaged | None:
    """The manifest of a stage's folder, None if there is none."""
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValidationError as error:
        return Damaged(f"{MANIFEST} is not readable ({str(error).splitlines()[0]})")
    return manifest if manifest.key == key_of(manifest.inputs) else Damaged(f"{MANIFEST} contradicts itself")


def output_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder by relative path, without the manifest and hidden files (torn writes)."""
    files = (path for path in folder.rglob("[!.]*") if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(folder).as_posix(): file_hash(path) for path in sorted(files)}


def damage(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Every listed file that is missing, or not what the stage wrote."""
    for name, expected in manifest.outputs.items():
        path = folder / name
        if not path.is_file():
            yield f"{name} is missing"
        elif file_hash(path) != expected:
            yield f"{name} is not what the stage wrote (truncated or edited)"


def differences(old: Inputs, new: Inputs) -> list[str]:
    """What changed between two keys' inputs, one sentence per leaf."""
    before, after = ({path: json.dumps(leaf) for path, leaf in _leaves(inputs)} for inputs in (old, new))
    sentences = []
    for path in sorted(before.keys() | after.keys()):
        if path not in before:
            sentences.append(f"{path} is new")
        elif path not in after:
            sentences.append(f"{path} is gone")
        elif before[path] != after[path]:
            sentences.append(_changed(path, before[path], after[path]))
    return sentences


def _changed(path: str, before: str, after: str) -> str:
    if max(len(before), len(after)) > _SHOWN:
        return f"{path} changed"
    return f"{path} changed from {before} to {after}"


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _leaves(item, f"{path}: {name}" if path in _FILES else f"{path}.{name}" if path else name)
    else:
        yield path, value
