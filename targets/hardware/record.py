"""What comes back from a board: one JSON object, and the files that it names.

Comes in: what a program printed. Goes out: a checked Record. Every problem in it is told at once, with its path, because
whoever writes a script for a microcontroller reads this message first. `docs/real-hardware.md` explains the fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError

from targets.errors import HardwareError
from targets.hardware.archive import RESULTS

MOST_BYTES = 64 * 1024**2
_Text = Annotated[str, Field(max_length=300)]


class Timing(BaseModel):
    """How long one inference took, run after run."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)

    #: What was timed: "one sample through whole.onnx".
    what: _Text
    #: Runs before these that were not kept.
    warm_up: NonNegativeInt
    seconds: tuple[PositiveFloat, ...] = Field(min_length=1, max_length=100_000)


class Record(BaseModel):
    """What a board, or the program that spoke with it, says of a run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1]
    #: How it was obtained; `hardware` says that a real board ran it.
    obtained: Literal["hardware", "emulated", "simulated", "runtime"]
    #: What the board calls itself.
    board: _Text = Field(min_length=1)
    #: Bytes by name; the bundle says which are expected.
    terms: Mapping[_Text, PositiveInt] = Field(default_factory=dict)
    #: Scores of each sample, in the order of the bundle's inputs.
    scores: tuple[tuple[int, ...], ...] = ()
    timings: tuple[Timing, ...] = ()
    #: Tools and their versions.
    tools: Mapping[_Text, _Text] = Field(default_factory=dict)


@dataclass(frozen=True)
class Returned:
    """A record, and the folder of the files that came with it."""

    record: Record
    files: Path

    def file(self, name: str) -> Path:
        """A file that came back.

        Raises:
            HardwareError: it did not, or it is no plain file.
        """
        path = self.files / name
        if path.is_symlink() or not path.is_file():
            raise HardwareError(f"the board returned no file {RESULTS}/{name}", "see docs/real-hardware.md")
        return path


def parse_record(printed: bytes, source: str) -> Record:
    """The record that `source` printed.

    Raises:
        HardwareError: it is no JSON, or everything that is wrong in it.
    """
    if not printed.strip():
        raise HardwareError(f"{source} printed nothing", "it has to print one JSON object, see docs/real-hardware.md")
    try:
        return Record.model_validate_json(printed)
    except ValidationError as error:
        found = [f"{'.'.join(map(str, e['loc'])) or 'it'}: {e['msg']}" for e in error.errors()[:20]]
        raise HardwareError(
            f"what {source} printed is not a measurement: " + "; ".join(found), "see docs/real-hardware.md"
        ) from error
