"""Pools, tiles, kept currents and several memory regions: both schedules compute what the reference computes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from targets.cortex_m.estimate import estimate, planned
from targets.cortex_m.frames import recording_order
from targets.cortex_m.lowering import layers
from targets.cortex_m.plan import Plan, make_plan
from targets.cortex_m.platform import platform_for
from targets.cortex_m.schedule import batched, streaming
from targets.network import INPUT, READOUT, Connection, Conv, Dense, Input, Network, Neuron, Pool, Population, Weight
from targets.profile import Profile
from tests.networks import NETWORKS, filled
from tests.targets.cortex_m.boards import board
from tests.targets.cortex_m.test_measure import agrees, as_large_as_estimated

pytest.importorskip("unicorn")
pytest.importorskip("ziglang")


def pooled(size: tuple[int, int], pool: Pool, stride: int = 1, spiking: bool = False, bits: int = 8) -> Network:
    """Convolution, a pool that joins spikes (threshold and bias 0), dense readout; odd sizes leave rows over."""

    def side(length: int, kernel: int, step: int, padding: int) -> int:
        return (length + 2 * padding - kernel) // step + 1

    inner = tuple(side(length, 3, stride, 1) for length in size)
    outer = tuple(side(length, pool.kernel, pool.stride, pool.padding) for length in inner)
    network = Network(
        Input((2, *size), spiking),
        (
            Population("conv", (5, *inner)),
            Population("pool", (5, *outer), Neuron(keep=0)),
            Population("readout", (3,), READOUT, fires=False),
        ),
        (
            Connection(INPUT, "conv", Conv(stride, 1), "stem"),
            Connection("conv", "pool", pool),
            Connection("pool", "readout", Dense(), "head"),
        ),
        (Weight("stem", (5, 2, 3, 3), bits), Weight("head", (3, 5 * outer[0] * outer[1]), bits)),
        timesteps=3,
    )
    whole = filled(network)
    silent = {"pool": np.zeros(5, int)}
    return whole.with_values(
        {w.name: w.values for w in whole.weights if w.values is not None},
        {p.name: p.threshold for p in whole.populations if p.threshold is not None} | silent,
        {p.name: p.bias for p in whole.populations if p.bias is not None} | silent,
    )


POOLS = [
    ((7, 9), Pool(2, 2), 1),
    ((8, 6), Pool(3, 3), 1),
    ((7, 7), Pool(3, 2, 1), 1),
    ((9, 11), Pool(2, 2), 2),
    ((5, 5), Pool(5, 5), 1),
]


@pytest.mark.parametrize("schedule", ["streaming", "batched"])
@pytest.mark.parametrize(("size", "pool", "stride"), POOLS)
def test_pools(size: tuple[int, int], pool: Pool, stride: int, schedule: str, tmp_path: Path) -> None:
    network = pooled(size, pool, stride, spiking=stride == 2)
    profile = board(schedule=schedule)
    agrees(network, profile, tmp_path)
    plan = plan_for(network, profile)
    side_by_side = pool.kernel == pool.stride
    assert plan.schedule.fused == ({"pool"} if schedule == "batched" and side_by_side else set())


def plan_for(network: Network, profile: Profile) -> Plan:
    return planned(network, profile, platform_for("zig", profile.settings.core)[0])


def test_time_batched_needs_less_memory_than_streaming() -> None:
    network = pooled((16, 16), Pool(2, 2))
    sizes = [estimate(network, board(schedule=name)).region_bytes("sram") for name in ("streaming", "batched")]
    assert sizes[1] < sizes[0] / 2


def test_a_current_is_kept_where_there_is_room(tmp_path: Path) -> None:
    network, roomy = filled(NETWORKS["chain"]()), board(schedule="batched")
    assert plan_for(network, roomy).schedule.keeps_current == {"first"}
    used = estimate(network, roomy).region_bytes("sram")
    tight = with_ram(roomy, sram=used - 4)
    assert plan_for(network, tight).schedule.keeps_current == set()
    agrees(network, tight, tmp_path)
    as_large_as_estimated(network, tight, tmp_path)


def with_ram(profile: Profile, **available: int) -> Profile:
    """The board with so many bytes available in some regions."""
    memory = {
        name: replaced.model_copy(update={"total": available[name], "reserved": 0}) if name in available else replaced
        for name, replaced in profile.memory.items()
    }
    return profile.model_copy(update={"memory": memory})


def test_what_exceeds_the_first_region_goes_to_the_next(tmp_path: Path) -> None:
    network = filled(NETWORKS["branching"]())
    whole = board("stm32f405", schedule="streaming")
    used = estimate(network, whole).region_bytes("sram")
    split = with_ram(whole, sram=used - 200)
    assert {term.region for term in estimate(network, split).terms} == {"flash", "sram", "ccm"}
    agrees(network, split, tmp_path)
    as_large_as_estimated(network, split, tmp_path)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_neuron_is_recorded_once_in_every_step(name: str) -> None:
    network = filled(NETWORKS[name]())
    lowered = layers(network)
    schedules = [streaming(network, lowered)]
    if name != "feedback":
        schedules += [batched(network, lowered, kept) for kept in (False, True)]
    for schedule in schedules:
        plan = replace(make_plan(network, board(), 0), schedule=schedule)
        rows = [
            (chunk.layer.name, chunk.step, chunk.first_row + row)
            for chunk in recording_order(plan)
            for row in range(chunk.rows)
        ]
        steps = range(network.timesteps)
        assert sorted(rows) == sorted((o.name, step, row) for o in lowered for step in steps for row in range(o.rows))
