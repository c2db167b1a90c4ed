"""The command `spikeport`. Every command is a few lines: options in, one call, output for people or for machines.

Commands that need no training import no torch, so that `--help`, `targets` and `estimate` answer at once.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from pipeline import failures
from pipeline.options import (
    AsJson,
    Budget,
    Build,
    Data,
    DatasetName,
    Datasets,
    Device,
    Explain,
    Finalists,
    Hardware,
    Jobs,
    Opset,
    PresetName,
    Ray,
    Require,
    Seed,
    Settings,
    SpikeBudget,
    Target,
    Targets,
    Trained,
    request,
)
from targets.errors import SpikeportError

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Start with [bold]spikeport deploy jetson_nano[/]: about two minutes on two cores, no download. "
        "Exit codes: 0 fits and verified, 1 internal error, 2 bad input, 3 does not fit, 4 verification failed, "
        "5 a tool is missing or the board does not answer."
    ),
)
people = Console(stderr=True)
StageName = Literal["analyze", "search", "quantize", "export", "verify"]
_STAGES = {
    "analyze": "Which operations and kernel sizes matter on this dataset.",
    "search": "The architecture, cell by cell, under the target's real memory.",
    "quantize": "Train it in the target's integer arithmetic.",
    "export": "Write the files that the target loads.",
    "verify": "Replay the test set on the target's runtime, and measure the memory.",
}


@app.callback()
def spikeport(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.", envvar="SPIKEPORT_DEBUG")] = False,
) -> None:
    """From a labelled dataset and a hardware profile to a [bold]spiking neural network that fits[/], with proof."""
    _State.debug = debug
    if not debug:
        failures.report_tersely()


class _State:
    debug = False


@app.command(
    rich_help_panel="Deploy", epilog="Example: [bold]spikeport deploy ./my_board.toml --budget ram=64MiB --seed 1[/]"
)
def deploy(
    target: Target,
    dataset: DatasetName = "digits",
    data: Data = None,
    seed: Seed = 0,
    preset: PresetName = "quick",
    budget: Budget = "",
    settings: Settings = None,
    build: Build = Path("build"),
    hardware: Hardware = "",
    require: Require = None,
    opset: Opset = None,
    until: Annotated[StageName, typer.Option(help="Last stage to run.")] = "verify",
    trained: Trained = None,
    finalists: Finalists = None,
    device: Device = None,
    spike_budget: SpikeBudget = None,
    jobs: Jobs = 1,
    ray: Ray = None,
    explain: Explain = False,
    as_json: AsJson = False,
) -> None:
    """All five stages: analyze, search, quantize, export, verify. Done again, it does only what has changed."""
    from pipeline.run import deploy as run

    asked = request(
        target,
        dataset,
        data,
        seed,
        preset,
        budget,
        settings,
        build,
        hardware,
        opset,
        trained,
        finalists,
        require,
        device,
        spike_budget,
    )
    run(asked, until, people, explain=explain, as_json=as_json, ray=ray, jobs=jobs)


@app.command(rich_help_panel="Deploy", epilog="Example: [bold]spikeport regenerate jetson_nano microbit_v1 --check[/]")
def regenerate(
    targets: Targets = None,
    dataset: Datasets = None,
    data: Data = None,
    seed: Seed = 0,
    preset: PresetName = "quick",
    settings: Settings = None,
    build: Annotated[Path, typer.Option(help="Folder of all runs, the summaries and index.html.")] = Path("build"),
    lock: Annotated[Path, typer.Option(help="The lock file.")] = Path("models.lock.toml"),
    jobs: Annotated[int | None, typer.Option(help="Targets made at a time; as many as there are cores.", min=1)] = None,
    check: Annotated[bool, typer.Option("--check", help="Compare with the lock file instead of writing it.")] = False,
    ray: Ray = None,
    explain: Explain = False,
) -> None:
    """Every target, or those named: what has changed is made again, in parallel; the lock file is written or compared."""
    from pipeline.regeneration.command import Options
    from pipeline.regeneration.command import regenerate as run
    from targets.profile import profile_names

    requests = [
        request(target, name, data, seed, preset, "", settings, build)
        for target in targets or profile_names()
        for name in dataset or ["digits"]
    ]
    raise typer.Exit(
        run(requests, Options(build, lock, jobs, check, explain, all_targets=not targets, ray=ray), people)
    )


def _stage_command(stage: str, summary: str) -> None:
    @app.command(stage, rich_help_panel="One stage, and what it needs first", help=summary)
    def command(
        target: Target,
        dataset: DatasetName = "digits",
        data: Data = None,
        seed: Seed = 0,
        preset: PresetName = "quick",
        budget: Budget = "",
        settings: Settings = None,
        build: Build = Path("build"),
        trained: Trained = None,
        finalists: Finalists = None,
        jobs: Jobs = 1,
        ray: Ray = None,
        hardware: Hardware = "",
        require: Require = None,
        opset: Opset = None,
        explain: Explain = False,
        as_json: AsJson = False,
    ) -> None:
        from pipeline.run import deploy as run

        asked = request(
            target, dataset, data, seed, preset, budget, settings, build, hardware, opset, trained, finalists, require
        )
        run(asked, stage, people, explain=explain, as_json=as_json, ray=ray, jobs=jobs)


for _name, _summary in _STAGES.items():
    _stage_command(_name, _summary)


@app.command(rich_help_panel="Look", epilog="Example: [bold]spikeport estimate jetson_nano --architecture net.json[/]")
def estimate(
    target: Target,
    architecture: Annotated[
        Path | None, typer.Option(help="JSON of an architecture. Without it: a ladder of sizes.")
    ] = None,
    shape: Annotated[str, typer.Option("--input", help="Channels, rows and columns, for the ladder.")] = "1x8x8",
    classes: Annotated[int, typer.Option(help="Number of classes, for the ladder.", min=2)] = 10,
    budget: Budget = "",
    as_json: AsJson = False,
) -> None:
    """What a network would need of the target: seconds, no training, no toolchain."""
    from pipeline.look import show_estimate

    show_estimate(target, architecture, shape, classes, budget, people, as_json=as_json)


@app.command(rich_help_panel="Look")
def targets(
    name: Annotated[str | None, typer.Argument(help="One target, with everything its profile says.")] = None,
    as_json: AsJson = False,
) -> None:
    """The targets there are, or one of them in full."""
    from pipeline.look import show_targets

    show_targets(name, people, as_json=as_json)


@app.command(rich_help_panel="Look", epilog="Example: [bold]spikeport doctor jetson_nano --require emulated[/]")
def doctor(
    target: Annotated[str | None, typer.Argument(help="Check what this target needs, too.")] = None,
    build: Build = Path("build"),
    require: Require = None,
) -> None:
    """Whether everything that is needed is installed, how a target is verified here, and what would make that better."""
    from pipeline.doctor import examine

    examine(target, build, require)


@app.command(rich_help_panel="Look", epilog="Example: [bold]spikeport report build/jetson_nano/digits[/]")
def report(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    as_json: AsJson = False,
) -> None:
    """Print the result of a finished run again, and write its report.html anew."""
    from pipeline.run import report_again

    report_again(run, people, as_json=as_json)


@app.command(rich_help_panel="Look")
def index(build: Build = Path("build")) -> None:
    """Write BUILD/index.html anew: a table of all finished runs, accuracy against memory, links."""
    from pipeline.report.index import write_index

    people.print(f"[bold]{write_index(build)}[/]", highlight=False, soft_wrap=True)


@app.command(rich_help_panel="Look")
def lock(
    build: Build = Path("build"),
    path: Annotated[Path, typer.Option("--lock", help="The lock file.")] = Path("models.lock.toml"),
) -> None:
    """Write the lock file from all finished runs below BUILD, where they were made by jobs of their own."""
    from pipeline.regeneration.command import gather

    gather(build, path, people)


def main() -> None:
    """Runs the command line; ends with an exit code of `pipeline.failures`."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        app()
    except SpikeportError as error:
        _fail(error, error)
    except OSError as error:
        told = failures.from_system(error)
        if told is None:
            raise
        _fail(told, error)


def _fail(told: SpikeportError, error: BaseException) -> None:
    if _State.debug or os.environ.get("SPIKEPORT_DEBUG"):
        people.print_exception()
    failures.show(told, people)
    sys.exit(told.exit_code)


if __name__ == "__main__":
    main()
