"""`spikeport doctor`: whether this machine has what a deployment needs, and what would make its verification better.

The list of packages is not kept by hand: it is what the stages' and the family's modules import, found without importing any
of it. How a target is verified here is asked where `deploy` asks it, so that both say the same.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from pipeline.sources import ROOT, closure
from targets.errors import ConfigurationError, ToolMissingError
from targets.families import FAMILIES, Family, family_named
from targets.footprint import MeasuredBy
from targets.profile import Profile, load_profile
from targets.sizes import format_size
from targets.tool import Tool

_LEAST_FREE_BYTES = 256 * 1024**2
_DOORS = ("settings", "rules", "estimate", "export", "measure")
_STAGES = tuple(f"stages.{name}" for name in ("analyze", "search", "quantize", "export", "verify"))


def examine(target: str | None, build: Path, required: MeasuredBy | None = None) -> None:
    """Prints everything that was looked for; of a target also how it will be verified here.

    Raises:
        ConfigurationError: something is required, but of no target.
        ToolMissingError: a deployment would end for want of something, or is not measured as required; the hint is the
            command that mends it.
    """
    if required is not None and target is None:
        raise ConfigurationError(f"--require {required}: of which target?", "name one: spikeport doctor TARGET")
    profile = load_profile(target) if target else None
    families = FAMILIES if profile is None else (family_named(profile.family),)
    out = Console()
    _show(out, packages := [*_machine(build), *_libraries(families)])
    _require(packages)  # the target's own tools are found by code that imports them
    if profile is not None:
        _show(out, tools := family_named(profile.family).tools(profile))
        _require(tools)
        _verified(out, profile, required)


def _show(out: Console, tools: Iterable[Tool]) -> None:
    for tool in tools:
        mark = "[red]✗[/]" if tool.needed else "[yellow]![/]" if tool.missing else "[green]✓[/]"
        otherwise = f" [dim](without it: {tool.otherwise})[/]" if tool.otherwise else ""
        remedy = f"   [bold]{tool.remedy}[/]" if tool.remedy else ""
        out.print(f"{mark} {tool.name:<26} {tool.found}{otherwise}{remedy}", highlight=False, soft_wrap=True)


def _require(tools: Sequence[Tool]) -> None:
    missing = [tool for tool in tools if tool.needed]
    if missing:
        raise ToolMissingError(f"missing: {', '.join(tool.name for tool in missing)}", missing[0].remedy)


def _verified(out: Console, profile: Profile, required: MeasuredBy | None) -> None:
    from stages.verifying.venue import offered, venue_of

    venue = venue_of(profile, required)
    mark = "[yellow]![/]" if venue.shortfall else "[green]✓[/]"
    why = f", {venue.shortfall}" if venue.shortfall else ""
    out.print(f"{mark} {'measured by':<26} {offered(venue)}{why}", highlight=False, soft_wrap=True)


def _machine(build: Path) -> Iterator[Tool]:
    python = ".".join(str(part) for part in sys.version_info[:3])
    yield Tool("python", python, "" if sys.version_info >= (3, 11) else "install Python 3.11 or newer")
    yield Tool("processor cores", str(len(os.sched_getaffinity(0))))
    folder = next(path for path in (build.resolve(), *build.resolve().parents) if path.is_dir())
    free = shutil.disk_usage(folder).free
    yield Tool(f"disk at {build}", f"{format_size(free)} free", "" if free > _LEAST_FREE_BYTES else "free some space")
    writable = os.access(folder, os.W_OK)
    yield Tool(f"writing to {build}", "allowed" if writable else "refused", "" if writable else "use --build DIR")


def _libraries(families: Sequence[Family]) -> Iterator[Tool]:
    modules = [*_STAGES, *(f"targets.{family.name}.{door}" for family in families for door in _DOORS)]
    found = closure(tuple(modules))
    versions = {name.lower().replace("_", "-"): version for name, version in found.tools().items()}
    constraints = ROOT / "constraints.txt"
    pins = f" -c {constraints}" if constraints.is_file() else ""
    for library in sorted(found.libraries):
        if find_spec(library) is None:
            yield Tool(library, "not installed", f"{sys.executable} -m pip install{pins} {library}")
        else:
            yield Tool(library, versions.get(library.lower().replace("_", "-"), "installed"))
