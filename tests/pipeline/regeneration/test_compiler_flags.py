"""A changed compiler flag that makes real firmware larger is a regression against the lock, with the term, bytes and cause."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.regeneration.compare import Finding, compare
from pipeline.regeneration.lock import Lock, LockedModel, LockedTerm
from targets.cortex_m import platform, toolchain
from targets.cortex_m.estimate import estimate
from targets.cortex_m.export import export
from targets.cortex_m.measure import measure
from targets.footprint import Footprint
from targets.profile import Profile
from tests.networks import NETWORKS, filled
from tests.pipeline.regeneration.test_compare import OUTCOME, model
from tests.targets.cortex_m.boards import board

NETWORK = filled(NETWORKS["chain"]())


def locked(profile: Profile, folder: Path) -> LockedModel:
    """The entry of firmware that is linked and measured with the flags of now."""
    export(NETWORK, profile, folder)
    measured = measure(folder, NETWORK, profile)
    footprint: dict[str, dict[str, LockedTerm]] = {}
    for region, name, sides in _terms(estimate(NETWORK, profile), measured):
        footprint.setdefault(region, {})[name] = LockedTerm(estimated_bytes=sides[0], measured_bytes=sides[1])
    return model(footprint=footprint, measured_with=dict(measured.tools))


def _terms(estimated: Footprint, measured: Footprint) -> list[tuple[str, str, tuple[int, int]]]:
    sizes = {(term.region, term.name): term.size_bytes for term in measured.terms}
    return [(t.region, t.name, (t.size_bytes, sizes[t.region, t.name])) for t in estimated.terms]


def findings(lock: LockedModel, now: LockedModel) -> list[Finding]:
    return compare(Lock(models={"board": {"digits": lock}}), {("board", "digits"): now}, [OUTCOME], all_targets=False)


@pytest.mark.parametrize(
    ("compiler", "setting", "value", "cause"),
    [
        ("zig", "FOR_SIZE", ("firmware.c",), "flags without snn_run.c snn_scatter.c"),
        ("gcc", "_FLAGS", "-O3", "flags -O2 to -O3"),
    ],
)
def test_a_flag_that_makes_firmware_larger_is_told(
    compiler: toolchain.ToolchainName,
    setting: str,
    value: object,
    cause: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if toolchain.installed_version(compiler) is None:
        pytest.skip(f"the compiler {compiler} is not installed")
    profile = board("stm32vldiscovery", toolchain=compiler)
    before = locked(profile, tmp_path / "before")
    assert findings(before, before) == []
    if setting == "_FLAGS":
        flags = toolchain._FLAGS
        value = {**flags, compiler: tuple("-O3" if flag == "-O2" else flag for flag in flags[compiler])}
    monkeypatch.setattr(toolchain, setting, value)
    platform._calibrated_once.cache_clear()
    try:
        after = locked(profile, tmp_path / "after")
    finally:
        platform._calibrated_once.cache_clear()
    code, grown = (entry.footprint["flash"]["code"] for entry in (before, after))
    assert grown.estimated_bytes == grown.measured_bytes > code.measured_bytes
    told = {found.text for found in findings(before, after) if found.regression}
    more = f"{grown.measured_bytes - code.measured_bytes:+,} B"
    (text,) = (text for text in told if text.startswith("code in flash grew"))
    assert f"measured {code.measured_bytes:,} B to {grown.measured_bytes:,} B, {more}" in text
    assert f"changed since: {cause}" in text
