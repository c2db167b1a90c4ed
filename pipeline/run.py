"""What the commands that run stages do: the chain, the report, the words about it.

Comes in: a Request. Goes out: the run folder with its reports, a table on stderr, with `--json` the report on stdout.
"""

from __future__ import annotations

import sys
from pathlib import Path

import typer
from rich.console import Console

from pipeline.chain import CHAIN, Job
from pipeline.console import ConsoleWatcher
from pipeline.deploy import run_chain
from pipeline.failures import INTERRUPTED
from pipeline.helpers import helpers
from pipeline.manifest import Manifest
from pipeline.report import files
from pipeline.report.assemble import assemble
from pipeline.request import Request
from pipeline.summary import print_summary
from stages.verify import Verification, require_verified
from stages.verifying.venue import venue_of


def deploy(
    asked: Request, until: str, console: Console, *, explain: bool, as_json: bool, ray: str | None = None, jobs: int = 1
) -> None:
    """The chain up to `until`; after the last stage the reports, the table and the verdict.

    Raises:
        VerificationError: the artifact is not what was trained or estimated; the reports are written before.
    """
    job, manifests = _run(asked, until, console, explain=explain, ray=ray, jobs=jobs)
    if until != CHAIN[-1].name:
        _print_result(job, as_json=as_json)
        return
    report = assemble(job, manifests)
    print_summary(report, files.write(job.folder.path, report), console)
    if as_json:
        sys.stdout.write(files.to_json(report))
    require_verified(job.result(Verification))


def report_again(folder: Path, console: Console, *, as_json: bool) -> None:
    """Reads a finished run, writes its reports anew and prints its table.

    Raises:
        ConfigurationError: the folder holds no finished run.
    """
    report = files.read(folder)
    print_summary(report, files.write(folder, report), console)
    if as_json:
        sys.stdout.write(files.to_json(report))


def _run(
    asked: Request, until: str, console: Console, *, explain: bool, ray: str | None, jobs: int
) -> tuple[Job, dict[str, Manifest]]:
    job = Job.of(asked)
    venue = venue_of(job.profile, job.configs.verify.require)
    console.print(
        f"[bold]spikeport[/] {job.profile.name} · {asked.dataset} · seed {asked.seed} · {asked.preset}"
        f"  [dim]{job.folder.path}[/]",
        highlight=False,
        soft_wrap=True,
    )
    if venue.shortfall and until == CHAIN[-1].name:
        console.print(f"[yellow]warning[/] {venue.shortfall}; {venue.command}", highlight=False, soft_wrap=True)
    watcher = ConsoleWatcher(console, explain)
    try:
        with watcher.live(), helpers(asked.build, ray, jobs):
            return job, run_chain(job, until, watcher)
    except KeyboardInterrupt:
        console.print("[yellow]stopped[/]; the same command goes on from here", highlight=False)
        raise typer.Exit(INTERRUPTED) from None


def _print_result(job: Job, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(job.results[-1].model_dump_json(indent=1) + "\n")
