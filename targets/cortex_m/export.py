"""Writes a folder of C that a firmware engineer drops into a project: model data, kernels, build files, the measured firmware.

src/          snn.h (the interface), snn_model.[ch] (generated), the kernels
host/main.c   a program for a computer          CMakeLists.txt   both of them
examples/, library.properties                   the same folder as an Arduino library
firmware/     vector table, reset and linker script of the board: what `measure` links and runs
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from targets.cortex_m import model_source
from targets.cortex_m.estimate import costs, planned
from targets.cortex_m.memory_map import script
from targets.cortex_m.plan import Plan
from targets.cortex_m.platform import LIBRARY, platform_for
from targets.cortex_m.settings import Settings
from targets.errors import ConfigurationError
from targets.network import Network
from targets.network_file import write_atomically
from targets.profile import Profile

#: Files of the library, and where they go.
_COPIES = {
    **{f"src/{name}": name for name in ("snn.h", "snn_kernels.h", "snn_run.c", "snn_scatter.c")},
    **{f"src/{name}": name for name in ("snn_deliver.c", "snn_neurons.c")},
    "host/main.c": "host/main.c",
    "firmware/firmware.c": "firmware/firmware.c",
    "firmware/input.c": "firmware/input.c",
    "CMakeLists.txt": "CMakeLists.txt",
    "library.properties": "arduino/library.properties",
    "examples/Classify/Classify.ino": "arduino/Classify.ino",
}


def export(network: Network, profile: Profile, folder: Path, class_names: Sequence[str] = ()) -> Mapping[str, Path]:
    """Writes everything; returns the folder's files by a name for people.

    Raises:
        ConfigurationError: the network has no values.
    """
    if not network.has_values:
        raise ConfigurationError("this integer network has shapes only and cannot be exported", "train it first")
    settings: Settings = profile.settings
    platform, _ = platform_for(settings.toolchain, settings.core)
    plan = planned(network, profile, platform)
    texts = {
        "src/snn_model.h": model_source.header(plan),
        "src/snn_model.c": model_source.source(plan),
        "firmware/firmware.ld": script(profile, costs(plan, platform).stack),
        "README.md": _readme(plan, profile, class_names),
    }
    for name, source in _COPIES.items():
        texts[name] = (LIBRARY / source).read_text(encoding="utf-8")
    for name, text in texts.items():
        write_atomically(folder / name, text.encode())
    return {
        "interface": folder / "src/snn.h",
        "model": folder / "src/snn_model.c",
        "cmake": folder / "CMakeLists.txt",
        "arduino library": folder / "library.properties",
        "linker script": folder / "firmware/firmware.ld",
        "readme": folder / "README.md",
    }


def _readme(plan: Plan, profile: Profile, class_names: Sequence[str]) -> str:
    network = plan.network
    pixels = f"{plan.frame_bytes} bytes of pixels" if not network.input.spiking else f"{plan.frame_bytes} bytes a frame"
    use = "snn_reset, snn_step and snn_classify" if plan.schedule.name == "streaming" else "snn_classify"
    return f"""# A spiking neural network for {profile.name}

{profile.summary}. Exported by spikeport; plain C11 without heap, libc or floating point.

- Interface: `src/snn.h` ({use}); input: {pixels}, over {network.timesteps} time steps; {network.readout.size} classes.
- Classes, in the order of the scores: {json.dumps(list(class_names) or list(range(network.readout.size)))}.
- Schedule: {plan.schedule.name}. All memory is static: `src/snn_model.c`.
- CMake: `add_subdirectory` this folder, link to `snn`, and give the final link `-Wl,--gc-sections`.
- Arduino: put this folder into `libraries/`; the sketch is in `examples/Classify`.
- On a computer: `cmake -B build && cmake --build build && build/snn_host < inputs.bin`.
- `firmware/` is what spikeport linked and measured: vector table, reset, and the memory of the board.
"""
