"""search: budgets are kept whatever they are, results are reproducible, and nothing that fits is missed."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.analyze import Analysis
from stages.data.dataset import Dataset
from stages.data.digits import load_digits
from stages.progress import silent
from stages.scores.catalog import score_named
from stages.scores.subject import batch_of
from stages.search import LOG, SearchResult, macro_choices, search
from stages.searching.algorithm import Task
from stages.searching.candidates import Candidate, Evaluator
from stages.searching.config import SearchConfig
from stages.searching.limits import CERTAIN, hopeless
from stages.searching.space import CellSpace
from stages.searching.workers import Help, LocalProcesses, helped_by
from stages.snn.architecture import Architecture, lower
from targets.errors import DoesNotFitError
from targets.fit import findings
from targets.profile import Profile, load_profile
from targets.sizes import format_size
from tests.stages.families import bytes_of, counted_profile

#: A small search: two operations, one cell, a short ladder.
SMALL = SearchConfig(cell_counts=(1,), nodes=3, max_channels=24, images=10)


@lru_cache
def digits() -> Dataset:
    return load_digits(None, 0)


def analysis(*kept: str) -> Analysis:
    return Analysis(
        score_name="evidence",
        repeats=2,
        cells=10,
        effects=(),
        kernel_sets=(),
        kept=kept,
        refused=(),
        rule="",
    )


def found(profile: Profile, folder: Path, config: SearchConfig = SMALL, *kept: str) -> SearchResult:
    return search(digits(), profile, analysis(*(kept or ("zero", "skip", "conv3x3"))), config, folder, silent)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    flash=st.integers(60, 40_000),
    ram=st.integers(150, 30_000),
    bits=st.sampled_from([(8,), (2, 4, 8), (4,)]),
    kernels=st.sampled_from([(1, 3), (3,), (3, 5)]),
    algorithm=st.sampled_from(["cell_by_cell", "random", "evolutionary"]),
)
def test_no_result_exceeds_any_region(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    flash: int,
    ram: int,
    bits: tuple[int, ...],
    kernels: tuple[int, ...],
    algorithm: str,
) -> None:
    """Over random profiles and budgets; where nothing fits, the smallest network really does not."""
    board = counted_profile(monkeypatch, flash=flash, ram=ram, weight_bits=bits, kernel_sizes=kernels)
    config = SMALL.model_copy(update={"algorithm": algorithm, "trials": 60, "score": "structure"})
    operations = ("zero", "skip", *(f"conv{size}x{size}" for size in kernels))
    try:
        result = found(board, tmp_path_factory.mktemp("search"), config, *operations)
    except DoesNotFitError as error:
        assert error.exit_code == 3
        needed = dict(re.findall(r"(flash|ram)=(\d+)", error.hint))
        lacking = {name: int(needed[name]) - size for name, size in {"flash": flash, "ram": ram}.items()}
        assert max(lacking.values()) > 0
        for name, size in lacking.items():
            assert (f"{name}: needs {format_size(int(needed[name]))}" in error.message) == (size > 0)
            assert (f"{format_size(size)} too much" in error.message) or size <= 0
        return
    used = bytes_of(result.architecture, board)
    assert used["flash"] <= flash
    assert used["ram"] <= ram
    assert result.region_bytes == used
    assert result.architecture.weight_bits in bits


#: Fewer choices around the cells, for comparing with all networks there are.
NARROW = SMALL.model_copy(
    update={"score": "structure", "max_channels": 2, "head_pools": (1, 2), "weight_bits": (8, 2), "images": 1}
)


@lru_cache
def all_sizes() -> list[Mapping[str, int]]:
    """Bytes of every cell of the narrow space in every macro-architecture."""
    board = load_profile("jetson_nano")
    macro = macro_choices(digits(), board, NARROW)
    cells = CellSpace.of(NARROW.nodes, ("zero", "conv3x3", "avgpool3x3")).cells()
    return [bytes_of(variant, board) for cell in cells for variant in macro.variants((str(cell),))]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    flash_of=st.integers(0, 20),
    ram_of=st.integers(0, 20),
    more=st.tuples(*[st.integers(-40, 40)] * 2),
    certain=st.sampled_from([CERTAIN, 1.0]),
)
def test_nothing_fits_only_where_an_exhaustive_search_finds_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    flash_of: int,
    ram_of: int,
    more: tuple[int, int],
    certain: float,
) -> None:
    """Budgets are taken from the sizes of two networks, so that regions disagree about which is the smallest."""
    monkeypatch.setattr("stages.searching.limits.CERTAIN", certain)
    flash = sorted(size["flash"] for size in all_sizes())[flash_of] + more[0]
    ram = sorted(size["ram"] for size in all_sizes())[ram_of] + more[1]
    board = counted_profile(monkeypatch, flash=flash, ram=ram)
    possible = any(size["flash"] <= flash and size["ram"] <= ram for size in all_sizes())
    try:
        found(board, tmp_path_factory.mktemp("search"), NARROW, "zero", "conv3x3", "avgpool3x3")
    except DoesNotFitError:
        assert not possible
    else:
        assert possible


@pytest.mark.parametrize("name", ["stm32vldiscovery", "microbit_v1", "loihi2_oheo_gulch", "kapoho_bay", "jetson_nano"])
def test_no_network_of_a_real_family_is_below_what_hopeless_takes_for_certain(name: str) -> None:
    """A budget that just holds a random network, in every region, is never called hopeless."""
    board, random = load_profile(name), Random(0)
    config = SearchConfig(cell_counts=(1, 2))
    space = CellSpace.of(4, ("zero", "skip", "conv1x1", "conv3x3", "conv5x5", "avgpool3x3"))
    for shape in ((1, 8, 8), (3, 32, 32)):
        macro = replace(macro_choices(digits(), board, config), input_shape=shape)
        for _ in range(8):
            cells = (str(space.sample(random)),) * random.choice(config.cell_counts)
            evaluator = Evaluator(board, batch_of(digits(), 1, timesteps=4, seed=0), score_named("structure"))
            used = evaluator.sized(macro.smallest(cells)).region_bytes
            memory = {
                region: board.memory[region].model_copy(update={"total": size, "reserved": 0})
                for region, size in used.items()
            }
            evaluator.profile = board.model_copy(update={"memory": dict(board.memory) | memory})
            assert not hopeless(Task(space, macro, config.cell_counts, evaluator, 0, 0, silent))


def test_a_hopeless_search_sizes_few_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = counted_profile(monkeypatch, flash=8, ram=10**6)
    sized: list[Architecture] = []
    size = Evaluator._size
    monkeypatch.setattr(Evaluator, "_size", lambda self, a: sized.append(a) or size(self, a))
    with pytest.raises(DoesNotFitError, match="flash"):
        found(board, tmp_path, SearchConfig(cell_counts=(1, 2)), "zero", "skip", "conv1x1", "conv3x3", "avgpool3x3")
    assert len(sized) < 250


def test_where_nothing_fits_the_hint_names_a_budget_that_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = counted_profile(monkeypatch, flash=8, ram=10**6)
    with pytest.raises(DoesNotFitError, match="flash") as caught:
        found(board, tmp_path / "a")
    budget = dict(pair.split("=") for pair in caught.value.hint.split("budget of ")[1].split(" (")[0].split(", "))
    enough = {name: int(size) for name, size in budget.items()}
    board = counted_profile(monkeypatch, **enough)
    assert found(board, tmp_path / "b").region_bytes == enough


@pytest.mark.parametrize("algorithm", ["random", "evolutionary", "cell_by_cell"])
def test_cells_that_compute_the_same_are_scored_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, algorithm: str
) -> None:
    board = counted_profile(monkeypatch, flash=10**6, ram=10**6)
    config = SMALL.model_copy(update={"algorithm": algorithm, "trials": 60, "nodes": 4, "score": "longest_path"})
    config = config.model_copy(
        update={"head_pools": (1,), "stem_strides": (1,), "weight_bits": (8,), "max_channels": 3}
    )
    found(board, tmp_path, config)
    lines = [Candidate.model_validate_json(line) for line in (tmp_path / LOG).read_text().splitlines()[1:]]
    alike = [(c.architecture.channels, *(cell.signature for cell in c.architecture.parsed_cells)) for c in lines]
    assert len(alike) == len(set(alike))


def test_refused_candidates_are_never_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = counted_profile(monkeypatch, flash=1_500, ram=10_000)
    result = found(board, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()[1:]]
    assert {bool(line["obstacles"]) for line in lines} >= {False}
    assert all((line["score"] is None) == bool(line["obstacles"]) for line in lines)
    assert result.candidates_scored == sum(line["score"] is not None for line in lines)
    assert result.candidates_over_budget > 0
    assert result.candidates_considered > result.candidates_scored


@pytest.mark.parametrize("algorithm", ["cell_by_cell", "random", "evolutionary"])
def test_same_seed_same_result_and_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, algorithm: str) -> None:
    board = counted_profile(monkeypatch, flash=8_000, ram=20_000)
    config = SMALL.model_copy(update={"algorithm": algorithm, "trials": 30})
    first, second = (found(board, tmp_path / name, config) for name in "ab")
    assert first == second
    assert (tmp_path / "a" / LOG).read_bytes() == (tmp_path / "b" / LOG).read_bytes()


def test_the_number_of_jobs_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes are as good as any number: chunks of candidates go to whichever is free."""
    board = counted_profile(monkeypatch, flash=8_000, ram=20_000)
    config = SMALL.model_copy(update={"score": "sahd", "max_channels": 8})
    monkeypatch.setattr("stages.searching.workers.WORTH_PROCESSES", 8)
    pools: list[int] = []
    local = LocalProcesses.map
    monkeypatch.setattr(LocalProcesses, "map", lambda pool, *work: pools.append(pool.jobs) or local(pool, *work))
    one = found(board, tmp_path / "1", config)
    with helped_by(Help(LocalProcesses(2))):
        two = found(board, tmp_path / "2", config)
    assert pools == [2]
    assert one == two
    assert (tmp_path / "1" / LOG).read_bytes() == (tmp_path / "2" / LOG).read_bytes()


