"""Names of any length in a text whose length depends on their number alone."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st

from targets.onnxruntime.class_names import text_bytes, to_text


@given(st.lists(st.text(), min_size=1, max_size=40))
@example([""])
@example(["\U0001f600" * 99] * 3)
@example(["a" * 30, "b"])
def test_every_class_keeps_its_place(names: list[str]) -> None:
    text = to_text(names, len(names))
    assert len(text) == len(text.encode()) == text_bytes(len(names))
    for name, kept in zip(names, json.loads(text), strict=True):
        assert kept == name or (kept.endswith("~") and name.startswith(kept[:-1]) and len(kept) <= len(name))


def test_only_what_does_not_fit_is_shortened() -> None:
    names = ["short", "x" * 60, "of middling length"]
    first, long, last = json.loads(to_text(names, 3))
    assert (first, last) == ("short", "of middling length")
    assert len(long) > 24 and long.endswith("~")
    assert json.loads(to_text([], 2)) == ["0", "1"]
