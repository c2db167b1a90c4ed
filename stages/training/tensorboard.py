"""The learning curves for TensorBoard: `tensorboard --logdir FOLDER`.

Comes in: the state of a training. Goes out: event files, written anew after every epoch, so that a resumed training shows once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from targets.errors import ToolMissingError

if TYPE_CHECKING:
    from stages.training.state import State


def write_curves(folder: Path, phase: str, state: State) -> None:
    """One run a phase: losses, accuracy, gradient norm, images per second, the spike rate of every population.

    Raises:
        ToolMissingError: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ToolMissingError("quantize.tensorboard needs TensorBoard", "pip install tensorboard") from error
    for old in (folder / phase).glob("events.*"):
        old.unlink()
    with SummaryWriter(str(folder / phase)) as writer:
        for point, speed in zip(state.curve, state.speeds, strict=True):
            values = {
                "loss/train": point.train_loss,
                "loss/validation": point.validation_loss,
                "accuracy/validation": point.validation_accuracy,
                "gradient_norm": point.gradient_norm,
                "images_per_second": speed,
                **{f"spike_rate/{name}": rate for name, rate in point.spike_rate.items()},
            }
            for name, value in values.items():
                if value is not None:
                    writer.add_scalar(name, value, point.epoch)
