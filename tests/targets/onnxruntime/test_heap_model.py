"""The parts of loading's memory that are arithmetic: strings of both kinds, and weights that are converted one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.onnxruntime.heap_model import Loader, known_bytes
from targets.onnxruntime.lowering import lower
from targets.onnxruntime.planner import block_bytes
from tests.networks import branching

OLD, NEW = Loader(keeps_parsed=False, old_strings=True), Loader(keeps_parsed=False, old_strings=False)


@pytest.mark.parametrize(("length", "taken"), [(819_200, 823_272), (16_384, 20_456), (4096, 8168), (1024, 1064)])
def test_old_strings_are_rounded_up_to_pages_as_seen_in_a_log_of_allocations(length: int, taken: int) -> None:
    assert OLD.string_bytes(length) == taken


@given(st.integers(0, 2**24))
def test_a_string_takes_at_least_its_characters_and_less_than_a_page_more(length: int) -> None:
    for loader in (OLD, NEW):
        taken = loader.string_bytes(length)
        assert taken > length or (loader is NEW and length <= 15 and taken == 0)
        assert taken <= length + 4096 + 64


def test_a_loader_that_keeps_what_it_parsed_holds_every_weight_twice() -> None:
    graph = lower(branching(), "step")
    loaders = [Loader(keeps_parsed=kept, old_strings=False) for kept in (False, True)]
    stored = sum(block_bytes(constant.tensor.size_bytes) for constant in graph.constants)
    stored += loaders[0].names_bytes(graph.classes)
    one, all_ = (known_bytes(graph, loader) for loader in loaders)
    assert stored < one["converting"] < all_["converting"] <= 2 * stored + 16 * len(graph.constants)
    assert one["ready"] == all_["ready"] == stored
