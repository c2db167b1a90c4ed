"""The results as a page: what every locked model reaches, and what the benchmarks have printed.

Comes in: a Lock, and a folder with the output of `make bench-NAME` as NAME.txt. Goes out: Markdown.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.regeneration.lock import Lock, LockedModel

_HEADS = (
    "target", "dataset", "accuracy", "of it in float", "differing spikes", "weights", "memory, estimated and measured", "how",
)  # fmt: skip


def results_page(lock: Lock, benchmarks: Path) -> str:
    """The whole page."""
    return "\n".join([*_models(lock), *_benchmarks(benchmarks)]) + "\n"


def _models(lock: Lock) -> Iterator[str]:
    yield "# Results"
    yield ""
    yield "## Models"
    yield ""
    if not lock.models:
        yield "None is locked yet: `spikeport regenerate` writes `models.lock.toml`."
        return
    yield "Of `models.lock.toml`, which `spikeport regenerate --check` holds the code to. Accuracy is the exported artifact's."
    yield ""
    yield f"| {' | '.join(_HEADS)} |"
    yield f"|{' --- |' * len(_HEADS)}"
    for target, datasets in sorted(lock.models.items()):
        for dataset, model in sorted(datasets.items()):
            yield f"| `{target}` | {dataset} | {' | '.join(_cells(model))} |"


def _cells(model: LockedModel) -> tuple[str, ...]:
    memory = "; ".join(
        f"{region} {size.estimated_bytes:,} and {size.measured_bytes:,} B"
        for region, size in sorted(model.budget.items())
    )
    return (
        f"{model.accuracy.exported:.2%}",
        f"{model.accuracy.float:.2%}",
        f"{model.spikes_differing:,} of {model.spikes_compared:,}",
        f"{model.parameters:,}",
        memory,
        model.measured_by,
    )


def _benchmarks(folder: Path) -> Iterator[str]:
    outputs = sorted(folder.glob("*.txt"))
    yield ""
    yield "## Benchmarks"
    yield ""
    yield "`make bench-NAME` writes its output into `benchmarks/results/`, from where it comes here."
    for path in outputs:
        yield from ("", f"### {path.stem}", "", "```text", path.read_text(encoding="utf-8").rstrip(), "```")
