"""Scores: the published formula number by number, the findings behind the default, and the catalog."""

from __future__ import annotations

import csv
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.data.digits import load_digits
from stages.scores.capacity import macro_points, maps
from stages.scores.catalog import SCORES, score_named
from stages.scores.hamming import layers, log_det_kernel
from stages.scores.liveness import liveness
from stages.scores.paths import conv_count, longest_path
from stages.scores.structure import cell_structure
from stages.scores.subject import Batch, Subject, batch_of, shrunk
from stages.snn.architecture import Architecture, lower
from stages.snn.cells import Cell, parse_cell
from targets.errors import ConfigurationError
from targets.profile import load_profile
from tests.stages.test_cells import cells

BOARD = load_profile("jetson_nano")
BENCH = Path(__file__).parents[3].parent / "shared" / "bench" / "spiking_cells_cifar10_dev.csv"
CHAIN = "|conv3x3~0|+|zero~0|conv3x3~1|+|zero~0|zero~1|conv3x3~2|"


def connected_cells() -> st.SearchStrategy[Cell]:
    return cells().map(Cell.live).filter(lambda cell: bool(cell.edges))


def batch() -> Batch:
    return batch_of(load_digits(None, 0), 20, timesteps=3, seed=0)


def subject(cell: str, cells: int = 1, **macro: int) -> Subject:
    sizes = {"channels": 8, **macro}
    return Subject(Architecture(input_shape=(1, 8, 8), classes=10, cells=(cell,) * cells, **sizes), BOARD, batch())


def points(cell: str, pixels: int = 32) -> float:
    return cell_structure(parse_cell(cell).live(), pixels)


def sahd_by_hand(layers: list[np.ndarray]) -> float:
    """The definition, pair by pair, in plain loops."""
    samples = layers[0].shape[1]
    kernel = np.zeros((samples, samples))
    for spikes in layers:
        for step in spikes:
            fired = step.reshape(samples, -1)
            neurons = fired.shape[1]
            for i in range(samples):
                for j in range(samples):
                    ri, rj = fired[i].mean(), fired[j].mean()
                    expected = neurons * (ri * (1 - rj) + (1 - ri) * rj)
                    distance = int((fired[i] != fired[j]).sum())
                    kernel[i, j] += neurons - 0.5 / (expected + 1e-3) * distance
    return float(np.linalg.slogdet(kernel / len(layers))[1])


def test_sahd_is_its_definition() -> None:
    rng = np.random.default_rng(0)
    one, two = ((rng.random((3, 6, 4, 5, 5)) < rate).astype(np.float64) for rate in (0.2, 0.4))
    ours = log_det_kernel([(torch.from_numpy(one).float(), 2), (torch.from_numpy(two).float(), 1)])
    assert ours == pytest.approx(sahd_by_hand([one, one, two]), abs=1e-9)


def test_a_population_counts_as_often_as_snasnet_has_lif_layers_for_it() -> None:
    network = lower(subject("|conv3x3~0|+|conv3x3~0|zero~1|+|zero~0|conv3x3~1|skip~2|", 2).architecture, BOARD)
    counted = dict(layers(network))
    assert counted["cell1.node0"] == 2  # two convolutions leave the cell's input: two LIF layers in SNASNet
    assert counted["cell1.node1"] == counted["reduce2"] == counted["head"] == 1


@pytest.mark.parametrize(
    ("cell", "convolutions", "path"),
    [
        (CHAIN, 3, 3),
        ("|conv3x3~0|+|conv3x3~0|zero~1|+|zero~0|conv3x3~1|skip~2|", 3, 2),
        ("|conv3x3~0|+|zero~0|zero~1|+|skip~0|zero~1|zero~2|", 0, 0),
        ("|conv3x3~0|conv3x3~3|+|zero~0|zero~1|+|zero~0|skip~1|zero~2|", 1, 1),
    ],
)
def test_baselines_count_live_forward_convolutions(cell: str, convolutions: int, path: int) -> None:
    assert conv_count(subject(cell)) == convolutions
    assert longest_path(subject(cell)) == path


def test_depth_has_diminishing_returns() -> None:
    one = points("|conv3x3~0|+|zero~0|skip~1|+|zero~0|zero~1|skip~2|")
    two = points("|conv3x3~0|+|zero~0|conv3x3~1|+|zero~0|zero~1|skip~2|")
    three = points(CHAIN)
    assert three > two > one
    assert two - one > three - two


def test_eager_first_and_reluctant_last_neurons_are_preferred() -> None:
    def chain(first: str, last: str) -> str:
        return f"|conv3x3{first}~0|+|zero~0|conv3x3~1|+|zero~0|zero~1|conv3x3{last}~2|"

    assert points(chain("@0.5", "")) > points(chain("", "")) > points(chain("@1.5", ""))
    assert points(chain("", "@1.5")) > points(chain("", "")) > points(chain("", "@0.5"))
    # a low threshold at the exit costs more than a high one gains
    assert points(chain("", "")) - points(chain("", "@0.5")) > points(chain("", "@1.5")) - points(chain("", ""))


