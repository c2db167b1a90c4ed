"""The options of the command line, each written once with its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.request import Preset, Request, parse_budget, parse_settings
from targets.footprint import MeasuredBy

Target = Annotated[str, typer.Argument(help="Name of a shipped profile, or the path of your own: ./my_board.toml")]
Targets = Annotated[
    list[str] | None,
    typer.Argument(help="Names of shipped profiles or paths of your own; without any: all shipped ones."),
]
Datasets = Annotated[list[str] | None, typer.Option("--dataset", help="Name of a dataset; may be given often.")]
DatasetName = Annotated[str, typer.Option("--dataset", help="Name of the dataset.")]
Data = Annotated[Path | None, typer.Option("--data", help="Folder with the dataset's files, where it is not bundled.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random. Same seed, same bytes.", min=0)]
PresetName = Annotated[Preset, typer.Option(help="quick ends within minutes on two cores, full looks longer.")]
Budget = Annotated[str, typer.Option(help="Less memory than the target has, e.g. flash=64KiB,ram=20KiB.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="One setting of a stage, e.g. --set quantize.epochs=20. May be given often."),
]
Build = Annotated[Path, typer.Option(help="Folder of all runs; this one goes into BUILD/TARGET/DATASET.")]
Ray = Annotated[
    str | None,
    typer.Option("--ray", metavar="ADDRESS", help="Spread the work over a running Ray cluster: auto, or HOST:PORT."),
]
Jobs = Annotated[int, typer.Option(help="Processes that score candidates; the result does not depend on it.", min=1)]
Trained = Annotated[
    int | None,
    typer.Option(
        help="Judge operations and kernel sizes by so many epochs of real training each, not by the score.", min=0
    ),
]
Finalists = Annotated[
    int | None,
    typer.Option(
        help="Train so many of the best candidates, by successive halving; validation accuracy chooses.", min=0
    ),
]
Device = Annotated[
    Literal["auto", "cpu", "cuda"] | None,
    typer.Option(help="Where it trains; auto is every GPU that torch sees, without one the CPU."),
]
SpikeBudget = Annotated[
    float | None,
    typer.Option(help="Spikes per neuron and step that training is held to, e.g. 0.05: less energy for some accuracy."),
]
Hardware = Annotated[
    str,
    typer.Option(
        help="Measure on a real board: ssh://USER@HOST:PORT/FOLDER, or 'command:PROGRAM WORDS'; see docs/real-hardware.md."
    ),
]
Opset = Annotated[int | None, typer.Option(help="Opset of the ONNX files; the profile says what the board loads.")]
Require = Annotated[
    MeasuredBy | None,
    typer.Option(
        "--require", help="How the memory must be measured, else it ends with 5; by default as this machine can."
    ),
]
Explain = Annotated[bool, typer.Option("--explain", help="Say for every stage why it ran or was kept.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout; words for people go to stderr.")]


def request(
    target: str,
    dataset: str,
    data: Path | None,
    seed: int,
    preset: Preset,
    budget: str,
    settings: list[str] | None,
    build: Path,
    hardware: str = "",
    opset: int | None = None,
    trained: int | None = None,
    finalists: int | None = None,
    require: MeasuredBy | None = None,
    device: str | None = None,
    spike_budget: float | None = None,
) -> Request:
    """The parsed options.

    Raises:
        ConfigurationError: --budget or --set cannot be read.
    """
    named = {
        "analyze.trained": trained,
        "search.finalists": finalists,
        "quantize.device": device,
        "quantize.spike_budget": spike_budget,
        "verify.require": require,
    }
    values = parse_settings(settings or []) | {path: value for path, value in named.items() if value is not None}
    return Request(target, dataset, data, seed, preset, parse_budget(budget), values, build, hardware, opset)
