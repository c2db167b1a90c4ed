"""`spikeport regenerate` from its options to its exit code.

Comes in: requests and what to do with the lock file. Goes out: run folders, `regenerate.md`, `regenerate.xml` and `index.html` in
the build folder, the lock file written or compared, a table on stderr, and the worst of all exit codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from pipeline.failures import INTERRUPTED
from pipeline.regeneration import summaries
from pipeline.regeneration.compare import Finding, compare
from pipeline.regeneration.fleet import available_cores
from pipeline.regeneration.lock import Lock, locked_model, read_lock, write_lock
from pipeline.regeneration.outcome import Outcome, worst
from pipeline.regeneration.regenerate import Regeneration
from pipeline.regeneration.view import View
from pipeline.report import files
from pipeline.report.files import write_if_changed
from pipeline.report.index import write_index
from pipeline.request import Request
from targets.errors import ConfigurationError, VerificationError
from targets.profile import profile_names

MARKDOWN, JUNIT = "regenerate.md", "regenerate.xml"


@dataclass(frozen=True)
class Options:
    """How to regenerate, besides what."""

    build: Path
    lock: Path
    #: Workers at a time; None: as many as there are cores.
    jobs: int | None
    check: bool
    explain: bool
    #: Whether every shipped profile was asked for, so that what else the lock holds is obsolete.
    all_targets: bool
    #: Address of a Ray cluster that makes the targets; None: this machine.
    ray: str | None = None


def regenerate(requests: Sequence[Request], options: Options, console: Console) -> int:
    """The exit code: the worst of all targets, 4 where `check` finds a regression, 130 after Ctrl-C.

    Raises:
        ConfigurationError: the lock file cannot be read, there is none to compare with, or targets are named twice.
    """
    lock = read_lock(options.lock)
    if lock is None and options.check:
        raise ConfigurationError(
            f"{options.lock}: there is nothing to compare with", "write it with `spikeport regenerate`, and commit it"
        )
    view = View(console, len(requests), explain=options.explain)
    regeneration = Regeneration(requests, view)
    try:
        with view.live():
            outcomes = regeneration.run(options.jobs or available_cores(), options.ray)
    except KeyboardInterrupt:
        console.print("[yellow]stopped[/]; the same command goes on from here", highlight=False)
        return INTERRUPTED
    return _conclude(outcomes, lock or Lock(), options, console)


def gather(build: Path, path: Path, console: Console) -> None:
    """Writes the entries of every verified run below a build folder: a job per target makes runs, one more their lock file.

    Raises:
        ConfigurationError: there is no such run, or one of them or the lock file is damaged.
    """
    folders = [report.parent for report in sorted(build.glob(f"*/*/{files.JSON}"))]
    found = {
        (report.target, report.dataset): (folder, report) for folder in folders if (report := files.read(folder)).ok
    }
    if not found:
        raise ConfigurationError(f"{build}: no verified run lies there", "make one with `spikeport regenerate`")
    entries = {key: locked_model(folder, report) for key, (folder, report) in found.items()}
    _update((read_lock(path) or Lock()).with_entries(entries), path, [], console)


def _conclude(outcomes: Sequence[Outcome], lock: Lock, options: Options, console: Console) -> int:
    now = {(o.target, o.dataset): locked_model(o.folder, o.report) for o in outcomes if o.report and o.exit_code == 0}
    findings = compare(lock, now, outcomes, all_targets=options.all_targets) if options.check else None
    write_if_changed(options.build / MARKDOWN, summaries.markdown(outcomes, findings))
    write_if_changed(options.build / JUNIT, summaries.junit(outcomes, findings))
    page = write_index(options.build)
    console.print()
    console.print(summaries.table(outcomes), highlight=False)
    console.print()
    if findings is None:
        obsolete = lock.models.keys() - set(profile_names()) if options.all_targets else set()
        _update(lock.without(set(obsolete)).with_entries(now), options.lock, sorted(obsolete), console)
    else:
        _show(findings, len(now), len(outcomes) - len(now), options.lock, console)
    console.print(f"[dim]all models:[/] [bold]{escape(str(page))}[/]", highlight=False, soft_wrap=True)
    regressed = any(finding.regression for finding in findings or ())
    return worst([*(o.exit_code for o in outcomes), *([VerificationError.exit_code] if regressed else [])])


def _update(lock: Lock, path: Path, removed: Sequence[str], console: Console) -> None:
    changed = write_lock(path, lock)
    told = "written: commit it" if changed else "is as it was"
    gone = f"; removed {', '.join(removed)}, of which no profile is shipped" if removed else ""
    console.print(f"[dim]{escape(str(path))}[/] {told}{escape(gone)}", highlight=False, soft_wrap=True)


def _show(findings: Sequence[Finding], compared: int, failed: int, path: Path, console: Console) -> None:
    for finding in findings:
        mark = "[red]✗[/]" if finding.regression else "[yellow]~[/]"
        console.print(f"{mark} {escape(str(finding))}", highlight=False, soft_wrap=True)
    if failed:
        where = f"{compared} of {compared + failed} models could be compared with [dim]{escape(str(path))}[/]"
        console.print(f"[yellow]![/] {where}", highlight=False, soft_wrap=True)
    elif not findings:
        console.print(f"[green]✓[/] everything is as in [dim]{escape(str(path))}[/]", highlight=False, soft_wrap=True)
