"""The table at the end of a deployment: what a person wants to know first.

Comes in: a Report. Goes out: lines on a console.
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from pipeline.chain import ARTIFACT, folder_name
from pipeline.report.contract import Report
from pipeline.report.places import PLACES
from targets.sizes import format_size


def print_summary(report: Report, page: Path, console: Console) -> None:
    """Verdict, accuracy, parity, memory term by term, and where to read on."""
    verdict = "fits and verified" if report.ok else "does not fit" if not report.fits else "NOT verified"
    colour = "green" if report.ok else "red"
    content = Group(_figures(report), Text(), _memory(report), Text(), _paths(report, page))
    title = f"[bold]{report.target} · {report.dataset}[/]  [bold {colour}]{verdict}[/]"
    console.print(Panel(content, title=title, title_align="left", border_style=colour, expand=False, padding=(1, 2)))


def _figures(report: Report) -> Table:
    table = Table.grid(padding=(0, 2))
    accuracy, parity, activity = report.accuracy, report.parity, report.activity
    table.add_row(
        "[dim]accuracy[/]",
        f"[bold]{accuracy.exported:.2%}[/] exported, {accuracy.quantized:.2%} quantized, {accuracy.float:.2%} float",
    )
    table.add_row(
        "[dim]parity[/]",
        f"[bold]{parity.spikes_differing:,}[/] of {parity.spikes_compared:,} spikes and {parity.membranes_differing:,} of "
        f"{parity.membranes_compared:,} membrane potentials differ",
    )
    table.add_row(
        "[dim]activity[/]",
        f"spike rate {activity.spike_rate:.1%}, {activity.synaptic_operations:,.0f} synaptic operations per sample, "
        f"{activity.timesteps} steps",
    )
    return table


def _memory(report: Report) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("memory", "estimated", "measured", "difference", ""):
        table.add_column(head, justify="left" if head in ("memory", "") else "right")
    for region in report.budget:
        for row in (row for row in report.footprint if row.region == region.region):
            difference = row.estimated_bytes - row.measured_bytes
            table.add_row(
                row.term,
                f"{row.estimated_bytes:,}",
                f"{row.measured_bytes:,}",
                f"{difference:+,} ({difference / row.measured_bytes:+.2%})",
                "[green]✓[/]" if row.ok else "[red]✗[/]",
            )
        share = max(region.estimated_bytes, region.measured_bytes) / region.available_bytes
        table.add_row(
            f"[bold]{region.region}[/], at most",
            f"[bold]{region.estimated_bytes:,}[/]",
            f"[bold]{region.measured_bytes:,}[/]",
            "",
            f"{share:.3%} of {format_size(region.available_bytes)}",
        )
    return table


def _paths(report: Report, page: Path) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(overflow="fold")  # a path that is cut cannot be opened
    table.add_row("[dim]measured[/]", PLACES[report.measured_by])
    if len(report.parity.replayed) > 1:
        parts = [f"{part.samples:,} samples {PLACES[part.obtained]}" for part in report.parity.replayed]
        table.add_row("[dim]replayed[/]", ", ".join(parts))
    if report.shortfall:
        table.add_row("[yellow]warning[/]", report.shortfall)
    folder = page.parent / folder_name("export") / ARTIFACT
    table.add_row("[dim]artifact[/]", str(folder))
    for name, path in report.artifacts.items():
        table.add_row(f"  [dim]{name}[/]", (page.parent / path).relative_to(folder).as_posix())
    table.add_row("[dim]report[/]", f"[bold]{page}[/]")
    return table
