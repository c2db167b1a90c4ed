"""The generated pages are those of the code as it is, and the generator reads what is written above the fields."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from pipeline.reference.keys import Key, keys_of
from pipeline.reference.pages import pages
from pipeline.reference.results import results_page
from pipeline.regeneration.lock import Lock
from targets.families import FAMILIES
from targets.profile import Profile


class Inner(BaseModel):
    """What it holds."""

    #: How many
    #: there are.
    count: Annotated[int, Field(ge=0)] = 3


class Other(BaseModel):
    """Something else."""

    kind: Literal["other"] = "other"


class Outer(BaseModel):
    #: Named.
    table: dict[str, Inner]
    listed: tuple[Inner, ...] = ()
    either: Inner | Other | None = None
    plain: list[int] | None = None


@pytest.mark.parametrize("path", list(pages()), ids=lambda path: path.name)
def test_no_page_is_stale(path) -> None:
    assert path.read_text(encoding="utf-8") == pages()[path], "run `make docs` and commit what it writes"


def test_every_key_of_a_profile_is_explained() -> None:
    keys = [*keys_of(Profile), *(key for family in FAMILIES for key in keys_of(family.settings_model()))]
    assert len(keys) > 50
    assert [
        key.path for key in keys if not key.words and key.path.startswith(("core", "memory", "network", "neuron"))
    ] == []


def test_keys_are_read_depth_first_with_their_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.reference.keys.LAYERS", ("tests",))
    keys = {key.path: key for key in keys_of(Outer)}
    assert list(keys) == [
        "table.NAME", "table.NAME.count", "listed[]", "listed[].count", "either", "either.count", "either.kind", "plain",
    ]  # fmt: skip
    assert keys["table.NAME"].words == "Named."
    assert keys["either"].words == "What it holds. Or: Something else."
    assert keys["listed[].count"] == Key("listed[].count", "integer ≥ 0", "3", "How many there are.")
    assert keys["listed[]"].default == "[]" and keys["either.kind"].kind == "`other`"


def test_results_hold_what_benchmarks_printed(tmp_path) -> None:
    (tmp_path / "search.txt").write_text("12.3x less time\n")
    page = results_page(Lock(), tmp_path)
    assert "None is locked yet" in page
    assert "### search\n\n```text\n12.3x less time\n```" in page
