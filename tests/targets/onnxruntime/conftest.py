from __future__ import annotations

import pytest

from targets.onnxruntime.machine import natively
from targets.profile import Profile, load_profile


@pytest.fixture(scope="session")
def nano() -> Profile:
    """The board as this machine runs it."""
    return natively(load_profile("jetson_nano"))
