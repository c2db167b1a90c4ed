"""Hardware profiles: what a board has and allows, as data. Comes in: a TOML file. Goes out: a frozen, fully checked Profile.

A profile is shipped (targets/profiles/NAME.toml) or a user's own path. It may extend another one; tables are merged key by
key. Every table that states a number names its `source`. Unknown keys are refused, and all problems are reported at once
with their key path. The table named after the family holds that family's own settings.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from targets.errors import ConfigurationError
from targets.footprint import Tolerance
from targets.hardware.ways import MeasureTable
from targets.network import Neuron
from targets.sizes import ByteSize

PROFILES = Path(__file__).parent / "profiles"
OperationName = Literal["skip", "conv", "avgpool", "feedback"]


class Table(BaseModel):
    """A TOML table: frozen, strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Core(Table):
    """The processor that runs the network."""

    #: For people; the family's own table decides what is built.
    name: str
    #: For people, too.
    instruction_set: str
    #: Where the numbers of this table come from; (a choice) for a decision.
    source: str


class MemoryRegion(Table):
    """One contiguous memory, and what of it the application keeps for itself."""

    #: ram and flash are a board's, core is the memory of neurocores.
    kind: Literal["ram", "flash", "core"]
    #: Bytes that the hardware has.
    total: ByteSize
    #: Of them, what the application keeps; the network gets the rest.
    reserved: ByteSize = 0
    #: Address, where the family links code: 0x20000000.
    base: int | None = None
    #: Where the numbers of this table come from; (a choice) for a decision.
    source: str

    @property
    def available_bytes(self) -> int:
        """What the network may use."""
        return self.total - self.reserved

    @model_validator(mode="after")
    def _reserved_leaves_something(self) -> Self:
        if self.reserved >= self.total:
            raise ValueError(f"reserved ({self.reserved} B) leaves nothing of total ({self.total} B)")
        return self


class NetworkLimits(Table):
    """Which networks the target runs."""

    #: What the target runs beyond dense layers; search proposes nothing else.
    operations: tuple[OperationName, ...] = Field(min_length=1)
    #: Odd widths of convolutions.
    kernel_sizes: tuple[int, ...] = Field(min_length=1)
    #: Widths of weights, 2 to 8.
    weight_bits: tuple[int, ...] = Field(min_length=1)
    #: Whether a weight has one scale per output channel or one for the whole tensor (thresholds follow).
    weight_scale: Literal["per_channel", "per_tensor"]
    #: Where the numbers of this table come from; (a choice) for a decision.
    source: str

    @model_validator(mode="after")
    def _values_exist(self) -> Self:
        if any(size < 1 or size % 2 == 0 for size in self.kernel_sizes):
            raise ValueError(f"kernel_sizes {self.kernel_sizes} must be odd and positive")
        if any(not 2 <= bits <= 8 for bits in self.weight_bits):
            raise ValueError(f"weight_bits {self.weight_bits} must lie within 2 and 8")
        return self


class NeuronTable(Table):
    """The arithmetic of `targets.network.Neuron`, and how many bits of a pixel enter it."""

    #: Leak: at each step the membrane potential becomes keep / 2**keep_shift of itself, rounded toward zero.
    keep: int
    #: 0 to 12, and small enough that the product stays within 32 bits where the target has no more.
    keep_shift: int
    #: F: currents, biases and thresholds are shifted left by so many bits.
    fraction_bits: int
    #: Width of the membrane potential, which saturates.
    state_bits: int
    #: Width at which the current wraps around before it is added; none: it does not.
    current_bits: int | None = None
    #: Low bits of a pixel that are cut off before the first layer.
    pixel_shift: int = Field(default=0, ge=0, le=7)
    #: Width of a stored threshold (unsigned), before the shift by fraction_bits; none: as the state.
    threshold_bits: int | None = Field(default=None, ge=2, le=32)
    #: Width of a stored bias (signed), likewise.
    bias_bits: int | None = Field(default=None, ge=2, le=32)
    #: Whether the current of constant pixels is written into the bias (no graded input), and counts there.
    pixels_in_bias: bool = False
    #: Where the numbers of this table come from; (a choice) for a decision.
    source: str

    @property
    def largest_threshold(self) -> int | None:
        """The greatest threshold that can be stored, where that is less than what the state can hold."""
        return None if self.threshold_bits is None else int(2**self.threshold_bits - 1)

    @property
    def largest_bias(self) -> int | None:
        """The greatest magnitude of a bias, likewise."""
        return None if self.bias_bits is None else int(2 ** (self.bias_bits - 1) - 1)

    @property
    def neuron(self) -> Neuron:
        """The arithmetic of every firing population."""
        return Neuron(self.keep, self.keep_shift, self.fraction_bits, self.state_bits, self.current_bits)

    @model_validator(mode="after")
    def _arithmetic_is_possible(self) -> Self:
        found = list(self.neuron.problems())
        if found:
            raise ValueError("; ".join(found))
        return self


