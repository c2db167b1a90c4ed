"""One thing beside Python packages that deploying to a target uses: a compiler, an emulator, a library that is fetched."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tool:
    """What was looked for, and found or not."""

    name: str
    #: What was found, or in what it falls short; a few words for people.
    found: str
    #: The one command that provides it; empty where nothing is missing.
    remedy: str = ""
    #: What a deployment does without it; empty where it cannot do without.
    otherwise: str = ""

    @property
    def missing(self) -> bool:
        """Whether it is not here."""
        return bool(self.remedy)

    @property
    def needed(self) -> bool:
        """Whether a deployment ends for want of it."""
        return self.missing and not self.otherwise
