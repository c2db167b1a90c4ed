"""What one step of training minimises.

Comes in: a network, images, labels. Goes out: one number: the cross-entropy of the scores, and what the settings add to it.

- label smoothing (Szegedy et al. 2016);
- the cross-entropy of every single step (temporal efficient training, Deng et al. 2022, arXiv 2202.11946);
- the answers of a teacher, here the float network (Hinton et al. 2015, arXiv 1503.02531);
- spikes beyond a budget: ((rate / budget) - 1)**2 for the mean rate of all neurons; below the budget spikes are free.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div

from stages.snn.float_network import FloatNetwork
from stages.snn.integer_network import IntegerNetwork
from stages.snn.wiring import Activity


@dataclass(frozen=True)
class Terms:
    """Which terms the loss has; see `stages.training.config`."""

    label_smoothing: float = 0.0
    temporal: float = 0.0
    distillation: float = 0.0
    temperature: float = 2.0
    spike_budget: float | None = None
    spike_weight: float = 1.0


class Objective(nn.Module):
    """The loss of a network as a function of images and labels.

    Args:
        module: What learns.
        terms: What the loss consists of.
        teacher: A trained network whose answers are asked for, if distillation is.
    """

    def __init__(
        self, module: FloatNetwork | IntegerNetwork, terms: Terms, teacher: FloatNetwork | None = None
    ) -> None:
        super().__init__()
        self.module, self.terms = module, terms
        # a tuple hides it from torch: it neither learns nor is saved
        self.teachers: tuple[FloatNetwork, ...] = (teacher,) if teacher is not None and terms.distillation else ()

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """The mean loss of a batch."""
        terms, activity = self.terms, self.module.run(images)
        loss = self.classification(activity, labels)
        if self.teachers:
            loss = (1 - terms.distillation) * loss + terms.distillation * self.imitation(activity, images)
        if terms.spike_budget is not None:
            excess = (spike_rate(activity) / terms.spike_budget - 1).clamp(min=0)
            loss = loss + terms.spike_weight * excess.square()
        return loss

    def classification(self, activity: Activity, labels: Tensor) -> Tensor:
        """Cross-entropy of the sum over all steps, and of each step."""
        smoothing, share = self.terms.label_smoothing, self.terms.temporal
        loss = cross_entropy(activity.logits, labels, label_smoothing=smoothing)
        if share:
            steps = activity.step_logits
            each = cross_entropy(steps.flatten(0, 1), labels.repeat(len(steps)), label_smoothing=smoothing)
            loss = (1 - share) * loss + share * each
        return loss

    def imitation(self, activity: Activity, images: Tensor) -> Tensor:
        """How far the answers are from the teacher's, at a temperature that shows what it thinks of wrong classes."""
        (teacher,), temperature = self.teachers, self.terms.temperature
        with torch.no_grad():
            wanted = (teacher(images) / temperature).log_softmax(1)
        given = (activity.logits / temperature).log_softmax(1)
        return kl_div(given, wanted, reduction="batchmean", log_target=True) * temperature**2


def spike_rate(activity: Activity) -> Tensor:
    """Spikes per neuron and step over all populations, differentiable through the surrogate gradient."""
    spikes = [fired.float().mean() * fired[0, 0].numel() for fired in activity.spikes.values()]
    neurons = sum(fired[0, 0].numel() for fired in activity.spikes.values())
    return torch.stack(spikes).sum() / neurons
