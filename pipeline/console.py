"""What a person sees while the chain runs: one line per stage, progress bars below, nothing on stdout.

The lines stay, the bars vanish with their stage. Where stderr is no terminal there are no bars, only the lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pipeline.manifest import Manifest
from pipeline.sentences import sentence

_MOST_REASONS = 2


class ConsoleWatcher:
    """A `pipeline.deploy.Watcher` that writes to a terminal or a log."""

    def __init__(self, console: Console, explain: bool) -> None:
        self.console, self.explain = console, explain
        self.bars = Progress(
            TextColumn("             "),
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.task: TaskID | None = None

    @contextmanager
    def live(self) -> Iterator[None]:
        """Shows the bars while the chain runs."""
        with self.bars:
            yield

    def kept(self, stage: str, manifest: Manifest, result: BaseModel) -> None:
        """One line; with `explain` why it last ran."""
        self._line("[dim]=[/]", stage, "kept", result)
        if self.explain:
            self._reasons("nothing it depends on has changed; it last ran because", list(manifest.reasons))

    def started(self, stage: str, reasons: list[str], resumed: bool) -> None:
        """Nothing for a first run; the reasons where an earlier result is replaced."""
        again = reasons != ["there is no earlier result"]
        if resumed:
            self.console.print(f"[yellow]>[/] {stage:<10} goes on from where it was interrupted", highlight=False)
        if self.explain or again:
            self._reasons(f"{stage} runs because", reasons if self.explain else reasons[:_MOST_REASONS])
            if len(reasons) > _MOST_REASONS and not self.explain:
                self.console.print(f"    [dim]and {len(reasons) - _MOST_REASONS} more (--explain)[/]")

    def finished(self, stage: str, seconds: float, result: BaseModel) -> None:
        """The stage's bars give way to one line."""
        if self.task is not None:
            self.bars.remove_task(self.task)
            self.task = None
        self._line("[green]✓[/]", stage, f"{seconds:.1f} s", result)

    def progress(self, what: str, done: float, total: float) -> None:
        """The one bar, which says what the running stage is at."""
        if self.task is None:
            self.task = self.bars.add_task("")
        self.bars.update(self.task, description=escape(what), completed=done, total=total)

    def _line(self, mark: str, stage: str, when: str, result: BaseModel) -> None:
        self.console.print(
            f"{mark} [bold]{stage:<9}[/] [dim]{when:>8}[/]  {escape(sentence(result))}", highlight=False, soft_wrap=True
        )

    def _reasons(self, head: str, reasons: list[str]) -> None:
        for index, reason in enumerate(reasons):
            lead = f"    {head}" if index == 0 else "    and"
            self.console.print(f"[dim]{lead} {escape(reason)}[/]", highlight=False, soft_wrap=True)
