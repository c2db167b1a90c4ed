"""What a person sees while targets are made: one bar for each that is being made, one for all, and a line for each that ended.

Everything goes to the given console, which is stderr. Where that is no terminal there are only the lines.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from pipeline.chain import CHAIN
from pipeline.regeneration.events import Event
from pipeline.regeneration.outcome import Key, Outcome, key
from pipeline.request import Request

_STAGES = [stage.name for stage in CHAIN]


class View:
    """Told of events by the threads of a Fleet."""

    def __init__(self, console: Console, total: int, *, explain: bool) -> None:
        self.console, self.explain = console, explain
        self.bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("[dim]{task.fields[at]}[/]"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._lock = threading.Lock()
        self._tasks: dict[Key, TaskID] = {}
        self._all = self.bars.add_task("[bold]all targets[/]", total=total, at=f"0 of {total}")
        self._total, self._ended = total, 0

    @contextmanager
    def live(self) -> Iterator[None]:
        """Shows the bars."""
        with self.bars:
            yield

    def listen(self, request: Request, event: Event) -> None:
        """An event of a worker."""
        asked = key(request)
        with self._lock:
            if asked not in self._tasks:
                name = escape(f"{request.target} · {request.dataset}")
                self._tasks[asked] = self.bars.add_task(name, total=len(_STAGES), at="")
            before = _STAGES.index(event.stage)
            within = event.done / event.total if event.kind == "progress" and event.total else 0.0
            complete = before + (1 if event.kind in ("kept", "finished") else min(1.0, within))
            self.bars.update(self._tasks[asked], completed=complete, at=escape(f"{event.stage} {event.text}"[:60]))

    def ended(self, request: Request, outcome: Outcome) -> None:
        """One line that stays; with `explain` every reason."""
        with self._lock:
            task = self._tasks.pop(key(request), None)
            if task is not None:
                self.bars.remove_task(task)
            self._ended += 1
            self.bars.update(self._all, completed=self._ended, at=f"{self._ended} of {self._total}")
        self._print(outcome)

    def _print(self, outcome: Outcome) -> None:
        mark = "[dim]=[/]" if not outcome.redone else "[green]✓[/]"
        mark = "[red]✗[/]" if outcome.exit_code else mark
        told = outcome.error.splitlines()[0] if outcome.error else outcome.done()
        self._line(f"{mark} [bold]{escape(outcome.name)}[/]  [dim]{outcome.seconds:.1f} s[/]  {escape(told)}")
        for line in outcome.error.splitlines()[1:]:
            self._line(f"    {escape(line)}")
        if outcome.hint:
            self._line(f"    [dim]hint:[/] {escape(outcome.hint)}")
        if self.explain:
            for redone in outcome.redone:
                for reason in redone.reasons:
                    self._line(f"    [dim]{redone.stage} ran because {escape(reason)}[/]")

    def _line(self, markup: str) -> None:
        self.console.print(markup, highlight=False, soft_wrap=True)
