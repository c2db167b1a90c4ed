from __future__ import annotations

import pytest

from targets.profile import Profile, load_profile


@pytest.fixture(scope="session")
def nano() -> Profile:
    return load_profile("jetson_nano")