@pytest.mark.parametrize("algorithm", ["cell_by_cell", "random", "evolutionary"])
def test_a_killed_search_resumes_with_the_scores_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, algorithm: str
) -> None:
    board = counted_profile(monkeypatch, flash=8_000, ram=20_000)
    config = SMALL.model_copy(update={"algorithm": algorithm, "trials": 30, "score": "structure"})
    whole = found(board, tmp_path / "whole", config)
    lines = (tmp_path / "whole" / LOG).read_bytes().splitlines(keepends=True)
    (tmp_path / "torn").mkdir()
    torn = tmp_path / "torn" / LOG
    torn.write_bytes(b"".join(lines[:3]) + lines[3][:20])
    resumed = found(board, tmp_path / "torn", config)
    assert resumed == whole
    assert torn.read_bytes() == (tmp_path / "whole" / LOG).read_bytes()
    marked = json.loads(lines[1]) | {"score": 1e6}  # only a search that reads its log can know this
    torn.write_bytes(lines[0] + json.dumps(marked).encode() + b"\n")
    assert found(board, tmp_path / "torn", config).score == 1e6


def test_a_log_of_another_seed_is_not_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = counted_profile(monkeypatch, flash=8_000, ram=20_000)
    found(board, tmp_path)
    before = (tmp_path / LOG).read_text().splitlines()
    found(board, tmp_path, SMALL.model_copy(update={"seed": 1}))
    assert (tmp_path / LOG).read_text().splitlines()[0] != before[0]


