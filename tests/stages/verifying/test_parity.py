"""Comparing traces: nothing is reported where nothing differs, and every kind of fault is found and named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.verifying.parity import compare_traces
from targets.errors import ParityError
from targets.network import Network
from targets.reference import Trace, run
from tests.networks import NETWORKS, filled, inputs_for, random_network


def traced(name: str, samples: int = 3) -> tuple[Network, Trace]:
    network = filled(NETWORKS[name]())
    return network, run(network, inputs_for(network, samples))


def changed(trace: Trace, quantity: str, population: str, place: tuple[int, ...]) -> Trace:
    values = {name: array.copy() for name, array in getattr(trace, quantity).items()}
    values[population][place] ^= 1
    return replace(trace, **{quantity: values})


@pytest.mark.parametrize("name", NETWORKS)
def test_a_trace_equals_itself(name: str) -> None:
    network, trace = traced(name)
    parity = compare_traces(network, trace, trace)
    assert parity.holds
    assert parity.first_difference is None
    steps = network.timesteps
    assert parity.spikes_compared == 3 * steps * sum(p.size for p in network.populations if p.fires)
    assert parity.membranes_compared == 3 * steps * sum(p.size for p in network.populations)
    assert 0 < parity.spikes_fired < parity.spikes_compared


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.data())
def test_one_flipped_value_is_found_and_named(seed: int, data: st.DataObject) -> None:
    network = random_network(seed)
    golden = run(network, inputs_for(network))
    quantity = data.draw(st.sampled_from(["spikes", "membranes"]))
    population = data.draw(st.sampled_from(sorted(getattr(golden, quantity))))
    shape = getattr(golden, quantity)[population].shape
    place = tuple(data.draw(st.integers(0, length - 1)) for length in shape)
    parity = compare_traces(network, golden, changed(golden, quantity, population, place), first_sample=100)
    found = parity.first_difference
    assert not parity.holds
    assert (parity.spikes_differing, parity.membranes_differing) == ((1, 0) if quantity == "spikes" else (0, 1))
    assert found is not None
    assert (found.population, found.step, found.sample, found.neuron) == (
        population,
        place[0],
        100 + place[1],
        place[2:],
    )
    assert found.expected ^ 1 == found.actual


def test_the_earliest_step_is_named_then_the_earliest_population() -> None:
    network, golden = traced("chain")
    actual = changed(golden, "spikes", "second", (2, 0, 0, 0, 0))
    actual = changed(actual, "spikes", "first", (3, 0, 0, 0, 0))
    assert str(compare_traces(network, golden, actual).first_difference).startswith(
        "spike at population 'second', step 2, neuron [0, 0, 0], sample 0"
    )


def test_wrong_scores_alone_are_noticed() -> None:
    network, golden = traced("chain")
    scores = golden.scores.copy()
    scores[1] = scores[1][::-1] + np.arange(scores.shape[1])
    parity = compare_traces(network, golden, replace(golden, scores=scores))
    assert parity.scores_differing > 0
    assert not parity.holds
    assert parity.first_difference is not None and parity.first_difference.quantity == "score"


def test_a_missing_population_is_refused() -> None:
    network, golden = traced("chain")
    without = replace(golden, spikes={"first": golden.spikes["first"]})
    with pytest.raises(ParityError, match="spikes of 'second' are missing"):
        compare_traces(network, golden, without)


def test_another_shape_is_refused() -> None:
    network, golden = traced("chain")
    shorter = replace(golden, membranes={name: values[:-1] for name, values in golden.membranes.items()})
    with pytest.raises(ParityError, match="have shape"):
        compare_traces(network, golden, shorter)


def test_batches_add_up_and_keep_the_first_difference() -> None:
    network, golden = traced("chain")
    good = compare_traces(network, golden, golden)
    bad = compare_traces(network, golden, changed(golden, "membranes", "first", (0, 1, 0, 0, 0)), first_sample=3)
    both = good.plus(bad).plus(good)
    assert both.samples == 9
    assert both.steps == network.timesteps
    assert both.membranes_compared == 3 * good.membranes_compared
    assert both.membranes_differing == 1
    assert both.first_difference is not None and both.first_difference.sample == 4
