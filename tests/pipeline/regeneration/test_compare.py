"""Findings against the lock: what is worse fails, what is only different does not, and tolerances are kept to the byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.regeneration.compare import Finding, compare
from pipeline.regeneration.lock import Lock, LockedModel, LockedTerm, LockTolerance, read_lock, write_lock
from pipeline.regeneration.outcome import Outcome
from pipeline.report.contract import Accuracy
from targets.errors import ConfigurationError

OUTCOME = Outcome("board", "digits", Path("build"), 0)


def model(*, accuracy: float = 0.95, weights: int = 1000, **changes: object) -> LockedModel:
    entry = LockedModel(
        seed=0,
        preset="quick",
        parameters=10,
        measured_by="emulated",
        architecture={"channels": 4, "cells": ["|conv3x3~0|"]},
        accuracy=Accuracy(float=0.96, quantized=accuracy, exported=accuracy),
        spikes_compared=1000,
        spikes_differing=0,
        budget={"flash": LockedTerm(estimated_bytes=weights + 5000, measured_bytes=weights + 5004)},
        footprint={
            "flash": {
                "weights": LockedTerm(estimated_bytes=weights, measured_bytes=weights),
                "code": LockedTerm(estimated_bytes=5000, measured_bytes=5004),
            }
        },
        versions={"zig": "0.13"},
        measured_with={"core": "cortex_m4"},
        artifact={"src/snn_model.c": "a" * 64},
        inputs={"dataset": "1", "code in targets/": "2"},
    )
    return entry.model_copy(update=changes)


def findings(now: LockedModel, tolerance: LockTolerance = LockTolerance()) -> list[Finding]:  # noqa: B008
    lock = Lock(tolerance=tolerance, models={"board": {"digits": model()}})
    return compare(lock, {("board", "digits"): now}, [OUTCOME], all_targets=False)


def test_the_same_is_no_finding() -> None:
    assert findings(model()) == []
    assert findings(model(inputs={"dataset": "other"})) == []


def test_growth_names_the_term_the_bytes_and_what_changed() -> None:
    (found,) = findings(model(weights=1008, inputs={"dataset": "1", "code in targets/": "3"}, versions={"zig": "0.14"}))
    assert found.regression
    assert "weights in flash grew: estimated 1,000 B to 1,008 B, +8 B" in found.text
    assert "changed since: code in targets/, zig 0.13 to 0.14" in found.text


def test_growth_without_a_cause_says_so() -> None:
    (found,) = findings(model(weights=1001))
    assert "not reproducible" in found.text


@pytest.mark.parametrize(
    ("tolerance", "weights", "count"),
    [
        (LockTolerance(footprint_bytes=8), 1008, 0),
        (LockTolerance(footprint_bytes=8), 1009, 1),
        (LockTolerance(footprint_relative=0.01), 1010, 0),
        (LockTolerance(footprint_relative=0.01), 1011, 1),
        (LockTolerance(), 990, 0),
    ],
)
def test_tolerances_hold_to_the_byte(tolerance: LockTolerance, weights: int, count: int) -> None:
    assert len(findings(model(weights=weights), tolerance)) == count


def test_a_lost_point_of_accuracy_is_tolerated_and_no_more() -> None:
    assert findings(model(accuracy=0.94)) == []
    (found,) = findings(model(accuracy=0.9399))
    assert found.regression and "accuracy fell from 95.00% to 93.99%" in found.text


def test_terms_that_come_and_go_are_regressions() -> None:
    term = LockedTerm(estimated_bytes=1, measured_bytes=1)
    texts = [f.text for f in findings(model(footprint={"flash": {"weights": term, "tables": term}}))]
    assert [text.split(";")[0] for text in texts] == ["tables in flash is new", "code in flash is gone"]


def test_other_bytes_and_another_architecture_are_told_and_pass() -> None:
    (bytes_,) = findings(model(artifact={"src/snn_model.c": "b" * 64}))
    assert not bytes_.regression and "snn_model.c" in bytes_.text
    (shape,) = findings(model(architecture={"channels": 5, "cells": ["|conv3x3~0|"]}))
    assert not shape.regression and "channels 4 to 5" in shape.text


def test_what_only_one_side_knows_is_a_finding() -> None:
    lock = Lock(models={"gone_board": {"digits": model()}, "jetson_nano": {"digits": model()}})
    found = compare(lock, {("board", "digits"): model()}, [OUTCOME], all_targets=True)
    assert [finding.target for finding in found] == ["board", "gone_board"]
    assert "is not in models.lock.toml" in found[0].text
    assert "no profile of that name is shipped" in found[1].text
    named = compare(lock, {("board", "digits"): model()}, [OUTCOME], all_targets=False)
    assert [finding.target for finding in named] == ["board"]


def test_the_file_gives_back_what_was_written_and_keeps_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "models.lock.toml"
    lock = Lock(
        tolerance=LockTolerance(footprint_bytes=16), models={"b": {"images@32": model()}, "a": {"digits": model()}}
    )
    assert write_lock(path, lock)
    again = read_lock(path)
    assert again == lock
    assert not write_lock(path, again.with_entries({("a", "digits"): model()}))
    assert write_lock(path, again.without({"b"}))
    assert read_lock(path).models.keys() == {"a"}


@pytest.mark.parametrize("content", ["not toml", "format = 2\n", "[models.a.digits]\nseed = 1\n"])
def test_an_unreadable_lock_is_bad_input(tmp_path: Path, content: str) -> None:
    path = tmp_path / "models.lock.toml"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=r"models\.lock\.toml"):
        read_lock(path)