def test_of_parallel_neurons_the_best_counts_and_mixed_thresholds_cost() -> None:
    def branches(one: str, other: str) -> float:
        return points(f"|conv3x3{one}~0|+|conv3x3{other}~0|zero~1|+|zero~0|conv3x3~1|conv3x3~2|")

    assert branches("@0.5", "@0.5") > branches("@0.5", "@1.5") > branches("@1.5", "@1.5")
    assert branches("@0.5", "@1.5") == branches("@1.5", "@0.5")


def test_currents_of_several_depths_and_fresh_input_are_worth_something() -> None:
    plain = points("|conv3x3~0|+|zero~0|conv3x3~1|+|zero~0|zero~1|conv3x3~2|")
    shortcut = points("|conv3x3~0|+|zero~0|conv3x3~1|+|skip~0|zero~1|conv3x3~2|")
    fresh = points("|conv3x3~0|+|skip~0|conv3x3~1|+|zero~0|zero~1|conv3x3~2|")
    assert plain < shortcut < fresh


def test_some_feedback_is_worth_more_than_none_or_much() -> None:
    def looped(*sources: int) -> float:
        back = "".join(f"conv3x3~{source}|" for source in sources)
        return points(f"|conv3x3~0|{back}+|zero~0|conv3x3~1|{back}+|zero~0|zero~1|conv3x3~2|")

    without, two, four = looped(), looped(2), looped(2, 3)
    assert without < four < two


@given(connected_cells())
def test_the_names_of_inner_nodes_do_not_matter(cell: Cell) -> None:
    other = cell.canonical()
    assert cell_structure(cell, 16) == pytest.approx(cell_structure(other, 16), abs=1e-12)


def test_larger_kernels_are_worth_more_up_to_the_image() -> None:
    sizes = [points(CHAIN.replace("3x3", f"{k}x{k}")) for k in (1, 3, 5, 7)]
    assert all(small < large for small, large in pairwise(sizes))
    assert points(CHAIN.replace("3x3", "5x5"), 4) == points(CHAIN.replace("3x3", "7x7"), 4)


@given(st.integers(2, 500), st.integers(2, 7), st.sampled_from([1, 2]))
def test_more_of_anything_is_never_worth_less(channels: int, bits: int, pool: int) -> None:
    a = Architecture(
        input_shape=(3, 32, 32), classes=10, cells=(CHAIN,), channels=channels, weight_bits=bits, head_pool=2 * pool
    )
    for update in ({"channels": channels + 1}, {"weight_bits": bits + 1}, {"head_pool": pool}):
        assert macro_points(a.model_copy(update=update)) > macro_points(a)


def test_maps_are_what_lowering_builds() -> None:
    a = Architecture(input_shape=(1, 27, 30), classes=3, cells=(CHAIN,) * 3, channels=2, stem_stride=2)
    network = lower(a, BOARD)
    assert [network.population_of[name].shape[1:] for name in ("cell1.node0", "cell2.node0", "cell3.node0")] == maps(a)


def test_a_network_that_nothing_passes_is_dead() -> None:
    alive, dead = CHAIN, CHAIN.replace("conv3x3~2", "avgpool3x3~2").replace("conv3x3~1", "avgpool3x3~1")
    assert liveness(subject(alive)) == 0
    assert liveness(subject(dead)) < -1


def test_every_score_rates_every_kind_of_cell() -> None:
    for score in SCORES:
        for cell in (CHAIN, "|conv5x5@0.5~0|conv3x3~2|+|skip~0|conv1x1~1|+|avgpool3x3~0|zero~1|conv7x7~2|", "|skip~0|"):
            assert math.isfinite(score.rate(subject(cell)))


def test_an_unknown_score_names_the_nearest() -> None:
    with pytest.raises(ConfigurationError) as caught:
        score_named("evidense")
    assert "evidence" in caught.value.hint


def test_batches_are_balanced_and_seeded() -> None:
    first, same, other = (batch_of(load_digits(None, 0), 20, timesteps=3, seed=seed) for seed in (0, 0, 1))
    assert sorted(first.labels.tolist()) == sorted([*range(10), *range(10)])
    assert np.array_equal(first.images, same.images)
    assert not np.array_equal(first.images, other.images)


def test_large_images_are_averaged_and_events_are_kept() -> None:
    images = np.arange(36, dtype=np.uint8).reshape(1, 1, 6, 6)
    assert shrunk(images, 2, spiking=False)[0, 0, 0].tolist() == [4, 6, 8]  # 3.5, 5.5, 7.5 to the even neighbour
    events = np.zeros((1, 2, 1, 5, 5), np.uint8)
    events[0, 1, 0, 1, 1] = 1
    assert shrunk(events, 2, spiking=True).sum() == 1
    assert shrunk(events, 2, spiking=True).shape == (1, 2, 1, 2, 2)


@pytest.mark.skipif(not BENCH.exists(), reason="the trained cells of ../shared/bench are not on this machine")
def test_structure_ranks_trained_cells_better_than_depth() -> None:
    from scipy.stats import kendalltau

    from benchmarks.regret import genotype

    with BENCH.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    truth = [float(row["test"]) for row in rows]
    ours = [points(genotype(row)) for row in rows]
    paths = [longest_path(subject(genotype(row))) for row in rows[::10]]
    assert kendalltau(ours, truth).statistic >= 0.66
    assert kendalltau(ours[::10], truth[::10]).statistic > kendalltau(paths, truth[::10]).statistic
