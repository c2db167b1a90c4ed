"""How the quantize stage trains: its settings and presets, readable without torch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

#: Settings that change how a training is run or watched, but none of its numbers.
WITHOUT_EFFECT = frozenset({"checkpoint_seconds", "parity_samples", "launcher", "tensorboard"})


class QuantizeConfig(BaseModel):
    """How the two phases train."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Passes over the training split, at most.
    float_epochs: PositiveInt = 20
    integer_epochs: PositiveInt = 8
    #: Images a phase sees, at most; a large dataset gets fewer passes, but always one.
    float_images: PositiveInt = 400_000
    integer_images: PositiveInt = 110_000
    #: Images of a step; None decides by the number of training images (`stages.training.plan`).
    batch: PositiveInt | None = None
    optimizer: Literal["adamw", "sgd"] = "adamw"
    #: Of SGD, which is Nesterov's.
    momentum: float = Field(default=0.9, ge=0, lt=1)
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
    #: Share of the loss that asks every step for the right class, not only their sum (Deng et al. 2022, arXiv 2202.11946).
    temporal: float = Field(default=0.0, ge=0, le=1)
    #: Share of the integer phase's loss that asks for the float network's answers instead of the labels, and how soft these are.
    distillation: float = Field(default=0.0, ge=0, le=1)
    temperature: PositiveFloat = 2.0
    #: Spikes per neuron and step that training is held to, e.g. 0.05; None for as many as accuracy wants.
    spike_budget: float | None = Field(default=None, gt=0, lt=1)
    #: Weight in the loss of what exceeds it, squared and relative to it.
    spike_weight: PositiveFloat = 1.0
    #: Of initial weights and of the order of images.
    seed: NonNegativeInt = 0
    #: Whether images are mirrored at random; None for where the dataset says that it keeps their class.
    mirror: bool | None = None
    #: Pixels that images are shifted by at most, at random; None decides by their size.
    shift: NonNegativeInt | None = None
    #: Edge of the square that is blanked in every image; 0 for none. It pays in long trainings only.
    cutout: NonNegativeInt = 0
    #: Where it trains; auto is a GPU where there is one.
    device: Literal["auto", "cpu", "cuda"] = "auto"
    #: Whether the float phase computes in bfloat16 on a GPU. The integer phase never does: it would not be exact.
    mixed_precision: bool = True
    #: Processes that share every batch; None for one on each GPU, and without one for two where there are many images.
    processes: PositiveInt | None = None
    #: Words of a command that starts them, such as torchrun's on several nodes; empty to start them here.
    launcher: tuple[str, ...] = ()
    #: torch's threads in each process; results are only reproduced with the same number. Two processes were 1.7 times as fast
    #: as one, two threads 1.1 times: the operations of small networks are too short to be shared.
    threads: PositiveInt = 1
    checkpoint_seconds: NonNegativeFloat = 15.0
    #: Whether the learning curves are also written for TensorBoard.
    tensorboard: bool = False
    #: Test images on which training and reference are compared neuron by neuron, at most.
    parity_samples: PositiveInt = 2_000

    @classmethod
    def preset(cls, name: Literal["quick", "full"], seed: int = 0) -> QuantizeConfig:
        """`quick` for minutes on a CPU, `full` for the accuracy that longer training on a GPU brings."""
        if name == "quick":
            return cls(seed=seed)
        return cls(
            seed=seed,
            float_epochs=200,
            integer_epochs=40,
            patience=60,
            float_images=10_000_000,
            integer_images=2_000_000,
            weight_decay=0.02,
            checkpoint_seconds=60.0,
        )
