"""Where verification happens, checked before anything is trained for it.

Comes in: a profile, and how it must be measured. Goes out: the Venue that this machine offers.
"""

from __future__ import annotations

from targets.errors import ToolMissingError
from targets.families import family_named
from targets.footprint import MeasuredBy, Venue
from targets.profile import Profile

_NAME_A_BOARD = "name the board: --hardware ssh://USER@HOST, or [measure.hardware] in the profile"


def venue_of(profile: Profile, required: MeasuredBy | None) -> Venue:
    """How this machine runs and measures artifacts of the profile.

    Raises:
        ToolMissingError: not as required; the hint is what would make it so.
    """
    venue = family_named(profile.family).venue(profile)
    require(offered(venue), required, venue)
    return venue


def offered(venue: Venue) -> MeasuredBy:
    """How memory is going to be measured: on the board that the profile names, or as this machine can."""
    return venue.obtained if venue.profile.measure.hardware is None else "hardware"


def require(obtained: MeasuredBy, required: MeasuredBy | None, venue: Venue) -> None:
    """Raises:
    ToolMissingError: a measurement is not obtained as it must be.
    """
    if required in (None, obtained):
        return
    why = f": {venue.shortfall}" if venue.shortfall else ""
    hint = _NAME_A_BOARD if required == "hardware" else venue.command or f"leave out --require, or say {obtained}"
    raise ToolMissingError(f"--require {required}: {venue.profile.name} is measured by {obtained!r} here{why}", hint)
