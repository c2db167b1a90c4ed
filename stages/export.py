"""Fourth stage: the integer network becomes the files that the target loads.

Comes in: a network with values, a profile, an empty folder, the names of the classes. Goes out: the artifact's files, with
their hashes. The family writes them; this stage refuses what the target cannot hold before anything is written. Asked for,
it adds `network.nir`, an interchange in float that other frameworks read (`targets.nir`); the target does not use it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from targets.errors import InternalError
from targets.families import family_named
from targets.fit import require_fit
from targets.network import Network
from targets.nir import write_nir
from targets.profile import Profile


class ExportConfig(BaseModel):
    """What is written beside the target's own files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Whether the network is written as NIR, too.
    nir: bool = False

    @classmethod
    def preset(cls, name: Literal["quick", "full"]) -> Self:
        """Both presets write what the target needs."""
        return cls()


class ExportedFile(BaseModel):
    """One file of the artifact."""

    model_config = ConfigDict(frozen=True)

    #: Relative to the export folder.
    path: str
    size_bytes: PositiveInt
    sha256: str


class Exported(BaseModel):
    """The artifact: its files by a name for people."""

    model_config = ConfigDict(frozen=True)

    family: str
    files: Mapping[str, ExportedFile] = Field(min_length=1)


def export(
    network: Network,
    profile: Profile,
    folder: Path,
    config: ExportConfig | None = None,
    class_names: Sequence[str] = (),
) -> Exported:
    """Writes the artifact of a network into `folder`; the artifact says what its classes are called, or numbers them.

    Raises:
        DoesNotFitError: the network exceeds the target; nothing was written.
        UnsupportedOperationError: the target cannot run an operation of it.
    """
    require_fit(network, profile)
    paths = dict(family_named(profile.family).export(network, profile, folder, class_names))
    if config is not None and config.nir:
        paths["nir"] = folder / "network.nir"
        write_nir(network, paths["nir"])
    return Exported(family=profile.family, files={name: _described(path, folder) for name, path in paths.items()})


def _described(path: Path, folder: Path) -> ExportedFile:
    if not path.is_relative_to(folder):
        raise InternalError(f"the exporter wrote {path}, which is outside of {folder}")
    content = path.read_bytes()
    return ExportedFile(
        path=path.relative_to(folder).as_posix(), size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest()
    )
