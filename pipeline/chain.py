"""The five stages in their order, written once: what each needs, which code it runs and how it is called.

`pipeline.deploy` runs them, skips those whose inputs have not changed, and stores what they return.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from pipeline.request import Configs, Request, profile_of
from pipeline.run_folder import RunFolder, remove
from stages.analyze import Analysis, analyze
from stages.data.catalog import find_source, fingerprint, load_dataset
from stages.data.dataset import Dataset
from stages.export import Exported, export
from stages.progress import Progress
from stages.quantize import Quantized, quantize
from stages.search import SearchResult, search
from stages.verify import Verification, verify, write_latencies
from targets.errors import InternalError
from targets.network import Network
from targets.network_file import load_network
from targets.profile import Profile

Result = TypeVar("Result", bound=BaseModel)
NETWORK = "network.safetensors"
#: Folder within the export stage that holds the artifact and nothing else.
ARTIFACT = "artifact"


@dataclass(frozen=True)
class Job:
    """What all stages of one run share. The dataset is read when a stage first looks at it."""

    request: Request
    profile: Profile
    configs: Configs
    folder: RunFolder
    #: Results of the stages so far, in order.
    results: list[BaseModel] = field(default_factory=list)

    @classmethod
    def of(cls, request: Request) -> Job:
        """Checks the request.

        Raises:
            ConfigurationError: the dataset, the target, its profile, the budget or a setting cannot be used.
        """
        find_source(request.dataset)
        profile = profile_of(request)
        folder = RunFolder(request.build / profile.name / request.dataset)
        return cls(request, profile, Configs.of(request), folder)

    @cached_property
    def dataset(self) -> Dataset:
        """The dataset, in memory."""
        return load_dataset(self.request.dataset, self.request.data, self.request.seed)

    @cached_property
    def fingerprint(self) -> str:
        """The hash of the dataset's files, known without reading images."""
        return _fingerprint(self.request.dataset, self.request.data)

    def result(self, kind: type[Result]) -> Result:
        """What the stage that returns this type returned."""
        for result in self.results:
            if isinstance(result, kind):
                return result
        raise InternalError(f"no stage has returned {kind.__name__} yet")

    def folder_of(self, stage: str) -> Path:
        """Where the finished files of a stage lie."""
        return self.folder.stage(folder_name(stage))

    def network(self) -> Network:
        """The trained integer network."""
        return load_network(self.folder_of("quantize") / NETWORK)


@cache
def _fingerprint(dataset: str, data: Path | None) -> str:
    """Read once per process, however many targets share the dataset."""
    return fingerprint(dataset, data)


@dataclass(frozen=True)
class Stage(Generic[Result]):
    """One stage of the chain."""

    name: str
    result: type[Result]
    #: Does the work; files go into the given folder, which may hold the state of a killed run.
    run: Callable[[Job, Path, Progress], Result]
    #: Files and folders of earlier stages that it reads; they are part of its key.
    needs: tuple[str, ...] = ()
    #: Modules of the target's family that it calls.
    doors: tuple[str, ...] = ()
    #: Parts of the profile that it certainly does not read.
    blind_to: frozenset[str] = frozenset({"tolerance", "measure"})
    #: Whether a stored result may stand in for a run.
    trusted: Callable[[Result], bool] = lambda _: True


def _analyze(job: Job, folder: Path, progress: Progress) -> Analysis:
    return analyze(job.dataset, job.profile, job.configs.analyze, progress)


def _search(job: Job, folder: Path, progress: Progress) -> SearchResult:
    return search(job.dataset, job.profile, job.result(Analysis), job.configs.search, folder, progress)


def _quantize(job: Job, folder: Path, progress: Progress) -> Quantized:
    architecture = job.result(SearchResult).architecture
    result = quantize(job.dataset, job.profile, architecture, job.configs.quantize, folder, progress)
    for checkpoint in folder.glob("checkpoint-*"):  # only a killed training needs them
        checkpoint.unlink()
    return result


def _export(job: Job, folder: Path, progress: Progress) -> Exported:
    artifact = folder / ARTIFACT
    remove(artifact)  # an export that was killed begins anew
    artifact.mkdir()
    return export(job.network(), job.profile, artifact, job.configs.export, job.dataset.class_names)


def _verify(job: Job, folder: Path, progress: Progress) -> Verification:
    artifact = job.folder_of("export") / ARTIFACT
    verification = verify(job.network(), job.profile, artifact, job.dataset, job.configs.verify, progress)
    write_latencies(verification, folder)
    return verification


_SIZING = ("settings", "rules", "estimate")

CHAIN: tuple[Stage[Any], ...] = (
    Stage("analyze", Analysis, _analyze, doors=_SIZING),
    Stage("search", SearchResult, _search, needs=("analyze/result.json",), doors=_SIZING),
    Stage("quantize", Quantized, _quantize, needs=("search/result.json",)),
    Stage("export", Exported, _export, needs=(f"quantize/{NETWORK}",), doors=(*_SIZING, "export")),
    Stage(
        "verify",
        Verification,
        _verify,
        needs=(f"quantize/{NETWORK}", f"export/{ARTIFACT}"),
        doors=(*_SIZING, "measure", "execute", "bundle", "timing", "weights"),
        blind_to=frozenset(),
        trusted=lambda verification: verification.ok,
    ),
)


def folder_name(stage: str) -> str:
    """`03_quantize`: the folder of a stage within its run."""
    return next(f"{number:02}_{each.name}" for number, each in enumerate(CHAIN, start=1) if each.name == stage)
