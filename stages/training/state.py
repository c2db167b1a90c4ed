"""What one phase's training is told, and where it stands: the two halves of the loop that are data.

Comes in: numbers from the plan and the config, or a checkpoint's facts. Goes out: the settings that never change while a phase
trains, the state that does, and an optimizer without memory. `stages.training.loop` is what happens to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import nn

from stages.training.plan import Augmentation
from stages.training.results import Epoch, Incident


@dataclass(frozen=True)
class Settings:
    """How one phase trains."""

    phase: str
    epochs: int
    batch: int
    optimizer: str
    momentum: float
    learning_rate: float
    weight_decay: float
    #: Share of the steps in which the learning rate rises.
    warm_up: float
    #: Epochs without a better one after which the phase ends.
    patience: int
    augmentation: Augmentation
    #: Whether a GPU computes in bfloat16.
    mixed_precision: bool
    seed: int
    #: Least time between two checkpoints; one is written at the end in any case.
    checkpoint_seconds: float


@dataclass
class State:
    """Where a training stands, besides weights and optimizer."""

    step: int = 0
    #: Sums over the current epoch's steps: losses, norms of gradients; and the time that they took.
    loss: float = 0.0
    gradient: float = 0.0
    seconds: float = 0.0
    #: Halved by every recovery.
    rate: float = 1.0
    curve: list[Epoch] = field(default_factory=list)
    #: Images per second of training, one figure for each point of the curve; kept apart, since no two runs agree on it.
    speeds: list[float | None] = field(default_factory=list)
    #: What went wrong and was mended.
    incidents: list[Incident] = field(default_factory=list)

    def facts(self) -> dict[str, Any]:
        """All of it as JSON, for a checkpoint."""
        lists = {name: [entry.model_dump() for entry in getattr(self, name)] for name in ("curve", "incidents")}
        return {**vars(self), **lists}

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """What `facts` gave."""
        curve = [Epoch(**point) for point in facts["curve"]]
        incidents = [Incident(**incident) for incident in facts["incidents"]]
        return cls(**{**facts, "curve": curve, "incidents": incidents})


def fresh_optimizer(settings: Settings, module: nn.Module) -> torch.optim.Optimizer:
    """An optimizer of all that learns in a module, without memory."""
    learning = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(
            learning,
            settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            nesterov=settings.momentum > 0,
        )
    return torch.optim.AdamW(learning, settings.learning_rate, weight_decay=settings.weight_decay)
