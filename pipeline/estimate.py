"""`spikeport estimate`: what a network would need of a target, in a moment and without training anything.

Comes in: a profile and an architecture. Goes out: its footprint, and everything that keeps it off the target. Without an
architecture there is a ladder of one standard cell in ever more channels, so that one sees how much room there is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from stages.snn.architecture import Architecture, lower
from targets.errors import ConfigurationError, DoesNotFitError
from targets.families import family_named
from targets.fit import Finding, findings
from targets.footprint import Footprint
from targets.network import Network
from targets.profile import Profile

_LADDER = (4, 8, 16, 32, 64, 128, 256, 512)


@dataclass(frozen=True)
class Estimate:
    """One architecture on one target."""

    architecture: Architecture
    network: Network
    footprint: Footprint
    findings: tuple[Finding, ...]

    @property
    def fits(self) -> bool:
        """Whether nothing keeps it off the target."""
        return not self.findings


def estimate(architecture: Architecture, profile: Profile) -> Estimate:
    """The footprint of an architecture, by the target's own estimator."""
    network = lower(architecture, profile)
    footprint = family_named(profile.family).estimate(network, profile)
    return Estimate(architecture, network, footprint, tuple(findings(network, profile, footprint)))


def ladder(profile: Profile, input_shape: tuple[int, int, int], classes: int) -> Iterator[Estimate]:
    """The standard cell in more and more channels, up to and including the first that does not fit."""
    skip = "skip" if "skip" in profile.network.operations else "zero"
    kernel = 3 if 3 in profile.network.kernel_sizes else profile.network.kernel_sizes[0]
    cell = f"|conv{kernel}x{kernel}~0|+|{skip}~0|conv{kernel}x{kernel}~1|"
    for channels in _LADDER:
        step = estimate(
            Architecture(
                input_shape=input_shape,
                classes=classes,
                cells=(cell, cell),
                channels=channels,
                weight_bits=max(profile.network.weight_bits),
            ),
            profile,
        )
        yield step
        if not step.fits:
            return


def parse_shape(text: str) -> tuple[int, int, int]:
    """Channels, rows and columns of `3x32x32`.

    Raises:
        ConfigurationError: not three positive numbers.
    """
    parts = text.split("x")
    if len(parts) != 3 or not all(part.isdigit() and int(part) > 0 for part in parts):
        raise ConfigurationError(f"--input {text}: not CHANNELSxROWSxCOLUMNS", "for example --input 3x32x32")
    channels, rows, columns = (int(part) for part in parts)
    return channels, rows, columns


def read_architecture(path: Path) -> Architecture:
    """An architecture from its JSON, or from the result of a search that holds one.

    Raises:
        ConfigurationError: the file cannot be read, or everything that is wrong in it.
    """
    try:
        return Architecture.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        problems = [f"{'.'.join(str(p) for p in item['loc']) or 'file'}: {item['msg']}" for item in error.errors()]
        raise ConfigurationError.from_problems(str(path), problems, "it must be one architecture as JSON") from error


def require_fit(estimated: Estimate, profile: Profile) -> None:
    """Raises:
    DoesNotFitError: with every finding.
    """
    if estimated.findings:
        lines = "".join(f"\n  - {finding}" for finding in estimated.findings)
        raise DoesNotFitError(f"the network does not fit {profile.name}:{lines}", estimated.findings[0].hint)
