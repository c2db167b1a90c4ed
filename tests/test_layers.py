"""The house's arrows point down: pipeline -> stages -> targets; families are strangers; targets/ never sees torch."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LEVEL = {"targets": 0, "stages": 1, "pipeline": 2}
FAMILIES = sorted(path.parent.name for path in (ROOT / "targets").glob("*/settings.py"))
TRAINING = {"torch", "spikingjelly", "brevitas"}


def imported(source: str) -> set[str]:
    """Dotted names of everything that a module imports, at any depth of its functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                names.add("relative import")
            elif node.module:
                names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def violations(path: Path, source: str) -> list[str]:
    """Sentences about imports of one file (path relative to the root) that the layering forbids."""
    layer, found = path.parts[0], []
    own = path.parts[1] if len(path.parts) > 2 else ""
    for name in sorted(imported(source)):
        parts = name.split(".")
        if name == "relative import":
            found.append("imports relatively")
        if LEVEL.get(parts[0], -1) > LEVEL[layer]:
            found.append(f"{layer} imports {name}")
        if layer == "targets" and parts[0] in TRAINING:
            found.append(f"targets imports {name}")
        if (
            parts[0] == "targets"
            and len(parts) > 1
            and parts[1] in FAMILIES
            and not (layer == "targets" and own == parts[1])
        ):
            found.append(f"{path} imports the family {name}")
    return found


def sources() -> list[Path]:
    return sorted(path for layer in LEVEL for path in (ROOT / layer).rglob("*.py"))


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    assert violations(path.relative_to(ROOT), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("targets/fit.py", "import torch"),
        ("targets/fit.py", "def late():\n    from stages.quantize import train"),
        ("stages/search.py", "import pipeline.cli"),
        ("stages/search.py", "from targets.onnxruntime import estimate"),
        ("targets/fit.py", "from targets.onnxruntime.estimate import estimate"),
        ("targets/other_family/export.py", "from targets import onnxruntime"),
        ("stages/search.py", "from . import analyze"),
    ],
)
def test_a_forbidden_import_is_noticed(path: str, source: str) -> None:
    assert violations(Path(path), source)


def test_families_are_found() -> None:
    from targets.families import FAMILIES as listed

    assert sorted(family.name for family in listed) == FAMILIES
