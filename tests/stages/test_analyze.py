"""analyze: effects of removal have the right sign, the rule is applied as stated, and the target has the last word."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import pytest

from stages.analyze import Analysis, AnalyzeConfig, analyze
from stages.analyzing.kernels import KernelSet, cells_of, chosen_kernels
from stages.analyzing.significance import Interval, best_tenth, effect
from stages.data.dataset import Dataset
from stages.data.digits import load_digits
from stages.progress import silent
from stages.snn.cells import parse_cell
from targets.errors import DoesNotFitError
from tests.stages.families import counted_profile

BY_DEPTH = AnalyzeConfig(score="longest_path", repeats=3, cells=30, kernel_sets=((3,), (5,)))


@lru_cache
def digits() -> Dataset:
    return load_digits(None, 0)


def analysed(monkeypatch: pytest.MonkeyPatch, config: AnalyzeConfig = BY_DEPTH, **limits: object) -> Analysis:
    return analyze(digits(), counted_profile(monkeypatch, flash=10**6, ram=10**6, **limits), config, silent)


def test_removing_what_makes_depth_lowers_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    analysis = analysed(monkeypatch)
    change = {effect.operation: effect.mean_change.mean for effect in analysis.effects}
    assert change["zero"] > 0  # what takes its place may be a convolution
    assert change["conv3x3"] < 0
    assert set(change) == {"zero", "skip", "conv1x1", "conv3x3", "avgpool3x3"}
    assert analysis.kept[:2] == ("zero", "skip")
    assert "conv3x3" in analysis.kept
    assert "avgpool3x3" not in analysis.kept


def test_same_seed_same_analysis(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (analysed(monkeypatch) for _ in range(2))
    assert first == second


def test_training_can_take_the_place_of_the_score(monkeypatch: pytest.MonkeyPatch) -> None:
    full = digits()
    few = replace(full, train=full.train.first(64), validation=full.validation.first(50), test=full.test.first(50))
    config = BY_DEPTH.model_copy(update={"cells": 2, "repeats": 2, "trained": 1, "channels": 2, "kernel_sets": ((3,),)})
    config = config.model_copy(update={"operations": ("skip", "conv3x3")})
    analysis = analyze(few, counted_profile(monkeypatch, flash=10**6, ram=10**6), config, silent)
    assert analysis.score_name == "validation accuracy after 1 epochs"
    assert 0 <= analysis.kernel_sets[0].score.mean <= 100


def test_what_the_target_lacks_is_out_and_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    analysis = analysed(monkeypatch, operations=("conv", "avgpool"), kernel_sizes=(3,))
    assert not {"skip", "conv1x1", "conv5x5"} & set(analysis.kept)
    assert any("skip" in sentence for sentence in analysis.refused)
    assert any("5" in sentence for sentence in analysis.refused)
    assert {e.operation for e in analysis.effects} == {"zero", "conv3x3", "avgpool3x3"}


def test_a_target_without_convolutions_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DoesNotFitError, match="counted"):
        analysed(monkeypatch, kernel_sizes=(9,))


@pytest.mark.parametrize(
    ("operation", "changes", "kept"),
    [
        ("conv3x3", (-1.0, -1.1, -0.9), True),
        ("conv3x3", (-0.01, -0.02, -0.01), False),  # within the tolerance
        ("conv3x3", (-3.0, 2.0, -2.0), False),  # within the confidence interval
        ("skip", (-0.01, 0.02, -0.01), True),
        ("skip", (1.0, 1.1, 0.9), False),
        ("zero", (3.0, -2.0, 2.0), True),
    ],
)
def test_the_rule(operation: str, changes: tuple[float, ...], kept: bool) -> None:
    assert effect(operation, [(0.0, change) for change in changes], tolerance=0.05).kept is kept


def test_the_lighter_of_two_equal_kernel_sets_is_chosen() -> None:
    def row(size: int, best: float, weights: float) -> KernelSet:
        interval = Interval(mean=best, spread=0, confidence=0)
        return KernelSet(
            sizes=(size,),
            score=interval,
            best_score=interval,
            best_score_at_equal_cost=interval,
            weights=weights,
            region_bytes={},
        )

    rows = [row(1, -3.0, 10), row(3, -1.02, 20), row(5, -1.0, 30)]
    assert chosen_kernels(rows, 0.05).sizes == (3,)
    assert chosen_kernels(rows, 0.0).sizes == (5,)


def test_kernel_sets_differ_by_their_kernels_alone() -> None:
    three, five = cells_of((3,), 10, seed=1), cells_of((5,), 10, seed=1)
    assert [g.replace("5x5", "3x3") for g in five] == three
    sizes = {e.operation.kernel for g in cells_of((3, 7), 20, seed=1) for e in parse_cell(g).edges}
    assert sizes <= {0, 3, 7}
    assert {3, 7} <= sizes


def test_the_confidence_interval_is_students() -> None:
    interval = Interval.of([1.0, 2.0, 3.0])
    assert interval.mean == 2.0
    assert interval.spread == pytest.approx(1.0)
    assert interval.confidence == pytest.approx(4.30 / 3**0.5)


def test_the_best_tenth_is_at_least_one() -> None:
    assert best_tenth([1.0, 5.0, 3.0]) == 5.0
    assert best_tenth([float(n) for n in range(20)]) == 18.5


def test_an_analysis_survives_json(monkeypatch: pytest.MonkeyPatch) -> None:
    analysis = analysed(monkeypatch)
    assert Analysis.model_validate_json(analysis.model_dump_json()) == analysis
