"""Every kernel of the library runs in some network here, on cores with and without SIMD, and is exact."""

from __future__ import annotations

from pathlib import Path

import pytest

from targets.cortex_m.lowering import layers
from targets.cortex_m.parts import parts_of
from targets.network import (
    INPUT,
    READOUT,
    Connection,
    Conv,
    Dense,
    Identity,
    Input,
    Network,
    Neuron,
    Population,
    Weight,
)
from tests.networks import filled
from tests.targets.cortex_m.boards import board
from tests.targets.cortex_m.test_measure import agrees

pytest.importorskip("unicorn")
pytest.importorskip("ziglang")


def two_convolutions(
    bits: int, channels: int, keep: int = 32, multiplier: int = 1, state_bits: int = 24, delay: int = 0
) -> Network:
    """Spikes in, two convolutions, the first layer again by identity; `delay` 1 adds a late connection past a layer."""
    neuron = Neuron(keep=keep, state_bits=state_bits)
    late = [Connection("first", "second", Conv(padding=1), "again", multiplier, 1)] if delay else []
    weights = [Weight("again", (channels, channels, 3, 3), bits)] if delay else []
    return filled(
        Network(
            Input((3, 5, 4), spiking=True),
            (
                Population("first", (channels, 5, 4), neuron),
                Population("second", (channels, 5, 4), neuron),
                Population("readout", (4,), READOUT, fires=False),
            ),
            (
                Connection(INPUT, "first", Conv(padding=1), "stem", multiplier),
                Connection("first", "second", Conv(padding=1), "middle", multiplier),
                Connection("first", "second", Identity(), multiplier=3),
                *late,
                Connection("second", "readout", Dense(), "head"),
            ),
            (
                Weight("stem", (channels, 3, 3, 3), bits),
                Weight("middle", (channels, channels, 3, 3), bits),
                Weight("head", (4, channels * 20), bits),
                *weights,
            ),
            timesteps=4,
        ),
        seed=3,
    )


#: Leaks of 1/4, 1/2, 1/8 and another; factors; channels that fill words, that make fours, and that make nothing even;
#: states that saturate.
CASES = [
    (bits, channels, keep, multiplier)
    for bits in (8, 4, 2)
    for channels, keep, multiplier in ((16, 32, 1), (16, 64, 3), (4, 16, 1), (5, 32, 1), (16, 100, 40_000))
]
CASES += [(8, 7, 32, 70_000), (4, 7, 32, 70_000), (2, 7, 32, 70_000), (8, 16, 32, 1_000_000)]
SATURATING = [(4, 16, 32, 1, 8), (2, 16, 32, 1, 8)]
ALL = [*CASES, *SATURATING]
#: SIMD everywhere; without it every third case is enough.
RUNS = [("cortex_m4", case) for case in ALL] + [("cortex_m0", case) for case in ALL[::3]]


@pytest.mark.parametrize(("core", "case"), RUNS)
def test_exact(core: str, case: tuple[int, ...], tmp_path: Path) -> None:
    schedule = ("streaming", "batched")[ALL.index(case) % 2]  # type: ignore[arg-type]
    agrees(two_convolutions(*case), board(core=core, schedule=schedule), tmp_path, samples=1)


def test_spikes_are_kept_for_a_later_layer(tmp_path: Path) -> None:
    agrees(two_convolutions(8, 8, delay=1), board(), tmp_path)


def test_nothing_is_left_out() -> None:
    used: set[str] = set()
    networks = [*(two_convolutions(*case) for case in ALL), two_convolutions(8, 8, delay=1)]
    for network in networks:
        used |= parts_of(network, layers(network)).symbols
    widths = [f"snn_w{bits}_v{width}" for bits in (8, 4, 2) for width in (16, 32)]
    expected = {f"{stem}_{kind}" for stem in widths for kind in ("words", "scaled", "ragged")}
    expected |= {"snn_unit_v16", "snn_unit_v32", "snn_neurons16_half", "snn_neurons16_quarter", "snn_neurons16_eighth"}
    expected |= {"snn_neurons16", "snn_neurons32", "snn_readout32", "snn_delay_spikes"}
    assert expected - used == set()
