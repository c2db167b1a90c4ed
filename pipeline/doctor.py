"""`spikeport doctor`: whether this machine has what a deployment needs, found without importing any of it.

The list is not kept by hand: it is what the stages' and the family's modules import.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from pipeline.sources import ROOT, closure
from targets.errors import ToolMissingError
from targets.families import FAMILIES, Family, family_named
from targets.profile import load_profile
from targets.sizes import format_size

_LEAST_FREE_BYTES = 256 * 1024**2
_DOORS = ("settings", "rules", "estimate", "export", "measure")
_STAGES = tuple(f"stages.{name}" for name in ("analyze", "search", "quantize", "export", "verify"))


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `remedy` is a command, empty where all is well."""

    name: str
    found: str
    remedy: str = ""


def examine(target: str | None, build: Path, console: Console) -> None:
    """Prints every check.

    Raises:
        ToolMissingError: something is missing; the hint is the command that installs it.
    """
    families = [load_profile(target).family] if target else [family.name for family in FAMILIES]
    checks = [
        *_machine(build),
        *_tools(target),
        *_libraries([family for family in FAMILIES if family.name in families]),
    ]
    out = Console()
    for check in checks:
        mark = "[red]✗[/]" if check.remedy else "[green]✓[/]"
        remedy = f"   [bold]{check.remedy}[/]" if check.remedy else ""
        out.print(f"{mark} {check.name:<26} {check.found}{remedy}", highlight=False)
    missing = [check for check in checks if check.remedy]
    if missing:
        raise ToolMissingError(f"missing: {', '.join(check.name for check in missing)}", missing[0].remedy)


def _machine(build: Path) -> Iterator[Check]:
    python = ".".join(str(part) for part in sys.version_info[:3])
    yield Check("python", python, "" if sys.version_info >= (3, 11) else "install Python 3.11 or newer")
    yield Check("processor cores", str(len(os.sched_getaffinity(0))))
    folder = next(path for path in (build.resolve(), *build.resolve().parents) if path.is_dir())
    free = shutil.disk_usage(folder).free
    yield Check(f"disk at {build}", f"{format_size(free)} free", "" if free > _LEAST_FREE_BYTES else "free some space")
    writable = os.access(folder, os.W_OK)
    yield Check(f"writing to {build}", "allowed" if writable else "refused", "" if writable else "use --build DIR")


def _tools(target: str | None) -> Iterator[Check]:
    """What running as the target does needs; without a target, nothing is asked for."""
    if target is None:
        return
    profile = load_profile(target)
    for name, found, remedy in family_named(profile.family).tools(profile):
        yield Check(name, found, remedy)


def _libraries(families: list[Family]) -> Iterator[Check]:
    modules = [*_STAGES, *(f"targets.{family.name}.{door}" for family in families for door in _DOORS)]
    found = closure(tuple(modules))
    tools = {name.lower().replace("_", "-"): version for name, version in found.tools().items()}
    constraints = ROOT / "constraints.txt"
    pins = f" -c {constraints}" if constraints.is_file() else ""
    for library in sorted(found.libraries):
        if find_spec(library) is None:
            yield Check(library, "not installed", f"{sys.executable} -m pip install{pins} {library}")
        else:
            yield Check(library, tools.get(library.lower().replace("_", "-"), "installed"))
