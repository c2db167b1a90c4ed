"""The committed constants are those of the compilers, and a network that is too large falls short by what the linker says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from targets.cortex_m.cores import CORES
from targets.cortex_m.estimate import DELAY_BYTES, LAYER_BYTES, LINK_BYTES, MODEL_BYTES, estimate
from targets.cortex_m.export import export
from targets.cortex_m.measure import link
from targets.cortex_m.platform import TABLE, _table, calibrate
from targets.cortex_m.toolchain import LinkerRefusalError, Toolchain, installed_version
from targets.errors import DoesNotFitError
from targets.fit import require_fit
from targets.network import Network
from tests.networks import NETWORKS, chain, filled
from tests.targets.cortex_m.boards import board, shipped


def needs(name: str) -> None:
    if installed_version(name) is None:  # type: ignore[arg-type]
        pytest.skip(f"the compiler {name} is not installed")


@pytest.mark.parametrize("name", ["zig", "gcc"])
@pytest.mark.parametrize("core", ["cortex_m0", "cortex_m4"])
def test_table_is_what_the_compiler_makes(name: str, core: str) -> None:
    needs(name)
    toolchain = Toolchain(name, core)  # type: ignore[arg-type]
    if toolchain.key not in _table():
        assert _table(), f"{TABLE.name} is stale: python -m targets.cortex_m.platform"
        pytest.skip(f"{toolchain.key} is calibrated on first use")
    assert calibrate(toolchain) == _table()[toolchain.key]


def test_table_has_every_core() -> None:
    assert {key.split()[2] for key in _table()} == set(CORES)


def test_table_is_of_the_flags_of_now() -> None:
    """With other flags everything is calibrated on first use, which nobody would notice."""
    for key in _table():
        name, version, core, _ = key.split()
        assert Toolchain(name, core).key_of(version) == key, f"python -m targets.cortex_m.platform writes {TABLE.name}"  # type: ignore[arg-type]


def test_estimate_needs_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    import targets.cortex_m.platform as module

    expected = estimate(NETWORKS["chain"](), board())
    monkeypatch.setattr(module, "installed_version", lambda name: None)
    assert estimate(NETWORKS["chain"](), board()).terms == expected.terms


def test_sizes_of_structures(tmp_path: Path) -> None:
    needs("zig")
    export(filled(NETWORKS["feedback"]()), board(), tmp_path)
    symbols = link(tmp_path, board()).symbols
    sizes = [symbols[name][1] for name in ("snn_layers", "snn_connections", "snn_delays", "snn_model")]
    assert sizes == [3 * LAYER_BYTES, 4 * LINK_BYTES, DELAY_BYTES, MODEL_BYTES]


def wide_chain(channels: int) -> Network:
    """The named chain with more channels in its first layer."""
    network = chain()
    first, *others = network.populations
    weights = {w.name: w for w in network.weights}
    return replace(
        network,
        populations=(replace(first, shape=(channels, 6, 6)), *others),
        weights=(
            replace(weights["stem"], shape=(channels, 2, 3, 3)),
            replace(weights["down"], shape=(6, channels, 3, 3)),
            weights["head"],
        ),
    )


@pytest.mark.parametrize("schedule", ["streaming", "batched"])
def test_a_shortage_is_the_same_for_estimate_and_linker(schedule: str, tmp_path: Path) -> None:
    needs("zig")
    profile, network = board("stm32vldiscovery", schedule=schedule), filled(wide_chain(250))
    over = estimate(network, profile).region_bytes("sram") - profile.memory["sram"].available_bytes
    assert over > 0
    with pytest.raises(DoesNotFitError, match="memory in sram"):
        require_fit(network, profile)
    export(network, profile, tmp_path)
    with pytest.raises(LinkerRefusalError) as refused:
        link(tmp_path, profile)
    assert refused.value.overflow == {"sram": over}


def test_the_schedule_that_fits_is_taken() -> None:
    profile = shipped("stm32vldiscovery")
    network = wide_chain(100)
    streaming = estimate(network, board("stm32vldiscovery", schedule="streaming"))
    assert streaming.region_bytes("sram") > profile.memory["sram"].available_bytes
    require_fit(network, profile)
