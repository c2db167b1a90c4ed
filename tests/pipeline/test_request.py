"""What the command line may ask for, and how what it may not is told."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli import app
from pipeline.request import Configs, Request, parse_budget, parse_settings, profile_of, with_budget
from targets.errors import ConfigurationError
from targets.hardware.ways import Command
from targets.profile import load_profile

PROFILE = load_profile("jetson_nano")


def test_a_budget_is_bytes_by_region() -> None:
    assert parse_budget("flash=64KiB, ram=20480") == {"flash": 65536, "ram": 20480}
    assert parse_budget("") == {}


@given(st.text(max_size=30))
def test_any_budget_text_is_read_or_refused(text: str) -> None:
    try:
        assert all(size >= 0 for size in parse_budget(text).values())
    except ConfigurationError as error:
        assert error.hint


@pytest.mark.parametrize("text", ["ram", "ram=", "ram=3KB", "ram=-1", "ram=1.5", "ram=x", "=5 KiB,ram=2XiB"])
def test_a_bad_budget_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--budget"):
        parse_budget(text)


def test_all_bad_budgets_are_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        with_budget(PROFILE, {"ram": 2**40, "flash": 5})
    assert "more than the 3.87 GiB" in caught.value.message
    assert "no region 'flash'; it has ram" in caught.value.message


def test_a_budget_replaces_what_is_available() -> None:
    assert with_budget(PROFILE, {"ram": 12345}).memory["ram"].available_bytes == 12345
    assert with_budget(PROFILE, {}) == PROFILE


def test_settings_are_json_or_text() -> None:
    assert parse_settings(["a.b=3", "a.c=[1,2]", "a.d=sahd"]) == {"a.b": 3, "a.c": [1, 2], "a.d": "sahd"}


def test_the_seed_reaches_every_stage_that_draws() -> None:
    configs = Configs.of(Request("jetson_nano", seed=7))
    assert (configs.analyze.seed, configs.search.seed, configs.quantize.seed) == (7, 7, 7)


def test_settings_reach_their_stage() -> None:
    configs = Configs.of(Request("jetson_nano", settings={"quantize.float_epochs": 3}))
    assert configs.quantize.float_epochs == 3
    assert configs.search == Configs.of(Request("jetson_nano")).search


def test_all_bad_settings_are_named_at_once_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Configs.of(Request("x", settings={"quantize.float_epoch": 3, "analyze": 1, "search.timesteps": 0}))
    assert "did you mean quantize.float_epochs" in caught.value.message
    assert "search.timesteps" in caught.value.message


def test_the_command_asks_for_the_same_again() -> None:
    request = Request(
        "jetson_nano",
        seed=3,
        preset="full",
        budget={"ram": 10**8},
        settings={"search.score": "sahd", "analyze.cells": 12},
    )
    words = shlex.split(request.command())
    assert words[:3] == ["spikeport", "deploy", "jetson_nano"]
    assert parse_budget(words[words.index("--budget") + 1]) == request.budget
    assert parse_settings([words[i + 1] for i, word in enumerate(words) if word == "--set"]) == request.settings
    assert app.registered_commands


def test_a_board_and_an_opset_become_part_of_the_profile_and_of_the_command() -> None:
    asked = Request("jetson_nano", hardware="command:./measure.py --port '/dev/tty A'", opset=15)
    profile = profile_of(asked)
    assert profile.measure.hardware == Command(command=("./measure.py", "--port", "/dev/tty A"))
    assert (profile.settings.export_opset, profile.settings.export_ir) == (15, 8)
    words = shlex.split(asked.command())
    assert words[words.index("--hardware") + 1] == asked.hardware and words[-2:] == ["--opset", "15"]


@pytest.mark.parametrize(
    ("target", "opset", "said"),
    [
        ("jetson_nano", 16, r"loads up to opset 15"),
        ("jetson_nano", 12, r"greater than or equal to 13"),
        ("raspberry_pi_zero_2w", 99, r"loads up to opset 18"),
        ("microbit_v1", 13, r"is not given ONNX files"),
    ],
)
def test_an_opset_that_the_board_does_not_load_is_refused(target: str, opset: int, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        profile_of(Request(target, opset=opset))
