"""arm-none-eabi-gcc and QEMU, where they are installed: the same scores, and estimates as exact as with the default tools."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from targets.cortex_m.estimate import planned
from targets.cortex_m.export import export
from targets.cortex_m.frames import frames_of
from targets.cortex_m.measure import link
from targets.cortex_m.platform import platform_for
from targets.cortex_m.qemu import MACHINES, scores
from targets.cortex_m.toolchain import installed_version
from targets.reference import run
from tests.networks import NETWORKS, filled, inputs_for
from tests.targets.cortex_m.boards import board
from tests.targets.cortex_m.test_measure import agrees, as_large_as_estimated

needs_gcc = pytest.mark.skipif(installed_version("gcc") is None, reason="needs arm-none-eabi-gcc")
needs_qemu = pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="needs qemu-system-arm")


@needs_gcc
@pytest.mark.parametrize("core", ["cortex_m0", "cortex_m3", "cortex_m4", "cortex_m33"])
def test_gcc_agrees(core: str, tmp_path: Path) -> None:
    network, profile = filled(NETWORKS["branching"]()), board(core=core, toolchain="gcc")
    agrees(network, profile, tmp_path)
    as_large_as_estimated(network, profile, tmp_path)


@needs_qemu
@pytest.mark.parametrize("name", MACHINES)
def test_qemu_agrees(name: str, tmp_path: Path) -> None:
    profile = board(name)
    network = filled(NETWORKS["chain"](neuron=profile.neuron.neuron))
    export(network, profile, tmp_path)
    inputs = inputs_for(network, 4)
    plan = planned(network, profile, platform_for("zig", profile.settings.core)[0])
    found = scores(link(tmp_path, profile), MACHINES[name], [frames_of(plan, sample)[0] for sample in inputs])
    np.testing.assert_array_equal(found, run(network, inputs).scores)
