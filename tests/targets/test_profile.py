"""Profiles: sizes are unambiguous, every problem is reported with its key, shipped profiles are whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.errors import ConfigurationError
from targets.profile import load_profile, profile_names
from targets.sizes import format_size, parse_size


@given(st.integers(0, 2**40))
def test_whole_numbers_of_units_are_exact(count: int) -> None:
    assert parse_size(count) == parse_size(str(count)) == parse_size(f"{count} B") == count
    assert parse_size(f"{count} KiB") == 1024 * count


@pytest.mark.parametrize(
    "text", ["64 KB", "1 MB", "2 kB", "4 GB", "64 k", "-1", "lots", "0.3 B", "1 XiB", "", True, 1.5, None, -1]
)
def test_ambiguous_or_senseless_sizes_are_refused(text: object) -> None:
    with pytest.raises(ValueError):
        parse_size(text)


def test_sizes_for_people() -> None:
    assert [format_size(n) for n in (9_999, 20_480, 3 * 1024**2, 4 * 1024**3)] == [
        "9,999 B",
        "20.0 KiB",
        "3.0 MiB",
        "4.00 GiB",
    ]


@pytest.mark.parametrize("name", profile_names())
def test_shipped_profiles_are_whole(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert all(region.available_bytes > 0 for region in profile.memory.values())


def test_an_unknown_target_is_answered_with_near_names() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_profile("jetson_nanu")
    assert "jetson_nano" in caught.value.hint


def written(folder: Path, text: str) -> str:
    path = folder / "board.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_users_profile_extends_a_shipped_one(tmp_path: Path) -> None:
    profile = load_profile(written(tmp_path, 'extends = "jetson_nano"\n[memory.ram]\ntotal = "64 MiB"\nreserved = 0\n'))
    assert profile.name == "board"
    assert profile.memory["ram"].available_bytes == 64 * 1024**2
    assert profile.core == load_profile("jetson_nano").core


def test_every_problem_is_reported_with_its_key(tmp_path: Path) -> None:
    text = """extends = "jetson_nano"
colour = "green"
[memory.ram]
total = "4 GB"
[network]
kernel_sizes = [2]
[neuron]
keep = 500
[onnxruntime]
opset = "high"
speed = 3
"""
    with pytest.raises(ConfigurationError) as caught:
        load_profile(written(tmp_path, text))
    for part in (
        "colour: is an unknown key",
        "memory.ram.total",
        "ambiguous",
        "network: kernel_sizes",
        "neuron: keep 500",
        "onnxruntime.opset",
        "onnxruntime.speed: is an unknown key",
    ):
        assert part in caught.value.message


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("summary = ", "not valid TOML"),
        ('extends = "nowhere"', "unknown target"),
        ('extends = "board.toml"', "extends itself"),
        ("extends = 3", "name or path"),
        ('extends = "jetson_nano"\nfamily = "abacus"', "unknown family"),
        ('extends = "jetson_nano"\n[memory.ram]\nreserved = "5 GiB"', "leaves nothing"),
    ],
)
def test_broken_profiles_are_refused(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        load_profile(written(tmp_path, text))


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_profile(str(tmp_path / "absent.toml"))
