"""What is written is TOML, means the same when read, and does not depend on the order of keys."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.regeneration.toml_text import toml_text

texts = st.text(st.characters(exclude_categories=["Cs"]))
leaves = st.one_of(texts, st.integers(-(2**63), 2**63 - 1), st.booleans(), st.floats(allow_nan=False))
values = st.one_of(leaves, st.lists(leaves, max_size=3), st.lists(st.lists(leaves, max_size=2), max_size=2))
tables = st.recursive(
    st.dictionaries(texts, values, max_size=3),
    lambda inner: st.dictionaries(texts, st.one_of(values, inner), max_size=3),
)


@given(tables)
def test_reading_gives_what_was_written(table: dict[str, object]) -> None:
    assert tomllib.loads(toml_text(table)) == table


@given(tables)
def test_equal_tables_give_equal_bytes(table: dict[str, object]) -> None:
    assert toml_text(table) == toml_text(dict(reversed(table.items())))


def test_none_is_left_out_and_the_inexpressible_refused() -> None:
    assert toml_text({"a": None, "b": 1}) == "b = 1\n"
    with pytest.raises(TypeError, match="object"):
        toml_text({"a": object()})
