"""Checkpoints: everything a training needs to go on as if it had never stopped, in one safetensors file.

Comes in: tensors, and a few facts as JSON. Goes out: the same. Nothing is pickled; a file is whole or absent.
Random numbers need no storing: the loop draws them from the seed and the number of the step.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from targets.errors import ConfigurationError
from targets.network_file import write_atomically

_FACTS, _KEY = "spikeport.facts", "spikeport.key"


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name, and facts that JSON can hold."""

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]

    def group(self, prefix: str) -> dict[str, Tensor]:
        """The tensors below a prefix, without it."""
        return {name.removeprefix(prefix): value for name, value in self.tensors.items() if name.startswith(prefix)}


@dataclass(frozen=True)
class CheckpointFile:
    """Where a training keeps its checkpoint. The key says what is trained on what, and how.

    A checkpoint with another key is of another training: it counts as absent and is replaced.
    """

    path: Path
    key: str

    def save(self, checkpoint: Checkpoint) -> None:
        """Writes the checkpoint atomically."""
        tensors = {name: value.detach().cpu().contiguous() for name, value in checkpoint.tensors.items()}
        facts = json.dumps(dict(checkpoint.facts), sort_keys=True)
        write_atomically(self.path, save(tensors, metadata={_FACTS: facts, _KEY: self.key}))

    def load(self) -> Checkpoint | None:
        """The checkpoint of this training, if there is one.

        Raises:
            ConfigurationError: the file is damaged.
        """
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                metadata = file.metadata() or {}
                if metadata.get(_KEY) != self.key:
                    return None
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            return Checkpoint(tensors, json.loads(metadata[_FACTS]))
        except (SafetensorError, KeyError, ValueError, OSError) as error:
            raise ConfigurationError(
                f"{self.path}: not a readable checkpoint ({error})", "remove it; training then starts anew"
            ) from error


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's state as tensors named by the parameter's number and the quantity."""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{name}": value for index, values in state.items() for name, value in values.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Puts back what `optimizer_tensors` took."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, quantity = name.split(".", 1)
        state.setdefault(int(index), {})[quantity] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
