"""From the results of the stages to the Report.

Comes in: a Job whose chain has ended, and the manifests. Goes out: a Report. Nothing is computed here that a stage knows; this is
where names of the stages become names of the contract.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pipeline.chain import ARTIFACT, Job, folder_name
from pipeline.manifest import Manifest
from pipeline.report.contract import (
    Accuracy,
    Budget,
    DrawnConnection,
    DrawnNetwork,
    DrawnPopulation,
    Epoch,
    ParityCounts,
    Report,
    Search,
    StageRun,
)
from pipeline.report.places import PLACES
from stages.analyze import Analysis
from stages.data.catalog import find_source
from stages.export import Exported
from stages.quantize import Quantized
from stages.search import LOG, SearchResult
from stages.verify import Verification, read_latencies
from targets.families import family_named
from targets.network import Connection, Conv, Dense, Network, Pool

_MOST_CANDIDATES = 2000


def assemble(job: Job, manifests: Mapping[str, Manifest]) -> Report:
    """The report of a finished chain."""
    verification, quantized = job.result(Verification), job.result(Quantized)
    exported = job.result(Exported)
    return Report(
        target=job.profile.name,
        target_summary=job.profile.summary,
        family=job.profile.family,
        dataset=job.request.dataset,
        dataset_summary=find_source(job.request.dataset).summary,
        dataset_fingerprint=job.fingerprint,
        class_names=verification.class_names,
        seed=job.request.seed,
        preset=job.request.preset,
        command=job.request.command(),
        versions=_versions(manifests),
        fits=verification.fits,
        ok=verification.ok and _training_differs(quantized) == 0,
        measured_by=verification.measured_by,
        measured_with=verification.tools,
        shortfall=verification.shortfall,
        accuracy=Accuracy(
            float=quantized.float_network.test_accuracy,
            quantized=quantized.integer_network.test_accuracy,
            exported=verification.accuracy,
        ),
        parity=_parity(verification, quantized),
        footprint=verification.footprint,
        budget=tuple(Budget(**row.model_dump()) for row in verification.budget),
        search=_search(job.result(SearchResult), manifests["search"], job.folder_of("search") / LOG),
        activity=verification.activity,
        analysis=job.result(Analysis),
        network=draw(job.network()),
        neuron=job.profile.neuron.neuron,
        training=tuple(
            Epoch(**point.model_dump(include=set(Epoch.model_fields))) for point in quantized.learning_curve
        ),
        best_epoch=quantized.integer_network.best_epoch,
        examples=verification.examples,
        artifacts={name: f"{folder_name('export')}/{ARTIFACT}/{file.path}" for name, file in exported.files.items()},
        artifact_hashes={name: file.sha256 for name, file in exported.files.items()},
        how_to_run=family_named(job.profile.family).how_to_run,
        hardware=verification.hardware,
        latency=read_latencies(job.folder_of("verify")),
        instructions=verification.instructions,
        weights=verification.weights,
        stages=tuple(StageRun(stage=m.stage, seconds=m.seconds, key=m.key) for m in manifests.values()),
        seconds=round(sum(manifest.seconds for manifest in manifests.values()), 3),
    )


def _training_differs(quantized: Quantized) -> int:
    parity = quantized.parity
    return parity.spikes_differing + parity.membranes_differing + parity.predictions_differing


def _parity(verification: Verification, quantized: Quantized) -> ParityCounts:
    """Both comparisons added up: a single differing spike in either shows."""
    target, training = verification.parity, quantized.parity
    return ParityCounts(
        samples=target.samples,
        steps=target.steps,
        spikes_compared=target.spikes_compared + training.spikes_compared,
        spikes_differing=target.spikes_differing + training.spikes_differing,
        membranes_compared=target.membranes_compared,
        membranes_differing=target.membranes_differing + training.membranes_differing,
        predictions_differing=target.predictions_differing + training.predictions_differing,
        first_difference=target.first_difference,
        compared=(
            f"PyTorch against the NumPy reference on {training.samples:,} samples",
            f"the exported artifact against the NumPy reference: {_where(verification)}",
        ),
        samples_in_training=training.samples,
        replayed=verification.replayed,
    )


def _where(verification: Verification) -> str:
    return ", ".join(f"{part.samples:,} samples {PLACES[part.obtained]}" for part in verification.replayed)


def _search(found: SearchResult, manifest: Manifest, log: Path) -> Search:
    region = found.pareto[0].region if found.pareto else ""
    lines = log.read_text(encoding="utf-8").splitlines()[1:]
    scored = [candidate for candidate in map(json.loads, lines) if candidate["score"] is not None]
    candidates = tuple(
        (c["region_bytes"][region], c["score"]) for c in scored[:_MOST_CANDIDATES] if region in c["region_bytes"]
    )
    taken = {name: getattr(found, name) for name in Search.model_fields.keys() - {"seconds", "candidates"}}
    return Search(seconds=manifest.seconds, candidates=candidates, **taken)


def _versions(manifests: Mapping[str, Manifest]) -> dict[str, str]:
    tools = {name: text for m in manifests.values() for name, text in m.inputs["tools"].items()}
    return {"spikeport": spikeport_version(), **dict(sorted(tools.items()))}


def spikeport_version() -> str:
    """The installed version; "source" where the project runs without being installed."""
    try:
        return version("spikeport")
    except PackageNotFoundError:
        return "source"


def draw(network: Network) -> DrawnNetwork:
    """What a drawing shows of a network."""
    seen: set[str] = set()
    connections = []
    for connection in network.connections:
        connections.append(_drawn(network, connection, connection.weight in seen))
        seen |= {connection.weight} if connection.weight else set()
    return DrawnNetwork(
        input_shape=network.input.shape,
        timesteps=network.timesteps,
        parameters=network.parameters,
        populations=tuple(
            DrawnPopulation(
                name=population.name,
                shape=population.shape,
                neurons=population.size,
                state_bits=population.neuron.state_bits,
                fires=population.fires,
            )
            for population in network.populations
        ),
        connections=tuple(connections),
    )


def _drawn(network: Network, connection: Connection, shared: bool) -> DrawnConnection:
    weight = network.weight_of[connection.weight] if connection.weight else None
    return DrawnConnection(
        source=connection.source,
        target=connection.target,
        operation=operation_name(network, connection),
        weight=connection.weight,
        parameters=weight.size if weight else 0,
        bits=weight.bits if weight else None,
        delay=connection.delay,
        shared=shared,
    )


def operation_name(network: Network, connection: Connection) -> str:
    """An operation in a few words: conv 3×3, conv 3×3 /2, depthwise 3×3, average 3×3, dense, pool 2×2, identity."""
    operation = connection.operation
    if isinstance(operation, Dense):
        return "dense"
    if isinstance(operation, Pool):
        return f"pool {operation.kernel}×{operation.kernel}"
    if isinstance(operation, Conv) and connection.weight:
        weight = network.weight_of[connection.weight]
        kind = "average" if weight.constant is not None else "depthwise" if operation.groups > 1 else "conv"
        stride = f" /{operation.stride}" if operation.stride > 1 else ""
        return f"{kind} {weight.shape[2]}×{weight.shape[3]}{stride}"
    return "identity"
