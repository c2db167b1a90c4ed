"""What `spikeport targets` and `spikeport estimate` print: tables for people, JSON for machines."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pipeline.estimate import Estimate, estimate, ladder, parse_shape, read_architecture, require_fit
from pipeline.request import parse_budget, with_budget
from targets.footprint import Footprint
from targets.profile import Profile, load_profile, profile_names
from targets.sizes import format_size

_BAR = 24


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(value, indent=1) + "\n")


def show_targets(name: str | None, console: Console, *, as_json: bool) -> None:
    """All shipped targets in a table, or one profile in full."""
    profiles = [load_profile(name)] if name else [load_profile(each) for each in profile_names()]
    if as_json:
        described = [profile.model_dump(mode="json") for profile in profiles]
        print_json(described[0] if name else described)
    elif name:
        _print_profile(profiles[0], Console())
    else:
        Console().print(_targets_table(profiles))
        console.print(
            "[dim]spikeport targets NAME shows one in full; your own profile is a TOML file: TARGET=./my_board.toml[/]"
        )


def _targets_table(profiles: list[Profile]) -> Table:
    """Names and families keep the width that they need; what is left is memory, then words."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for head, cells in (("target", [p.name for p in profiles]), ("family", [p.family for p in profiles])):
        table.add_column(head, min_width=max(map(len, (head, *cells))), overflow="fold")
    table.add_column("memory")
    table.add_column("what it is")
    for profile in profiles:
        memory = ",\n".join(f"{region} {format_size(m.available_bytes)}" for region, m in profile.memory.items())
        table.add_row(f"[bold]{profile.name}[/]", profile.family, memory, profile.summary)
    return table


def _print_profile(profile: Profile, out: Console) -> None:
    out.print(f"[bold]{profile.name}[/]  {profile.summary}\n", highlight=False)
    table = Table(box=None, show_header=False, pad_edge=False)
    for path, value in _flat(profile.model_dump(mode="json", exclude={"name", "summary"})):
        size = path.startswith("memory.") and path.rsplit(".", 1)[1] in ("total", "reserved")
        table.add_row(f"[dim]{path}[/]", format_size(value) if size else str(value))
    out.print(table, highlight=False)


def _flat(value: Any, path: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [leaf for name, item in value.items() for leaf in _flat(item, f"{path}.{name}" if path else name)]
    return [] if value is None else [(path, ", ".join(map(str, value)) if isinstance(value, list) else value)]


def show_estimate(
    target: str, architecture: Path | None, shape: str, classes: int, budget: str, console: Console, *, as_json: bool
) -> None:
    """The budget table of one architecture, or of a ladder of sizes.

    Raises:
        DoesNotFitError: the architecture, or the smallest of the ladder, does not fit.
    """
    profile = with_budget(load_profile(target), parse_budget(budget))
    if architecture:
        steps = [estimate(read_architecture(architecture), profile)]
    else:
        steps = list(ladder(profile, parse_shape(shape), classes))
    largest = next((step for step in reversed(steps) if step.fits), steps[0])
    if as_json:
        print_json({"target": profile.name, "estimates": [_described(step, profile) for step in steps]})
    else:
        out = Console()
        if len(steps) > 1:
            _print_ladder(steps, profile, out)
        _print_terms(largest, profile, out)
    require_fit(largest, profile)


def _described(step: Estimate, profile: Profile) -> dict[str, Any]:
    return {
        "architecture": step.architecture.model_dump(mode="json"),
        "parameters": step.network.parameters,
        "fits": step.fits,
        "findings": [str(finding) for finding in step.findings],
        "footprint": [
            {"term": term.name, "region": term.region, "estimated_bytes": term.size_bytes, "moment": term.moment}
            for term in step.footprint.terms
        ],
        "budget": [
            {
                "region": region,
                "available_bytes": profile.memory[region].available_bytes,
                "estimated_bytes": step.footprint.region_bytes(region),
            }
            for region in step.footprint.regions
        ],
    }


def _print_ladder(steps: list[Estimate], profile: Profile, out: Console) -> None:
    regions = steps[0].footprint.regions
    out.print(f"[bold]{profile.name}[/]: how large a network of two cells may become", highlight=False)
    table = Table(box=None, header_style="bold")
    for head in ("channels", "parameters", *(f"{region} of {_available(profile, region)}" for region in regions)):
        table.add_column(head, justify="right")
    table.add_column("")
    for step in steps:
        sizes = [format_size(step.footprint.region_bytes(region)) for region in regions]
        mark = "[green]fits[/]" if step.fits else "[red]does not fit[/]"
        table.add_row(str(step.architecture.channels), f"{step.network.parameters:,}", *sizes, mark)
    out.print(table, highlight=False)
    out.print()


def _print_terms(step: Estimate, profile: Profile, out: Console) -> None:
    title = (
        f"{step.architecture.channels} channels, {step.network.parameters:,} parameters, {step.network.timesteps} steps"
    )
    out.print(f"[bold]{title}[/], estimated term by term", highlight=False)
    out.print(terms_table(step.footprint, profile), highlight=False)
    for finding in step.findings:
        out.print(f"[red]{finding}[/]", highlight=False)


def terms_table(footprint: Footprint, profile: Profile) -> Table:
    """Every term under its region, with a bar of how full the region is."""
    table = Table(box=None, header_style="bold")
    table.add_column("region")
    table.add_column("term")
    table.add_column("bytes", justify="right")
    table.add_column("")
    for region in footprint.regions:
        used, available = footprint.region_bytes(region), profile.memory[region].available_bytes
        table.add_row(
            f"[bold]{region}[/]",
            f"of {format_size(available)}",
            f"[bold]{used:,}[/]",
            f"{_bar(used / available)} {used / available:.2%}",
        )
        for term in footprint.terms:
            if term.region == region:
                table.add_row("", term.name, f"{term.size_bytes:,}", "")
    return table


def _bar(share: float) -> str:
    filled = min(_BAR, round(share * _BAR))
    colour = "red" if share > 1 else "yellow" if share > 0.9 else "green"
    return f"[{colour}]{'█' * filled}[/][dim]{'░' * (_BAR - filled)}[/]"


def _available(profile: Profile, region: str) -> str:
    return format_size(profile.memory[region].available_bytes)