@pytest.mark.parametrize(
    ("flash", "ram", "changes", "stopped_by"),
    [
        (5_000, 10**9, {}, "memory"),
        (10**9, 4_000, {}, "memory"),
        (10**9, 10**9, {"max_synaptic_operations": 200_000}, "compute"),
        (10**9, 10**9, {"min_gain": 1.5, "max_synaptic_operations": 10**9}, "score"),
    ],
)
def test_the_reason_for_stopping_is_the_true_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flash: int, ram: int, changes: dict[str, object], stopped_by: str
) -> None:
    board = counted_profile(monkeypatch, flash=flash, ram=ram)
    result = found(board, tmp_path, SMALL.model_copy(update={"max_channels": 1024, **changes}))
    assert result.stopped_by == stopped_by
    assert result.stopped_because


@pytest.mark.parametrize(
    ("flash", "ram"), [(8 * 1024, 10**9), (10**9, 8 * 1024), (64 * 1024, 10**9), (10**9, 40 * 1024)]
)
def test_the_binding_region_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flash: int, ram: int) -> None:
    board = counted_profile(monkeypatch, flash=flash, ram=ram)
    config = SearchConfig(cell_counts=(1,), nodes=3, max_synaptic_operations=10**9, min_gain=0)
    result = found(board, tmp_path, config)
    assert max(result.region_bytes[name] / result.budget_bytes[name] for name in result.region_bytes) >= 0.85


