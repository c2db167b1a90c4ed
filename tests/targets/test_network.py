"""Integer networks: contradictions are all reported, values are range-checked, files are safe and stable."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets import reference
from targets.errors import ConfigurationError
from targets.network import INPUT, Connection, Conv, Dense, Identity, Network, Neuron, Population, Weight
from targets.network_file import digest, load_network, save_network, to_bytes
from tests.networks import NETWORKS, branching, chain, filled, inputs_for, random_network


def changed(network: Network, **fields: object) -> Network:
    return replace(network, **fields)


def test_all_contradictions_are_reported_at_once() -> None:
    good = chain()
    with pytest.raises(ConfigurationError) as caught:
        changed(
            good,
            timesteps=0,
            connections=(
                *good.connections,
                Connection("nowhere", "second", Identity()),
                Connection(INPUT, "first", Dense()),
            ),
            weights=(*good.weights, Weight("idle", (1, 1), 9)),
        )
    for part in ("timesteps 0", "unknown source", "Dense must name a weight", "'idle' is used by no", "9 bits"):
        assert part in caught.value.message


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda n: {"populations": n.populations[:-1]}, "readout"),
        (
            lambda n: {"populations": (*n.populations[:1], *n.populations[1:2], *n.populations[:1], n.readout)},
            "used twice",
        ),
        (lambda n: {"populations": (n.populations[1], n.populations[0], n.readout)}, "computed later"),
        (lambda n: {"weights": (Weight("stem", (4, 3, 3, 3), 8), *n.weights[1:])}, "Conv of"),
        (
            lambda n: {"connections": (*n.connections, Connection("readout", "second", Identity(), delay=1))},
            "does not fire",
        ),
        (lambda n: {"connections": (*n.connections, replace(n.connections[1], delay=2))}, "delay 2"),
        (lambda n: {"connections": (*n.connections, replace(n.connections[1], multiplier=0))}, "multiplier 0"),
        (
            lambda n: {"populations": (replace(n.populations[0], neuron=Neuron(keep=129)), *n.populations[1:])},
            "keep 129",
        ),
    ],
)
def test_a_contradiction_is_named(change: object, sentence: str) -> None:
    network = chain()
    with pytest.raises(ConfigurationError, match=sentence):
        changed(network, **change(network))  # type: ignore[operator]


def test_values_outside_their_bits_are_refused() -> None:
    network = filled(chain(bits=4))
    values = {w.name: np.asarray(w.values, np.int64) for w in network.weights}
    rest = ({p.name: p.threshold for p in network.populations}, {p.name: p.bias for p in network.populations})
    values["stem"] = values["stem"] + 8
    with pytest.raises(ConfigurationError, match="range of 4 bits"):
        network.with_values(values, *rest)
    values["stem"] = values["stem"] + 300
    with pytest.raises(ConfigurationError, match="range of int8"):
        network.with_values(values, *rest)


def test_values_cannot_be_changed_behind_the_networks_back() -> None:
    network = filled(chain())
    with pytest.raises(ValueError, match="read-only"):
        network.weights[0].values[...] = 0  # type: ignore[index]


@pytest.mark.parametrize("name", NETWORKS)
def test_files_read_back_and_equal_networks_have_equal_bytes(name: str, tmp_path: Path) -> None:
    network = filled(NETWORKS[name]())
    save_network(network, tmp_path / "n.safetensors")
    loaded = load_network(tmp_path / "n.safetensors")
    assert to_bytes(loaded) == to_bytes(network) == (tmp_path / "n.safetensors").read_bytes()
    inputs = inputs_for(network)
    assert np.array_equal(reference.run(loaded, inputs).scores, reference.run(network, inputs).scores)
    assert not load_network_of(network.without_values(), tmp_path).has_values


def load_network_of(network: Network, folder: Path) -> Network:
    save_network(network, folder / "shapes.safetensors")
    return load_network(folder / "shapes.safetensors")


@given(st.integers(0, 10_000))
def test_one_changed_weight_changes_the_digest(seed: int) -> None:
    network = random_network(seed)
    weight = network.weights[seed % len(network.weights)]
    values = np.array(weight.values)
    values.flat[seed % values.size] ^= 1
    other = replace(network, weights=tuple(replace(w, values=values) if w is weight else w for w in network.weights))
    assert digest(other) != digest(network)


def test_damaged_files_are_refused_in_one_line(tmp_path: Path) -> None:
    path, content = tmp_path / "n.safetensors", to_bytes(filled(branching()))
    damaged = {
        "cut": content[:-5],
        "empty": b"",
        "text": b"{}",
        "other": content.replace(b'"format\\":1', b'"format\\":7'),
    }
    for name, broken in damaged.items():
        path.write_bytes(broken)
        with pytest.raises(ConfigurationError) as caught:
            load_network(path)
        assert str(path) in caught.value.message and "\n" not in caught.value.message, name
    with pytest.raises(ConfigurationError, match="no such file"):
        load_network(tmp_path / "absent")


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "n.safetensors"
    save_network(filled(chain()), path)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_network(filled(branching()), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["n.safetensors"]


def test_a_memoryless_neuron_says_so() -> None:
    assert not Neuron(keep=0).remembers
    assert Population("p", (3, 2, 2)).size == 12
    assert isinstance(chain().connections[0].operation, Conv)
