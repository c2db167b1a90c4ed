"""Runs the chain in its run folder: keeps what has not changed, runs the rest, stores every result whole.

Comes in: a Job and a Watcher. Goes out: the results in the job and the manifests. Everything that a stage does happens between
`RunFolder.begin` and `RunFolder.publish`, so that a kill loses at most what the stage itself has not written yet.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from pipeline.chain import CHAIN, Job, Stage, folder_name
from pipeline.manifest import Damaged, Manifest, differences, key_of, output_hashes, write_manifest
from pipeline.sources import closure
from stages.verifying.venue import venue_of
from targets.network_file import write_atomically

RESULT = "result.json"
Result = TypeVar("Result", bound=BaseModel)
#: Texts of a profile that no stage acts on, besides the sources of its numbers.
_FOR_PEOPLE = frozenset({"name", "summary"})


class Watcher(Protocol):
    """Is told what happens to each stage."""

    def kept(self, stage: str, manifest: Manifest, result: BaseModel) -> None:
        """The stored result stands in; the manifest says why it last ran."""

    def started(self, stage: str, reasons: list[str], resumed: bool) -> None:
        """The stage runs, for these reasons; `resumed` if it goes on from a killed run."""

    def finished(self, stage: str, seconds: float, result: BaseModel) -> None:
        """The stage has stored its result."""

    def progress(self, what: str, done: float, total: float) -> None:
        """A `stages.progress.Progress` for the stage that runs."""


def run_chain(job: Job, until: str, watcher: Watcher) -> dict[str, Manifest]:
    """Runs the stages up to and including `until`; the manifests by stage.

    Raises:
        ConfigurationError: another process works in the folder, or an input cannot be used.
        DoesNotFitError: the search found nothing that fits the target.
    """
    manifests: dict[str, Manifest] = {}
    with job.folder.locked():
        for stage in CHAIN:
            manifests[stage.name] = _settle(job, stage, manifests, watcher)
            if stage.name == until:
                break
    return manifests


def unchanged(job: Job) -> dict[str, Manifest] | None:
    """The manifests of a finished chain of which no stage would run again, with the results in the job; else None.

    Nothing is computed and no library of a stage is imported, so that one process can ask this about many targets.

    Raises:
        ConfigurationError: another process works in the folder, or the dataset cannot be read.
    """
    manifests: dict[str, Manifest] = {}
    with job.folder.locked():
        for stage in CHAIN:
            job.folder.recover(folder_name(stage.name))
            kept = _stored(job, stage, stage_inputs(job, stage, manifests))
            if isinstance(kept, list):
                job.results.clear()
                return None
            manifests[stage.name], result = kept
            job.results.append(result)
    return manifests


def _settle(job: Job, stage: Stage[Result], earlier: Mapping[str, Manifest], watcher: Watcher) -> Manifest:
    """Makes the stored result the right one, by keeping it or by running the stage."""
    job.folder.recover(folder_name(stage.name))
    inputs = stage_inputs(job, stage, earlier)
    kept = _stored(job, stage, inputs)
    if isinstance(kept, list):
        return _run(job, stage, inputs, kept, watcher)
    manifest, result = kept
    job.results.append(result)
    watcher.kept(stage.name, manifest, result)
    return manifest


def _stored(job: Job, stage: Stage[Result], inputs: dict[str, Any]) -> tuple[Manifest, Result] | list[str]:
    """What the stage stored for these inputs, or why it must run."""
    folder = folder_name(stage.name)
    stored = job.folder.complete(folder)
    reasons = _reasons(stored, inputs)
    if not isinstance(stored, Manifest) or reasons:
        return reasons
    result = _load(stage, job.folder.stage(folder))
    if result is None or not stage.trusted(result):
        return ["the stored result did not pass" if result else f"{RESULT} is not readable"]
    return stored, result


def _run(job: Job, stage: Stage[Result], inputs: dict[str, Any], reasons: list[str], watcher: Watcher) -> Manifest:
    folder, key = folder_name(stage.name), key_of(inputs)
    partial, resumed = job.folder.begin(folder, key)
    watcher.started(stage.name, reasons, resumed)
    began = time.monotonic()
    result = stage.run(job, partial, watcher.progress)
    write_atomically(partial / RESULT, (result.model_dump_json(indent=1) + "\n").encode())
    seconds = round(time.monotonic() - began, 3)
    manifest = Manifest(
        stage=stage.name,
        key=key,
        inputs=inputs,
        outputs=output_hashes(partial),
        seconds=seconds,
        reasons=tuple(reasons),
    )
    write_manifest(partial, manifest)
    job.folder.publish(folder)
    job.results.append(result)
    watcher.finished(stage.name, seconds, result)
    return manifest


def stage_inputs(job: Job, stage: Stage[Any], earlier: Mapping[str, Manifest]) -> dict[str, Any]:
    """Everything that decides a stage's result."""
    family = job.profile.family
    modules = (f"stages.{stage.name}", *(f"targets.{family}.{door}" for door in stage.doors))
    code = closure(modules, (f"targets/{family}",) if stage.doors else ())
    config = getattr(job.configs, stage.name, None)
    profile = job.profile.model_dump(mode="json", exclude=set(stage.blind_to | _FOR_PEOPLE))
    venue = venue_of(job.profile, None) if "measure" in stage.doors else None
    return {
        "config": {} if config is None else config.model_dump(mode="json"),
        "profile": _without_sources(profile),
        "dataset": {"files": job.fingerprint, "seed": job.request.seed},
        "results": dict(_needed(stage, earlier)),
        "source": dict(code.files),
        "tools": code.tools(),
        "venue": {"obtained": venue.obtained, "shortfall": venue.shortfall} if venue else {},
    }


def _needed(stage: Stage[Any], earlier: Mapping[str, Manifest]) -> Iterator[tuple[str, str]]:
    """Name and hash of every file of earlier stages that a stage reads."""
    for need in stage.needs:
        owner, path = need.split("/", 1)
        for name, digest in earlier[owner].outputs.items():
            if name == path or name.startswith(f"{path}/"):
                yield f"{owner}/{name}", digest


def _reasons(stored: Manifest | Damaged | None, inputs: dict[str, Any]) -> list[str]:
    """Why a stage must run; empty if it need not."""
    if stored is None:
        return ["there is no earlier result"]
    if isinstance(stored, Damaged):
        return [stored.what]
    if stored.key == key_of(inputs):
        return []
    return differences(stored.inputs, inputs)


def _load(stage: Stage[Result], folder: Path) -> Result | None:
    try:
        return stage.result.model_validate_json((folder / RESULT).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _without_sources(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_sources(item) for name, item in value.items() if name != "source"}
    return value
