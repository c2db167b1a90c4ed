"""The doors of each hardware family. Outside its folder nothing tests a family's name: everyone comes through here.

A family is a folder `targets/<name>/` with

    settings.py   Settings                                   the family's own table of a profile (pydantic)
    rules.py      rules                                      what its targets cannot run, as `targets.fit` rules
    estimate.py   estimate(network, profile)                 a Footprint from shapes and bits alone, in milliseconds
    export.py     export(network, profile, folder, class_names)   writes the artifact, returns its files by name
    measure.py    measure(folder, network, profile)          a Footprint of the artifact, with how it was obtained
                  execute(folder, network, profile, inputs)  a Trace of the artifact running: spikes, membranes, scores
                  venue(profile)                             a Venue: how this machine runs and measures the artifact
                  tools(profile)                             what that uses beside Python packages, for `doctor`
    weights.py    weights(network, profile)                  how many bits a weight has, takes, and is executed with

and, where it can,

    bundle.py     bundle(folder, network, profile, inputs, into)      a folder that a real board runs
                  read_back(returned, folder, network, profile, inputs)   an Observation of what came back
    timing.py     latencies(folder, network, profile, inputs)         how long it takes, natively
                  instructions(folder, network, profile, inputs)      how many instructions, emulated

Each is imported only when it is used, so that listing targets stays fast and a missing tool hurts only who needs it.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from targets.errors import ConfigurationError
from targets.footprint import Footprint, Venue
from targets.network import Network
from targets.reference import Trace

if TYPE_CHECKING:
    from pydantic import BaseModel

    from targets.fit import Rule
    from targets.hardware.observe import Observation
    from targets.hardware.record import Returned
    from targets.latency import Instructions, Latency
    from targets.profile import Profile
    from targets.stored_weight import StoredWeight
    from targets.tool import Tool


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

    def export(
        self, network: Network, profile: Profile, folder: Path, class_names: Sequence[str] = ()
    ) -> Mapping[str, Path]:
        """Writes the artifact into an empty folder; returns the paths of its files, by a name for people."""
        door: Callable[[Network, Profile, Path, Sequence[str]], Mapping[str, Path]] = self._door("export", "export")
        return door(network, profile, folder, class_names)

    def measure(self, folder: Path, network: Network, profile: Profile) -> Footprint:
        """The same terms as `estimate`, measured on the exported artifact."""
        door: Callable[[Path, Network, Profile], Footprint] = self._door("measure", "measure")
        return door(folder, network, profile)

    def execute(self, folder: Path, network: Network, profile: Profile, inputs: NDArray[np.uint8]) -> Trace:
        """Runs the exported artifact on inputs as `targets.reference.run` takes them."""
        door: Callable[[Path, Network, Profile, NDArray[np.uint8]], Trace] = self._door("measure", "execute")
        return door(folder, network, profile, inputs)

    def venue(self, profile: Profile) -> Venue:
        """How this machine runs and measures the profile's artifacts; `execute` and `measure` take the venue's profile."""
        door: Callable[[Profile], Venue] = self._door("measure", "venue")
        return door(profile)

    def tools(self, profile: Profile) -> Sequence[Tool]:
        """What exporting and verifying use beside Python packages, found or not."""
        door: Callable[[Profile], Sequence[Tool]] = self._door("measure", "tools")
        return door(profile)

    def weights(self, network: Network, profile: Profile) -> tuple[StoredWeight, ...]:
        """Every weight tensor as the target keeps and executes it."""
        door: Callable[[Network, Profile], tuple[StoredWeight, ...]] = self._door("weights", "weights")
        return door(network, profile)

    def bundle(self, folder: Path, network: Network, profile: Profile, inputs: NDArray[np.uint8], into: Path) -> None:
        """Writes what a real board needs to run and measure the artifact.

        Raises:
            ConfigurationError: the family cannot be measured on hardware.
        """
        door: Callable[..., None] = self._hardware_door("bundle")
        door(folder, network, profile, inputs, into)

    def read_back(
        self, returned: Returned, folder: Path, network: Network, profile: Profile, inputs: NDArray[np.uint8]
    ) -> Observation:
        """What a board's record and files say."""
        door: Callable[..., Observation] = self._hardware_door("read_back")
        return door(returned, folder, network, profile, inputs)

    def latencies(
        self, folder: Path, network: Network, profile: Profile, inputs: NDArray[np.uint8]
    ) -> tuple[Latency, ...]:
        """How long the artifact takes on this machine; nothing where it does not run natively."""
        door = self._timing_door("latencies")
        return () if door is None else tuple(door(folder, network, profile, inputs))

    def instructions(
        self, folder: Path, network: Network, profile: Profile, inputs: NDArray[np.uint8]
    ) -> tuple[Instructions, ...]:
        """How many instructions it takes on an emulated core; nothing where none are counted."""
        door = self._timing_door("instructions")
        return () if door is None else tuple(door(folder, network, profile, inputs))

    def _timing_door(self, name: str) -> Callable[..., Any] | None:
        module = f"targets.{self.name}.timing"
        if importlib.util.find_spec(module) is None:
            return None
        return getattr(importlib.import_module(module), name, None)

    def _hardware_door(self, name: str) -> Any:
        if importlib.util.find_spec(f"targets.{self.name}.bundle") is None:
            raise ConfigurationError(
                f"{self.name} targets cannot be measured on hardware yet", "leave out --hardware and [measure.hardware]"
            )
        return self._door("bundle", name)

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
