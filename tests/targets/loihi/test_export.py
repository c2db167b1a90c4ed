"""The artifact is the same for the same network, complete, and readable by lava-dl's own reader where it is a chain."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from targets.errors import ConfigurationError, InternalError
from targets.loihi import container
from targets.loihi.export import export
from targets.loihi.graph import build
from targets.profile import load_profile
from tests.networks import branching, chain, depthwise
from tests.targets.loihi.examples import fitting

BOARD = load_profile("loihi2_oheo_gulch")
NEURON = BOARD.neuron.neuron


def test_chain_is_a_netx_file_and_anything_else_a_container(tmp_path: Path) -> None:
    files = export(fitting(chain(NEURON, 4), BOARD), BOARD, tmp_path / "chain")
    assert files["network"].name == "network.net"
    files = export(fitting(depthwise(NEURON, 3), BOARD), BOARD, tmp_path / "graph")
    assert files["network"].name == "network.h5"
    assert {path.name for path in (tmp_path / "graph").iterdir()} == {
        "network.h5",
        "run_lava.py",
        "lava_network.py",
        "lava_compat.py",
        "requirements.txt",
        "cores.json",
        "classes.json",
    }
    assert json.loads(files["cores"].read_text())["cores_lower_bound"] == 1


def test_equal_networks_give_equal_bytes(tmp_path: Path) -> None:
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("a", "b")
        if export(fitting(branching(NEURON, 2), BOARD), BOARD, tmp_path / name)
    )
    assert first == second


def test_netx_layers_hold_integers_in_the_readers_types() -> None:
    import h5py

    network = fitting(chain(NEURON, 4), BOARD)
    content = container.to_bytes(network, build(network, graded_input=True), netx=True)
    with h5py.File(io.BytesIO(content), "r") as file:
        assert [file[f"layer/{i}/type"][()] for i in range(5)] == [b"input", b"conv", b"conv", b"flatten", b"dense"]
        assert file["layer/1/weight"].dtype == np.int32
        assert np.array_equal(file["layer/1/weight"][()], network.weight_of["stem"].values)
        assert file["layer/1/neuron/vThMant"][()] == network.population_of["first"].threshold[0]
        assert file["layer/1/neuron/vDecay"][()] == 4096 - network.population_of["first"].neuron.keep


def test_a_dense_layer_that_netx_cannot_scale_goes_into_the_container() -> None:
    network = fitting(chain(NEURON, 4), BOARD)
    values = {w.name: -np.abs(w.values) if w.name == "head" else w.values for w in network.weights}
    negative = replace(network, weights=tuple(replace(w, values=values[w.name]) for w in network.weights))
    assert container.is_netx(network, build(network, graded_input=True))
    assert not container.is_netx(negative, build(negative, graded_input=True))


def test_a_file_that_reads_back_differently_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    network = fitting(chain(NEURON, 4), BOARD)
    write = container._write

    def one_more(file: object, name: str, value: object) -> None:
        write(file, name, value + 1 if name == "layer/1/bias" else value)  # type: ignore[operator]

    monkeypatch.setattr(container, "_write", one_more)
    with pytest.raises(InternalError, match="read back"):
        container.to_bytes(network, build(network, graded_input=True), netx=True)


def test_network_without_values_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="shapes only"):
        export(chain(NEURON, 4), BOARD, tmp_path)
