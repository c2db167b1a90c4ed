"""Several emulators at once give what one gives, in order; an error stops them."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from targets.cortex_m.emulator import Emulator
from targets.cortex_m.export import export
from targets.cortex_m.measure import execute
from targets.cortex_m.parallel import on_each
from tests.networks import NETWORKS, filled, inputs_for
from tests.targets.cortex_m.boards import board


def nothing() -> Emulator:
    return cast(Emulator, object())


def cores(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(count)))


def test_the_number_of_cores_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("unicorn")
    pytest.importorskip("ziglang")
    network, found = filled(NETWORKS["branching"]()), []
    export(network, board(), tmp_path)
    inputs = inputs_for(network, 7)
    for count in (1, 3):
        cores(monkeypatch, count)
        found.append(execute(tmp_path, network, board(), inputs))
    one, three = found
    assert np.array_equal(one.scores, three.scores)
    for name, potentials in one.membranes.items():
        assert np.array_equal(potentials, three.membranes[name])


def test_results_keep_the_order_of_the_inputs_and_each_thread_its_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    cores(monkeypatch, 4)
    used: dict[int, set[int]] = {}
    together = threading.Barrier(2, timeout=20)

    def run(emulator: Any, sample: int) -> int:
        used.setdefault(threading.get_ident(), set()).add(id(emulator))
        if sample < 2:
            together.wait()
        return sample

    assert on_each(nothing, run, list(range(50))) == list(range(50))
    assert len(used) >= 2 and all(len(emulators) == 1 for emulators in used.values())


def test_an_error_stops_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    cores(monkeypatch, 2)
    ran: list[int] = []
    failed = threading.Event()

    def run(emulator: Emulator, sample: int) -> None:
        ran.append(sample)
        if sample == 0:
            failed.set()
            raise ValueError("it faults")
        failed.wait(20)
        threading.Event().wait(0.005)

    with pytest.raises(ValueError, match="it faults"):
        on_each(nothing, run, list(range(500)))
    assert len(ran) < 500
