"""`models.lock.toml`: what every target's model was when it was last regenerated, to be committed and compared with.

Comes in: outcomes with their run folders. Goes out: entries per target and dataset, and a file whose bytes depend on nothing
else: sorted keys, no durations, no paths of a machine. Hashes of inputs are kept per table of the profile, stage and
folder of code, so that a later difference can be told with what has changed.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, ValidationError

from pipeline.chain import ARTIFACT, CHAIN, folder_name
from pipeline.manifest import Manifest, read_manifest
from pipeline.regeneration.toml_text import toml_text
from pipeline.report.contract import Accuracy, Report
from stages.record import Record
from targets.errors import ConfigurationError
from targets.footprint import MeasuredBy
from targets.network_file import write_atomically

LOCK = Path("models.lock.toml")
_DIGITS = 16
_HEAD = (
    "# Written by `spikeport regenerate`, compared by `spikeport regenerate --check`. Commit it.\n"
    "# [tolerance] is yours to edit: how much worse than its entry a model may be. Everything else is replaced.\n\n"
)


class LockTolerance(Record):
    """What `--check` lets pass. A term may grow by the larger of both bounds."""

    #: Accuracy that may be lost, as a fraction: 0.01 is one percentage point.
    accuracy: Annotated[float, Field(ge=0, le=1)] = 0.01
    footprint_bytes: NonNegativeInt = 0
    #: The same as a share of the locked size.
    footprint_relative: Annotated[float, Field(ge=0)] = 0.0

    def allows(self, locked_bytes: int, now_bytes: int) -> bool:
        """Whether a term that was `locked_bytes` may be `now_bytes`."""
        return now_bytes - locked_bytes <= max(self.footprint_bytes, self.footprint_relative * locked_bytes)


class LockedTerm(Record):
    """Bytes of a term, or of a region."""

    estimated_bytes: int
    measured_bytes: int


class LockedModel(Record):
    """One target on one dataset."""

    seed: int
    preset: str
    parameters: int
    measured_by: MeasuredBy
    #: As JSON of `stages.snn.architecture.Architecture`.
    architecture: Mapping[str, Any]
    accuracy: Accuracy
    #: Of the artifact on the target's runtime and of training, against the reference.
    spikes_compared: int
    spikes_differing: int
    #: Terms by region and name.
    footprint: Mapping[str, Mapping[str, LockedTerm]]
    #: The most that is live at once, by region.
    budget: Mapping[str, LockedTerm]
    versions: Mapping[str, str]
    measured_with: Mapping[str, str]
    #: SHA-256 of every file of the artifact, by its path.
    artifact: Mapping[str, str]
    #: Short hashes of what decided the result, by what it is.
    inputs: Mapping[str, str]


class Lock(Record):
    """The whole file; models by target and dataset."""

    format: Literal[1] = 1
    tolerance: LockTolerance = LockTolerance()
    models: Mapping[str, Mapping[str, LockedModel]] = Field(default_factory=dict)

    def entry(self, target: str, dataset: str) -> LockedModel | None:
        """The model of a target on a dataset, None if there is none."""
        return self.models.get(target, {}).get(dataset)

    def with_entries(self, entries: Mapping[tuple[str, str], LockedModel]) -> Lock:
        """The same with entries added or replaced."""
        models = {target: dict(datasets) for target, datasets in self.models.items()}
        for (target, dataset), entry in entries.items():
            models.setdefault(target, {})[dataset] = entry
        return self.model_copy(update={"models": models})

    def without(self, targets: set[str]) -> Lock:
        """The same without some targets."""
        return self.model_copy(update={"models": {t: each for t, each in self.models.items() if t not in targets}})


def read_lock(path: Path) -> Lock | None:
    """The lock file, None if there is none.

    Raises:
        ConfigurationError: it is not a readable lock file; everything that is wrong in it.
    """
    hint = "restore it from version control, or remove it and regenerate"
    try:
        return Lock.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not valid TOML ({error})", hint) from error
    except ValidationError as error:
        problems = [f"{'.'.join(str(p) for p in item['loc'])}: {item['msg']}" for item in error.errors()]
        raise ConfigurationError.from_problems(str(path), problems, hint) from error


def write_lock(path: Path, lock: Lock) -> bool:
    """Writes the file whole; whether its bytes have changed."""
    content = (_HEAD + toml_text(lock.model_dump(mode="json"))).encode()
    if path.is_file() and path.read_bytes() == content:
        return False
    write_atomically(path, content)
    return True


def locked_model(folder: Path, report: Report) -> LockedModel:
    """The entry of a finished run.

    Raises:
        ConfigurationError: a manifest of the run is missing or damaged.
    """
    manifests = {stage.name: _manifest(folder / folder_name(stage.name)) for stage in CHAIN}
    footprint: dict[str, dict[str, LockedTerm]] = {}
    for row in report.footprint:
        term = LockedTerm(estimated_bytes=row.estimated_bytes, measured_bytes=row.measured_bytes)
        footprint.setdefault(row.region, {})[row.term] = term
    prefix = f"{ARTIFACT}/"
    files = {path: digest for path, digest in manifests["export"].outputs.items() if path.startswith(prefix)}
    return LockedModel(
        seed=report.seed,
        preset=report.preset,
        parameters=report.network.parameters,
        measured_by=report.measured_by,
        architecture=report.search.architecture.model_dump(mode="json"),
        accuracy=report.accuracy,
        spikes_compared=report.parity.spikes_compared,
        spikes_differing=report.parity.spikes_differing,
        footprint=footprint,
        budget={
            row.region: LockedTerm(estimated_bytes=row.estimated_bytes, measured_bytes=row.measured_bytes)
            for row in report.budget
        },
        versions=report.versions,
        measured_with=report.measured_with,
        artifact={path.removeprefix(prefix): digest for path, digest in files.items()},
        inputs=_inputs(manifests, report),
    )


def _manifest(folder: Path) -> Manifest:
    manifest = read_manifest(folder)
    if isinstance(manifest, Manifest):
        return manifest
    raise ConfigurationError(f"{folder}: no readable manifest", "regenerate again; only what is damaged is made anew")


def _inputs(manifests: Mapping[str, Manifest], report: Report) -> dict[str, str]:
    """One short hash per table of the profile, stage's configuration and folder of code."""
    parts: dict[str, Any] = {"dataset": report.dataset_fingerprint}
    for stage, manifest in manifests.items():
        if manifest.inputs["config"]:
            parts[f"settings of {stage}"] = manifest.inputs["config"]
        for path, digest in manifest.inputs["source"].items():
            parts.setdefault(f"code in {Path(path).parent.as_posix()}/", {})[path] = digest
    for table, value in manifests["verify"].inputs["profile"].items():  # the stage that is blind to none
        parts[f"{table} of the profile"] = value
    return {name: _digest(value) for name, value in parts.items()}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:_DIGITS]
