"""Everything that can go wrong and be told to a user, as one small tree.

SpikeportError                      exit code
├── ConfigurationError              2   bad input, profile, dataset or command line
├── DoesNotFitError                 3   the network or every network exceeds the target
│   └── UnsupportedOperationError   3   the target cannot run an operation of the network
├── VerificationError               4
│   ├── ParityError                 4   spikes, membranes or predictions differ
│   └── FootprintError              4   measured and estimated bytes differ by more than the tolerance
├── ToolMissingError                5   a compiler, emulator or runtime is not installed
├── HardwareError                   5   the board cannot be reached, or did not measure
└── InternalError                   1   a fault of spikeport's own

Each carries a `hint`: what the user can do about it, in one sentence.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar


class SpikeportError(Exception):
    """Base of every error that is shown to a user as `message` and `hint` instead of a traceback."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigurationError(SpikeportError):
    """The input cannot be used as it is; nothing was changed."""

    exit_code = 2

    @classmethod
    def from_problems(cls, what: str, problems: Iterable[str], hint: str = "") -> ConfigurationError:
        """One error that lists every problem found in `what`, so that a user mends all of them in one go."""
        listed = list(problems)
        head = f"{what}: {listed[0]}" if len(listed) == 1 else f"{what}: {len(listed)} problems"
        body = "" if len(listed) == 1 else "".join(f"\n  - {problem}" for problem in listed)
        return cls(head + body, hint)


class DoesNotFitError(SpikeportError):
    """The network, or the smallest one possible, needs more than the target has."""

    exit_code = 3


class UnsupportedOperationError(DoesNotFitError):
    """The target's runtime cannot execute an operation that the network uses."""


class VerificationError(SpikeportError):
    """The exported artifact is not what was trained or estimated."""

    exit_code = 4


class ParityError(VerificationError):
    """Spikes, membrane potentials or predictions differ between two executors."""


class FootprintError(VerificationError):
    """A measured term is missing, zero, or outside the tolerance around its estimate."""


class ToolMissingError(SpikeportError):
    """A tool is not installed; the hint is the one command that installs it."""

    exit_code = 5


class HardwareError(SpikeportError):
    """A board cannot be reached, its disk is full, its run failed, or what came back cannot be used."""

    exit_code = 5


class InternalError(SpikeportError):
    """An invariant of spikeport itself does not hold."""

    exit_code = 1