class Profile(Table):
    """One target. `settings` is the family's own table, validated by the family's model."""

    #: Name of the file.
    name: str
    #: One line for people.
    summary: str
    #: The folder of targets/ that knows how to run networks there.
    family: str
    core: Core
    memory: Mapping[str, MemoryRegion] = Field(min_length=1)
    network: NetworkLimits
    neuron: NeuronTable
    tolerance: Mapping[str, Tolerance]
    settings: Any
    #: How it is measured, where not as the family does by itself.
    measure: MeasureTable = MeasureTable()

    @model_validator(mode="after")
    def _tolerance_has_a_default(self) -> Self:
        if "default" not in self.tolerance:
            raise ValueError("tolerance.default is missing")
        return self


def profile_names() -> list[str]:
    """Names of all shipped profiles."""
    return sorted(path.stem for path in PROFILES.glob("*.toml"))


def load_profile(target: str) -> Profile:
    """A shipped profile by name, or a user's own by the path of its TOML file.

    Raises:
        ConfigurationError: no such profile (with the nearest names), or everything that is wrong in it.
    """
    path = _path(target)
    data = _merged(path, ())
    from targets.families import family_named

    problems: list[str] = []
    settings: Any = None
    name = data.get("family")
    try:
        family = family_named(str(name))
        try:
            settings = family.settings_model().model_validate(data.pop(family.name, {}))
        except ValidationError as error:
            problems += _sentences(error, family.name)
    except ConfigurationError as error:
        problems.append(f"family: {error.message}")
    try:
        profile = Profile.model_validate({**data, "name": path.stem, "settings": settings})
    except ValidationError as error:
        problems += _sentences(error)
    if problems:
        raise ConfigurationError.from_problems(f"profile {path}", problems, "mend the keys named above and try again")
    return profile


def _path(target: str) -> Path:
    if target.endswith(".toml") or "/" in target:
        return Path(target)
    if target in profile_names():
        return PROFILES / f"{target}.toml"
    near = difflib.get_close_matches(target, profile_names(), n=3, cutoff=0.6)
    hint = (
        f"did you mean {' or '.join(near)}?"
        if near
        else "`spikeport targets` lists them; a path to a TOML file works too"
    )
    raise ConfigurationError(f"unknown target {target!r}", hint)


def _merged(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    """The file's tables over those of the profile that it extends (a shipped name, or a path beside it)."""
    if path in seen:
        raise ConfigurationError(f"profile {path}: extends itself through {' -> '.join(str(p) for p in seen)}")
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"profile {path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"profile {path}: not valid TOML ({error})") from error
    base = data.pop("extends", None)
    if base is None:
        return data
    if not isinstance(base, str):
        raise ConfigurationError(f"profile {path}: extends must be the name or path of one profile")
    parent = path.parent / base if base.endswith(".toml") else _base_path(base)
    return _overlaid(_merged(parent, (*seen, path)), data)


def _base_path(name: str) -> Path:
    base = PROFILES / "base" / f"{name}.toml"
    return base if base.exists() else _path(name)


def _overlaid(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        both_tables = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _overlaid(result[key], value) if both_tables else value
    return result


def _sentences(error: ValidationError, prefix: str = "") -> list[str]:
    lines = []
    for item in error.errors():
        path = ".".join(str(part) for part in ([prefix] if prefix else []) + list(item["loc"]))
        text = {"missing": "is missing", "extra_forbidden": "is an unknown key"}.get(item["type"])
        lines.append(f"{path or 'profile'}: {text or item['msg'].removeprefix('Value error, ')}")
    return lines
