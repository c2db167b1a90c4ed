"""Where something was run or measured, in words: the same ones on the page, in the report and in the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from targets.footprint import MeasuredBy

PLACES: Mapping[MeasuredBy, str] = {
    "runtime": "natively, on the machine that ran spikeport",
    "emulated": "in an emulator of the target",
    "simulated": "in a simulator of the target",
    "hardware": "on the target itself",
}
