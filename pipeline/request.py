"""What a user asks for, checked before anything starts.

Comes in: the values of the command line. Goes out: the profile with the asked budget, and the configuration of every stage
with the asked settings. All problems of one input are reported together.
"""

from __future__ import annotations

import difflib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from stages.analyze import AnalyzeConfig
from stages.export import ExportConfig
from stages.quantize import QuantizeConfig
from stages.searching.config import SearchConfig
from stages.verify import VerifyConfig
from targets.errors import ConfigurationError
from targets.hardware.ways import MeasureTable, parse_hardware
from targets.profile import MemoryRegion, Profile, load_profile
from targets.sizes import format_size, parse_size

Preset = Literal["quick", "full"]


@dataclass(frozen=True)
class Request:
    """One deployment as it was asked for."""

    target: str
    dataset: str = "digits"
    data: Path | None = None
    seed: int = 0
    preset: Preset = "quick"
    #: Bytes by region, in place of what the profile says.
    budget: Mapping[str, int] = field(default_factory=dict)
    #: Settings of stages by their dotted path.
    settings: Mapping[str, Any] = field(default_factory=dict)
    build: Path = Path("build")
    #: The board to measure on, as `targets.hardware.ways.parse_hardware` reads it; "" for none but the profile's.
    hardware: str = ""
    #: Opset of the exported file, in place of the profile's.
    opset: int | None = None

    def command(self) -> str:
        """The command line that asks for this again."""
        words = ["spikeport deploy", self.target]
        words += [] if self.dataset == "digits" else [f"--dataset {self.dataset}"]
        words += [] if self.data is None else [f"--data {self.data}"]
        words += [] if self.seed == 0 else [f"--seed {self.seed}"]
        words += [] if self.preset == "quick" else [f"--preset {self.preset}"]
        words += [f"--budget {region}={size}" for region, size in self.budget.items()]
        words += [f"--set {path}={json.dumps(value)}" for path, value in self.settings.items()]
        words += [f"--hardware {shlex.quote(self.hardware)}"] if self.hardware else []
        words += [f"--opset {self.opset}"] if self.opset else []
        return " ".join(words)


class Configs(BaseModel):
    """The configuration of every stage that has one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    analyze: AnalyzeConfig
    search: SearchConfig
    quantize: QuantizeConfig
    export: ExportConfig
    verify: VerifyConfig

    @classmethod
    def of(cls, request: Request) -> Self:
        """Those of the preset, with the seed and the settings that were asked for.

        Raises:
            ConfigurationError: every setting that does not exist or does not take its value.
        """
        preset = cls(
            analyze=AnalyzeConfig.preset(request.preset),
            search=SearchConfig.preset(request.preset),
            quantize=QuantizeConfig.preset(request.preset),
            export=ExportConfig.preset(request.preset),
            verify=VerifyConfig.preset(request.preset),
        )
        values = preset.model_dump()
        for stage in values.values():
            if "seed" in stage:
                stage["seed"] = request.seed
        problems = [problem for path, value in request.settings.items() for problem in _set(values, path, value)]
        try:
            result = cls.model_validate(values)
        except ValidationError as error:
            problems += [f"{'.'.join(str(p) for p in item['loc'])}: {item['msg']}" for item in error.errors()]
        if problems:
            raise ConfigurationError.from_problems("--set", problems, "`spikeport deploy --help` names the settings")
        return result


def _set(values: dict[str, Any], path: str, value: Any) -> list[str]:
    """Puts one value in its place; a sentence where there is none."""
    *above, last = path.split(".")
    table: Any = values
    for name in above:
        table = table.get(name) if isinstance(table, dict) else None
    if not above or not isinstance(table, dict) or last not in table:
        known = [f"{stage}.{name}" for stage, config in values.items() for name in config]
        near = difflib.get_close_matches(path, known, n=2)
        return [f"there is no setting {path!r}" + (f"; did you mean {' or '.join(near)}?" if near else "")]
    table[last] = value
    return []


def parse_settings(texts: Sequence[str]) -> dict[str, Any]:
    """`quantize.epochs=20` by its path; the value is JSON, or a text where it is not.

    Raises:
        ConfigurationError: no `=`.
    """
    settings: dict[str, Any] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals:
            raise ConfigurationError(f"--set {text}: no value", "write it as STAGE.NAME=VALUE")
        try:
            settings[path.strip()] = json.loads(value)
        except json.JSONDecodeError:
            settings[path.strip()] = value
    return settings


def parse_budget(text: str) -> dict[str, int]:
    """`flash=64KiB,ram=20KiB` in bytes by region.

    Raises:
        ConfigurationError: every part that is not a region and a size.
    """
    budget: dict[str, int] = {}
    problems = []
    for part in (part for part in text.split(",") if part.strip()):
        region, equals, size = part.partition("=")
        try:
            budget[region.strip()] = parse_size(int(size) if size.strip().isdigit() else size)
        except ValueError as error:
            problems.append(f"{part.strip()!r}: {error}" if equals else f"{part.strip()!r} is not REGION=SIZE")
    if problems:
        raise ConfigurationError.from_problems("--budget", problems, "for example --budget flash=64KiB,ram=20KiB")
    return budget


def profile_of(request: Request) -> Profile:
    """The target's profile with what the request changes in it.

    Raises:
        ConfigurationError: there is no such profile, or the budget, the board or the opset cannot be used.
    """
    profile = with_budget(load_profile(request.target), request.budget)
    if request.hardware:
        table = MeasureTable(hardware=parse_hardware(request.hardware))
        profile = profile.model_copy(update={"measure": table})
    return profile if request.opset is None else with_opset(profile, request.opset)


def with_opset(profile: Profile, opset: int) -> Profile:
    """The profile with another opset of the exported file.

    Raises:
        ConfigurationError: its family writes no ONNX, or the board does not load that opset.
    """
    model = type(profile.settings)
    if "export_opset" not in model.model_fields:
        raise ConfigurationError(f"--opset: {profile.name} is not given ONNX files", "leave it out")
    try:
        settings = model.model_validate({**profile.settings.model_dump(), "export_opset": opset})
    except ValidationError as error:
        problem = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"--opset {opset}: {problem}", "`spikeport targets NAME` shows the ceiling") from error
    return profile.model_copy(update={"settings": settings})


def with_budget(profile: Profile, budget: Mapping[str, int]) -> Profile:
    """The profile with less memory available.

    Raises:
        ConfigurationError: a region that the target does not have, no bytes, or more than the target has.
    """
    problems, memory = [], dict(profile.memory)
    for region, size in budget.items():
        if region not in memory:
            problems.append(f"{profile.name} has no region {region!r}; it has {', '.join(memory)}")
        elif size == 0:
            problems.append(f"{region}: a budget of 0 B holds nothing")
        elif size > memory[region].total:
            total = format_size(memory[region].total)
            problems.append(f"{region}: {format_size(size)} is more than the {total} of {profile.name}")
        else:
            memory[region] = MemoryRegion.model_validate(
                {**memory[region].model_dump(), "total": size, "reserved": 0, "source": "--budget"}
            )
    if problems:
        raise ConfigurationError.from_problems("--budget", problems)
    return profile.model_copy(update={"memory": memory})
