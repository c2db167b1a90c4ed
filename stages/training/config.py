"""How the quantize stage trains: its settings and presets, readable without torch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt


class QuantizeConfig(BaseModel):
    """How the two phases train."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Passes over the training split, at most.
    float_epochs: PositiveInt = 20
    integer_epochs: PositiveInt = 8
    #: Images a phase sees, at most; a large dataset gets fewer passes, but always one.
    float_images: PositiveInt = 500_000
    integer_images: PositiveInt = 110_000
    #: Images of a step; None decides by the number of training images (`stages.training.plan`).
    batch: PositiveInt | None = None
    #: The largest; falls to zero on a cosine.
    float_learning_rate: PositiveFloat = 3e-3
    integer_learning_rate: PositiveFloat = 1e-3
    #: Share of a phase's steps in which the learning rate rises to the largest.
    warm_up: float = Field(default=0.03, ge=0, lt=1)
    #: Epochs without a better one on the validation split after which a phase ends.
    patience: PositiveInt = 10
    weight_decay: NonNegativeFloat = 0.0
    #: Of the labels in the loss. On the digits 0.1 gained half a point of test accuracy over five seeds.
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    #: Of initial weights and of the order of images.
    seed: NonNegativeInt = 0
    #: Whether images are mirrored at random; None for where the dataset says that it keeps their class.
    mirror: bool | None = None
    #: Pixels that images are shifted by at most, at random; None decides by their size.
    shift: NonNegativeInt | None = None
    #: Edge of the square that is blanked in every image; 0 for none. It pays in long trainings only.
    cutout: NonNegativeInt = 0
    #: torch's threads; results are only reproduced with the same number. Two were 1.6 times as fast as one where both cores
    #: were idle, and many times slower where another process had one of them: every layer waits for the slower thread.
    threads: PositiveInt = 1
    checkpoint_seconds: NonNegativeFloat = 15.0
    #: Test images on which training and reference are compared neuron by neuron, at most.
    parity_samples: PositiveInt = 2_000

    @classmethod
    def preset(cls, name: Literal["quick", "full"], seed: int = 0) -> QuantizeConfig:
        """`quick` for minutes on a CPU, `full` for the accuracy that longer training brings."""
        if name == "quick":
            return cls(seed=seed)
        return cls(
            seed=seed,
            float_epochs=100,
            integer_epochs=30,
            patience=30,
            float_images=10_000_000,
            integer_images=3_000_000,
        )
