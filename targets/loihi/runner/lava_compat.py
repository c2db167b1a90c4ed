"""Makes lava-nc 0.10.0 and lava-dl 0.6.0 importable as they were published, on Python 3.10 to 3.12 and without torch.

Both are archived and written for Python 3.10 with NumPy 1. `prepare()` must run before the first import of lava. Nothing
here touches a process model: what computes is Lava's own code.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import sys
import types
import warnings
from pathlib import Path
from typing import Any


def prepare() -> None:
    """Three repairs, each in memory only; the installed packages stay as they are."""
    warnings.filterwarnings("ignore", category=UserWarning, message="Cannot import module|.*profil")
    _import_with_hashable_dataclasses("lava.magma.compiler.var_model")
    _reshape_by_position()
    _stand_in_for_torch_modules()


def _import_with_hashable_dataclasses(module: str) -> None:
    """Python 3.11 refuses a dataclass instance as a field's default unless it is hashable; that module has some."""
    original = dataclasses.dataclass

    def hashable(cls: Any = None, **options: Any) -> Any:
        options.setdefault("unsafe_hash", True)
        return original(cls, **options) if cls is not None else lambda later: original(later, **options)

    dataclasses.dataclass = hashable
    try:
        importlib.import_module(module)
    finally:
        dataclasses.dataclass = original


def _reshape_by_position() -> None:
    """NumPy 2.4 removed `newshape=`, by which Lava's reshaping ports call np.reshape."""
    from lava.magma.core.process.ports.ports import ReshapePort

    def reshape(array: Any, to: Any) -> Any:
        return array.reshape(to)

    ReshapePort.get_transform_func_fwd = lambda self: functools.partial(reshape, to=self.shape)
    ReshapePort.get_transform_func_bwd = lambda self: functools.partial(reshape, to=self.old_shape)


def _stand_in_for_torch_modules() -> None:
    """The NetX reader imports two modules that need torch, one of them for resonate-and-fire neurons, which we never write."""
    specification = importlib.util.find_spec("lava.lib.dl")
    if specification is None:
        return
    folder = Path(next(iter(specification.submodule_search_locations or ())))
    for name in ("lava.lib.dl.slayer", "lava.lib.dl.slayer.neuron"):
        package = types.ModuleType(name)
        package.__path__ = []
        sys.modules.setdefault(name, package)
    resonate = types.ModuleType("lava.lib.dl.slayer.neuron.rf")
    resonate.neuron_params = None  # type: ignore[attr-defined]
    sys.modules.setdefault(resonate.__name__, resonate)
    # Lava's compiler asks for the file of every module beside a process, so the stand-in must name one.
    modules = types.ModuleType("lava.lib.dl.netx.sequential_modules")
    modules.__file__ = str(folder / "netx" / "sequential_modules.py")
    sys.modules.setdefault(modules.__name__, modules)
