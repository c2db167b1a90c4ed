"""Lowering: what a genotype becomes as populations and connections."""

from __future__ import annotations

import pytest

from stages.snn.architecture import Architecture, lower
from targets.errors import ConfigurationError
from targets.network import INPUT, Network
from targets.profile import load_profile

PROFILE = load_profile("jetson_nano")


def lowered(*cells: str, **macro: int) -> Network:
    return lower(Architecture(input_shape=(1, 8, 8), classes=10, cells=cells, channels=4, **macro), PROFILE)


def into(network: Network, population: str) -> set[tuple[str, str | None, int]]:
    return {(c.source, c.weight, c.multiplier) for c in network.into(population)}


def test_a_chain_has_one_population_per_convolution() -> None:
    network = lowered("|conv3x3~0|+|zero~0|conv3x3~1|+|zero~0|zero~1|conv3x3~2|")
    assert [p.name for p in network.populations] == ["cell1.node0", "cell1.node1", "cell1.node2", "head", "readout"]
    assert network.parameters == 4 * 9 + 3 * 4 * 4 * 9 + 10 * 4 * 64


def test_a_skip_shares_the_weights_that_made_its_source() -> None:
    network = lowered("|conv3x3~0|+|skip~0|zero~1|+|zero~0|skip~1|conv1x1~2|")
    assert into(network, "head") == {("cell1.node0", "cell1.edge01", 1), ("cell1.node0", "cell1.edge23", 1)}
    # node 2 is node 0 again: its spikes are not stored twice
    assert [p.name for p in network.populations] == ["cell1.node0", "head", "readout"]


def test_pixels_and_spikes_meet_in_one_unit() -> None:
    network = lowered("|conv3x3~0|+|skip~0|conv3x3~1|+|zero~0|zero~1|skip~2|")
    assert into(network, "head") == {(INPUT, "stem", 1), ("cell1.node1", "cell1.edge12", 256)}
    assert network.population_of["head"].resolution == network.population_of["cell1.node0"].resolution == 256
    assert network.population_of["cell1.node1"].resolution == 1


def test_a_current_that_arrives_twice_counts_twice() -> None:
    network = lowered("|conv3x3~0|+|zero~0|skip~1|+|zero~0|skip~1|skip~2|")
    assert into(network, "head") == {("cell1.node0", "cell1.edge01", 2)}


def test_feedback_arrives_one_step_later_and_its_population_is_the_heads() -> None:
    network = lowered("|conv3x3~0|conv1x1~3|+|skip~0|zero~1|+|zero~0|conv3x3~1|skip~2|")
    delayed = [c for c in network.connections if c.delay]
    assert {(c.source, c.weight) for c in delayed} == {("cell1.node3", "cell1.edge31")}
    assert "head" not in network.population_of


def test_edges_of_equal_threshold_share_a_population_others_do_not() -> None:
    network = lowered("|conv3x3~0|+|conv3x3@0.5~0|zero~1|+|conv1x1@0.5~0|conv3x3~1|conv3x3~2|")
    names = [p.name for p in network.populations]
    assert [n for n in names if n.startswith("cell1.node0")] == ["cell1.node0", "cell1.node0@0.5"]
    assert network.population_of["cell1.node0@0.5"].theta == 0.5
    assert [c.weight for c in network.out_of("cell1.node0@0.5")] == ["cell1.edge02", "cell1.edge03"]


def test_average_pooling_is_a_constant_depthwise_convolution() -> None:
    network = lowered("|conv3x3~0|+|zero~0|avgpool3x3~1|+|zero~0|zero~1|skip~2|")
    weight = network.weight_of["cell1.edge12"]
    assert weight.shape == (4, 1, 3, 3)
    assert weight.constant == pytest.approx(1 / 9)


def test_cells_halve_the_image_and_double_the_channels() -> None:
    cell = "|conv3x3~0|+|zero~0|skip~1|+|zero~0|zero~1|skip~2|"
    network = lowered(cell, cell, head_pool=2, hidden=7)
    assert network.population_of["head"].shape == (8, 4, 4)
    assert network.population_of["pooled"].shape == (8, 2, 2)
    assert network.population_of["hidden"].shape == (7,)


def test_an_unconnected_cell_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="cell1"):
        lowered("|conv3x3~0|+|zero~0|zero~1|+|zero~0|zero~1|zero~2|")
