"""How wide a variant may become: whole words where compute binds, every channel where memory does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.data.digits import load_digits
from stages.scores.catalog import score_named
from stages.scores.subject import batch_of
from stages.search import SearchConfig, macro_choices
from stages.searching.candidates import Evaluator
from stages.searching.macro import FEW, at_width, fills_words, widest
from stages.snn.architecture import Architecture
from targets.profile import Profile, load_profile

BOARD = load_profile("stm32f746g_disco")
DIGITS = load_digits(None, 0)
CELLS = ("|conv3x3~0|", "|skip~0|")
MACRO = macro_choices(DIGITS, BOARD, SearchConfig())


def evaluator(board: Profile) -> Evaluator:
    return Evaluator(board, batch_of(DIGITS, 10, timesteps=4, seed=0), score_named("structure"))


def variant() -> Architecture:
    return MACRO.architecture(CELLS, 8, 1, 1, 0)


@settings(max_examples=15, deadline=None)
@given(st.integers(200_000, 40_000_000))
def test_where_compute_binds_channels_fill_words(limit: int) -> None:
    rater = evaluator(BOARD)
    found = widest(variant(), MACRO.channels, limit, rater)
    assert found is not None
    assert rater.operations(found) <= limit
    assert fills_words(found.channels)
    more = next(c for c in MACRO.channels if c > found.channels and fills_words(c))
    assert rater.operations(at_width(found, more)) > limit or not rater.sized(at_width(found, more)).fits


def test_words_count_from_sixteen_channels_on() -> None:
    assert [c for c in range(FEW - 2, FEW + 9) if fills_words(c)] == [FEW - 2, FEW - 1, FEW, FEW + 4, FEW + 8]
    # no whole word among what is left to try: the widest of it
    found = widest(variant(), (17, 18, 19), 10**12, evaluator(BOARD))
    assert found is not None
    assert found.channels == 19


@pytest.mark.parametrize("channels", [18, 25])
def test_where_memory_binds_every_channel_is_used(channels: int) -> None:
    used = evaluator(BOARD).sized(at_width(variant(), channels)).region_bytes
    memory = {
        name: region.model_copy(update={"total": used[name], "reserved": 0}) if name in used else region
        for name, region in BOARD.memory.items()
    }
    tight = BOARD.model_copy(update={"memory": memory})
    found = widest(variant(), MACRO.channels, 10**12, evaluator(tight))
    assert found is not None
    assert found.channels == channels
