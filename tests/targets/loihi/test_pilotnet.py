"""The golden executor against vectors of Loihi 2 hardware tests: PilotNet, shipped inside the wheel of lava-dl 0.6.0.

Recorded are currents, membrane potentials and spikes of each layer over 24 steps, with the state forgotten every 17. A layer
is given the recorded spikes of the layer before it, one step earlier. Left out are conv-0, whose recorded input belongs to
another run from step 18 on, and the dense layers, which are small variants of the same arithmetic.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from targets import reference
from targets.loihi.environment import LAVA
from targets.network import Conv, Neuron, Population
from tests.targets.loihi.examples import require_lava

RESET_STEPS = 17
#: A neuron that spiked in this step is recorded with its refractory mark instead of 0.
REFRACTORY_MARK = 128
PILOTNET = "lib/python*/site-packages/tests/lava/lib/dl/netx/gts/pilotnet_lif"


@pytest.fixture(scope="module")
def vectors() -> Path:
    require_lava()
    return next(LAVA.folder.glob(PILOTNET))


def recorded(vectors: Path, name: str) -> NDArray[np.int64]:
    """[T, C, H, W] from Lava's [W, H, C, T]."""
    values: NDArray[Any] = np.load(vectors / f"{name}.npy", allow_pickle=False)
    return values.astype(np.int64).transpose(3, 2, 1, 0)


@pytest.mark.parametrize("layer", [1, 2, 3, 4])
def test_reference_reproduces_loihi_2(vectors: Path, layer: int) -> None:
    import h5py

    with h5py.File(vectors / "network.net", "r") as file:
        group = file[f"layer/{layer + 1}"]
        weight, bias = group["weight"][()].astype(np.int64), group["bias"][()].astype(np.int32)
        (rows, columns), (above, left) = group["stride"][()], group["padding"][()]
        keep, threshold = 4096 - int(group["neuron/vDecay"][()]), int(group["neuron/vThMant"][()])
    before = recorded(vectors, f"conv-{layer - 1}")
    padded = np.pad(before, ((0, 0), (0, 0), (above, above), (left, left)))
    sums = reference.convolve(padded, weight.reshape(weight.shape[:4]), Conv())[:, :, ::rows, ::columns]
    neuron = Neuron(keep, 12, 6, 24, 24)
    currents = reference.wrap(sums << 6, neuron)
    assert np.array_equal(currents[:-1], recorded(vectors, f"conv-{layer}-u")[1:])

    shape, channels = sums.shape[1:], len(weight)
    population = Population("conv", shape, neuron, threshold=np.full(channels, threshold, np.int32), bias=bias)
    membrane = np.zeros((1, *shape), np.int64)
    membranes, spikes = recorded(vectors, f"conv-{layer}-v"), recorded(vectors, f"conv-{layer}")
    for step in range(len(before)):
        if step % RESET_STEPS == layer + 1:
            membrane[:] = 0
        arrived = sums[step - 1 : step] if step else np.zeros_like(sums[:1])
        membrane, fired = reference.integrate(population, membrane, arrived)
        assert np.array_equal(fired[0], spikes[step])
        assert np.array_equal(np.where(fired, REFRACTORY_MARK, membrane)[0], membranes[step])
    assert spikes.mean() > 0.05
