"""The doors of each hardware family. Outside its folder nothing tests a family's name: everyone comes through here.

A family is a folder `targets/<name>/` with

    settings.py   Settings                                   the family's own table of a profile (pydantic)
    rules.py      rules                                      what its targets cannot run, as `targets.fit` rules
    estimate.py   estimate(network, profile)                 a Footprint from shapes and bits alone, in milliseconds
    export.py     export(network, profile, folder)           writes the artifact, returns its files by name
    measure.py    measure(folder, network, profile)          a Footprint of the artifact, with how it was obtained
                  execute(folder, network, profile, inputs)  a Trace of the artifact running: spikes, membranes, scores

Each is imported only when it is used, so that listing targets stays fast and a missing tool hurts only who needs it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from targets.errors import ConfigurationError
from targets.footprint import Footprint
from targets.network import Network
from targets.reference import Trace

if TYPE_CHECKING:
    from pydantic import BaseModel

    from targets.fit import Rule
    from targets.profile import Profile


@dataclass(frozen=True)
class Family:
    """One hardware family and its lazily imported doors."""

    name: str
    summary: str
    #: What one does with its artifact, in a sentence or two for a model card; `code` in backquotes.
    how_to_run: str = ""

    def settings_model(self) -> type[BaseModel]:
        """The pydantic model of the family's table in a profile."""
        model: type[BaseModel] = self._door("settings", "Settings")
        return model

    def rules(self) -> tuple[Rule, ...]:
        """What the family adds to the fit rules that hold for all."""
        rules: tuple[Rule, ...] = self._door("rules", "rules")
        return rules

    def estimate(self, network: Network, profile: Profile) -> Footprint:
        """Every term of the exported network, from shapes and bits alone."""
        door: Callable[[Network, Profile], Footprint] = self._door("estimate", "estimate")
        return door(network, profile)

    def export(self, network: Network, profile: Profile, folder: Path) -> Mapping[str, Path]:
        """Writes the artifact into an empty folder; returns the paths of its files, by a name for people."""
        door: Callable[[Network, Profile, Path], Mapping[str, Path]] = self._door("export", "export")
        return door(network, profile, folder)

    def measure(self, folder: Path, network: Network, profile: Profile) -> Footprint:
        """The same terms as `estimate`, measured on the exported artifact."""
        door: Callable[[Path, Network, Profile], Footprint] = self._door("measure", "measure")
        return door(folder, network, profile)

    def execute(self, folder: Path, network: Network, profile: Profile, inputs: NDArray[np.uint8]) -> Trace:
        """Runs the exported artifact on inputs as `targets.reference.run` takes them."""
        door: Callable[[Path, Network, Profile, NDArray[np.uint8]], Trace] = self._door("measure", "execute")
        return door(folder, network, profile, inputs)

    def _door(self, module: str, name: str) -> Any:
        return getattr(importlib.import_module(f"targets.{self.name}.{module}"), name)


FAMILIES = (
    Family(
        "onnxruntime",
        "Linux boards that run ONNX Runtime",
        "Load `whole.onnx` with ONNX Runtime to classify one input per call, or `step.onnx` to keep the membrane potentials "
        "and go step by step. The metadata of each file says what to feed and what comes out.",
    ),
    Family(
        "loihi",
        "Intel Loihi 1 and 2, through Lava",
        "`python run_lava.py inputs.npy scores.npy` runs it in Lava's fixed-point simulator; install the packages of "
        "`requirements.txt` with `--no-deps` first. `cores.json` says how it packs into neurocores.",
    ),
    Family(
        "cortex_m",
        "Arm Cortex-M microcontrollers, bare-metal C",
        "Add the folder to a firmware with CMake's `add_subdirectory`, or put it among the Arduino libraries; `src/snn.h` is the "
        "interface and `README.md` shows its use. `host/main.c` runs the same code on a computer.",
    ),
)


def family_named(name: str) -> Family:
    """The family of that name.

    Raises:
        ConfigurationError: there is none.
    """
    for family in FAMILIES:
        if family.name == name:
            return family
    raise ConfigurationError(
        f"unknown family {name!r}", f"families are {', '.join(family.name for family in FAMILIES)}"
    )
