"""The closure of imports: what a stage can reach, and no more."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pipeline.sources import closure
from targets.families import FAMILIES


def test_a_stage_reaches_its_own_code_and_no_family() -> None:
    found = closure(("stages.export",))
    assert {"stages/export.py", "targets/fit.py", "targets/network.py", "targets/__init__.py"} <= found.files.keys()
    assert not [path for path in found.files if path.startswith(("targets/loihi", "targets/onnxruntime", "pipeline"))]


def test_a_door_reaches_its_family_alone() -> None:
    found = closure(("stages.export", "targets.loihi.export"))
    folders = {path.split("/")[1] for path in found.files if path.count("/") > 1 and path.startswith("targets/")}
    assert folders & {family.name for family in FAMILIES} == {"loihi"}


def test_imports_within_functions_count() -> None:
    assert "targets/network_rules.py" in closure(("targets.network",)).files


def test_data_files_of_a_family_count() -> None:
    found = closure(("targets.loihi.export",), ("targets/loihi",))
    assert {"targets/loihi/requirements.txt", "targets/loihi/runner/observe.py"} <= found.files.keys()
    assert "targets/loihi/measure.py" not in found.files
    assert "lava" not in found.libraries


def test_versions_are_found_by_the_name_that_is_imported() -> None:
    tools = closure(("stages.data.catalog",)).tools()
    assert {"python", "numpy", "scikit-learn"} <= tools.keys()
    assert "sys" not in tools


@pytest.mark.parametrize("library", ["torch", "sklearn", "onnxruntime"])
def test_nothing_is_imported_to_find_this_out(library: str) -> None:
    code = "import sys; from pipeline.sources import closure; closure(('stages.data.catalog',)).tools();"
    code += f"print({library!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "False\n"
