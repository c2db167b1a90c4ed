"""The datasets that `--dataset` names. Comes in: a name, a folder, a seed. Goes out: a Dataset."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stages.data.dataset import Dataset
from stages.data.digits import load_digits
from targets.errors import ConfigurationError


@dataclass(frozen=True)
class Source:
    """A dataset by name; `load(folder, seed)` reads it, the seed decides the validation split."""

    name: str
    summary: str
    load: Callable[[Path | None, int], Dataset]


SOURCES = (Source("digits", "1,797 handwritten digits of 8x8 pixels, bundled with scikit-learn", load_digits),)


def load_dataset(name: str, folder: Path | None, seed: int) -> Dataset:
    """The dataset of that name.

    Raises:
        ConfigurationError: no such dataset (with the nearest names), or its files are missing or damaged.
    """
    for source in SOURCES:
        if source.name == name:
            return source.load(folder, seed)
    near = difflib.get_close_matches(name, [source.name for source in SOURCES], n=3, cutoff=0.4)
    known = ", ".join(source.name for source in SOURCES)
    raise ConfigurationError(
        f"unknown dataset {name!r}", f"did you mean {' or '.join(near)}?" if near else f"known: {known}"
    )
