"""What runs again after a change of code or of a profile, told by the stages' keys for a target of every family."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from pipeline import sources
from pipeline.chain import CHAIN, Job
from pipeline.deploy import stage_inputs
from pipeline.manifest import Manifest, differences, key_of
from pipeline.request import Request
from targets.families import FAMILIES

TARGETS = {"onnxruntime": "jetson_nano", "cortex_m": "stm32f746g_disco", "loihi": "loihi2_oheo_gulch"}


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    sources.closure.cache_clear()
    yield
    sources.closure.cache_clear()


def keys(target: str) -> dict[str, str]:
    """Each stage's key, where earlier results keep their bytes: what makes a stage run by itself."""
    job, earlier = Job.of(Request(target)), dict[str, Manifest]()
    found = {}
    for stage in CHAIN:
        inputs = stage_inputs(job, stage, earlier)
        found[stage.name] = key_of(inputs)
        outputs = {
            need.split("/", 1)[1]: "0" for later in CHAIN for need in later.needs if need.startswith(f"{stage.name}/")
        }
        earlier[stage.name] = Manifest(
            stage=stage.name, key=found[stage.name], inputs=inputs, outputs=outputs, seconds=0, reasons=()
        )
    return found


@cache
def undisturbed() -> dict[str, dict[str, str]]:
    return {family: keys(target) for family, target in TARGETS.items()}


def changed(monkeypatch: pytest.MonkeyPatch, path: str) -> dict[str, set[str]]:
    """Stages of each family that a change of one file makes run."""
    before = undisturbed()
    real = sources.file_hash
    other = sources.ROOT / path
    assert other.is_file()
    monkeypatch.setattr(sources, "file_hash", lambda file: "0" * 64 if file == other else real(file))
    sources.closure.cache_clear()
    after = {family: keys(target) for family, target in TARGETS.items()}
    return {
        family: {stage for stage, key in before[family].items() if after[family][stage] != key} for family in TARGETS
    }


def test_every_family_is_looked_at() -> None:
    assert {family.name for family in FAMILIES} == TARGETS.keys()


@pytest.mark.parametrize("family", list(TARGETS))
def test_an_exporter_redoes_export_and_verify_of_its_family(monkeypatch: pytest.MonkeyPatch, family: str) -> None:
    found = changed(monkeypatch, f"targets/{family}/export.py")
    assert found.pop(family) in ({"export"}, {"export", "verify"})  # verify also runs when the artifact's bytes change
    assert set().union(*found.values()) == set()


def test_training_code_redoes_training_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    found = changed(monkeypatch, "stages/training/loop.py")
    assert all("quantize" in stages and "export" not in stages for stages in found.values())


def test_a_byte_of_a_profile_redoes_that_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.toml"
    path.write_text('extends = "stm32f746g_disco"\nsummary = "mine"\n[neuron]\nkeep = 32\n')
    before, shipped = keys("./mine.toml"), keys("stm32f746g_disco")
    assert before == shipped  # a name and a summary decide nothing
    path.write_text(path.read_text().replace("keep = 32", "keep = 33"))
    after = keys("./mine.toml")
    assert all(after[stage] != before[stage] for stage in before)
    assert keys("stm32f746g_disco") == shipped
    old, new = (stage_inputs(Job.of(Request(t)), CHAIN[0], {}) for t in ("stm32f746g_disco", "./mine.toml"))
    assert differences(old, new) == ["profile.neuron.keep changed from 32 to 33"]