def test_the_front_rises_and_holds_the_winner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = counted_profile(monkeypatch, flash=8_000, ram=20_000)
    result = found(board, tmp_path)
    for region in result.region_bytes:
        front = [point for point in result.pareto if point.region == region]
        assert front[-1].score == result.score
        for smaller, larger in itertools.pairwise(front):
            assert smaller.size_bytes < larger.size_bytes
            assert smaller.score < larger.score


def test_the_search_finds_what_an_exhaustive_search_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells of convolutions in two sizes: entered through the coarse space, refined edge by edge."""
    board = counted_profile(monkeypatch, flash=12_000, ram=20_000)
    config = SMALL.model_copy(update={"thresholds": (0.5, 1.0), "weight_bits": (8,), "stem_strides": (1,)})
    exhaustive = found(board, tmp_path / "a", config, "zero", "skip", "conv3x3", "conv5x5")
    monkeypatch.setattr("stages.searching.cell_by_cell.ENUMERABLE", 10)
    refined = found(board, tmp_path / "b", config, "zero", "skip", "conv3x3", "conv5x5")
    assert refined.candidates_scored < exhaustive.candidates_scored
    assert refined.score == pytest.approx(exhaustive.score, abs=0.3)


def test_cells_of_many_nodes_are_entered_through_smaller_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six nodes of three operations are 14 million cells, which no search may enumerate; depth four needs five nodes."""
    board = counted_profile(monkeypatch, flash=10**6, ram=10**6)
    config = SMALL.model_copy(update={"nodes": 6, "score": "longest_path", "max_channels": 2, "weight_bits": (8,)})
    result = found(board, tmp_path, config.model_copy(update={"head_pools": (1,), "stem_strides": (1,)}))
    assert result.score == 5
    assert result.candidates_considered < 3_000


def test_the_result_survives_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = counted_profile(monkeypatch, flash=8_000, ram=20_000)
    result = found(board, tmp_path)
    assert SearchResult.model_validate_json(result.model_dump_json()) == result
    assert findings(lower(result.architecture, board), board) == []


def few_digits() -> Dataset:
    full = digits()
    return replace(full, train=full.train.first(64), validation=full.validation.first(60), test=full.test.first(60))


def test_finalists_are_halved_and_the_most_accurate_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = counted_profile(monkeypatch, flash=4_000, ram=4_000)
    config = SMALL.model_copy(update={"finalists": 4, "finalist_epochs": 1, "max_channels": 4})
    kept = analysis("zero", "skip", "conv3x3")
    result = search(few_digits(), board, kept, config, tmp_path, silent)
    assert [finalist.epochs for finalist in result.finalists] == [2, 2, 1, 1]
    last_round = result.finalists[:2]
    assert result.finalists[0].validation_accuracy == max(f.validation_accuracy for f in last_round)
    assert result.architecture == result.finalists[0].architecture
    assert search(few_digits(), board, kept, config, tmp_path, silent) == result


def test_the_curve_of_training_decides_among_finalists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = counted_profile(monkeypatch, flash=4_000, ram=4_000)
    plain = found(board, tmp_path / "a")

    def accuracy(dataset: Dataset, profile: Profile, a: Architecture, *rest: object) -> float:
        return 0.0 if a == plain.architecture else 1.0 / a.channels

    monkeypatch.setattr("stages.searching.short_training.validation_accuracy", accuracy)
    result = found(board, tmp_path / "b", SMALL.model_copy(update={"finalists": 8}))
    assert result.architecture != plain.architecture
    assert plain.architecture in [finalist.architecture for finalist in result.finalists]


def test_larger_images_may_cost_more_operations_within_bounds() -> None:
    quick = SearchConfig.preset("quick")
    assert quick.most_operations((1, 8, 8)) == 6_000_000
    assert quick.most_operations((1, 28, 28)) == 7_840_000
    assert quick.most_operations((3, 32, 32)) == 12_000_000
    assert quick.most_operations((3, 64, 64)) == 12_000_000
