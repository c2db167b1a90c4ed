"""The loop's learning rate, early stopping, and resuming in the middle of augmented epochs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stages.data.dataset import Dataset, Split
from stages.progress import silent
from stages.snn.architecture import Architecture, lower
from stages.training.allocator import kept_memory
from stages.training.config import QuantizeConfig
from stages.training.loop import Training, steps_per_epoch
from stages.training.phases import Phases
from targets.errors import ConfigurationError
from targets.profile import load_profile

PROFILE = load_profile("jetson_nano")
NETWORK = lower(
    Architecture(input_shape=(1, 6, 6), classes=2, cells=("|conv3x3~0|",), channels=3, timesteps=2), PROFILE
)


def halves() -> Dataset:
    """Class 1 is brighter in its upper half, class 0 in its lower one; mirroring changes neither."""
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 128, (96, 1, 6, 6), np.uint8), random.integers(0, 2, 96)
    for image, label in zip(images, labels, strict=True):
        image[:, : 3 if label else None, :][:, -3:] += 100
    splits = [Split(images[i : i + 32], labels[i : i + 32]) for i in (0, 32, 64)]
    return Dataset("halves", splits[0], splits[1], splits[2], ("lower", "upper"), mirrors=True)


def phases(folder: Path, **settings: object) -> Phases:
    config = QuantizeConfig.model_validate({"float_epochs": 4, "batch": 8, "checkpoint_seconds": 0, **settings})
    return Phases(halves(), PROFILE, NETWORK, config, folder, silent)


def test_the_learning_rate_warms_up_and_falls_to_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    step = Training.step
    monkeypatch.setattr(Training, "step", lambda t: (rates.append(t.learning_rate()), step(t))[1])
    phases(tmp_path, float_learning_rate=1e-2, warm_up=0.25).train_float()
    top = rates.index(max(rates))
    assert len(rates) == 16
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert 2 <= top <= 4
    assert rates[0] < 0.3e-2 < 0.8e-2 < rates[top] <= 1e-2
    assert rates[-1] < 0.02e-2


def test_a_phase_ends_when_its_best_epoch_is_long_past(tmp_path: Path) -> None:
    _, curve = phases(tmp_path, float_epochs=50, patience=2).train_float()
    best = max(curve, key=lambda point: point.merit).epoch
    assert curve[-1].epoch == best + 2 < 50


def test_an_augmented_training_goes_on_in_the_middle_of_an_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, curve = phases(tmp_path / "whole", shift=1, cutout=2).train_float()
    step = Training.step

    def dying(training: Training) -> None:
        if training.state.step == 6:
            raise KeyboardInterrupt
        step(training)

    monkeypatch.setattr(Training, "step", dying)
    with pytest.raises(KeyboardInterrupt):
        phases(tmp_path / "killed", shift=1, cutout=2).train_float()
    monkeypatch.setattr(Training, "step", step)
    resumed, again = phases(tmp_path / "killed", shift=1, cutout=2).train_float()
    assert again == curve
    assert all(value.equal(resumed.state_dict()[name]) for name, value in module.state_dict().items())


def test_augmentation_reaches_the_training(tmp_path: Path) -> None:
    _, plain = phases(tmp_path / "plain", mirror=False).train_float()
    _, mirrored = phases(tmp_path / "mirrored").train_float()
    assert plain[1].train_loss != mirrored[1].train_loss


def test_the_norm_of_the_gradient_is_in_the_learning_curve(tmp_path: Path) -> None:
    _, curve = phases(tmp_path).train_float()
    assert curve[0].gradient_norm is None
    assert all(point.gradient_norm and point.gradient_norm > 0 for point in curve[1:])


def test_a_last_batch_too_small_to_share_is_left_out() -> None:
    assert [steps_per_epoch(*case) for case in ((100, 10, 1), (101, 10, 1), (102, 10, 1), (103, 10, 2), (3, 10, 2))] == [
        10, 10, 11, 10, 1,
    ]  # fmt: skip


def test_a_silent_population_is_woken_and_told(tmp_path: Path) -> None:
    training = phases(tmp_path, float_epochs=3)
    training.network = replace(
        NETWORK, populations=tuple(replace(p, theta=6.0 if p.name == "head" else p.theta) for p in NETWORK.populations)
    )
    _, curve = training.train_float()
    assert "head" in curve[1].dead
    assert curve[-1].spike_rate["head"] > 0
    incidents = [json.loads(line) for line in (tmp_path / "incidents.jsonl").read_text().splitlines()]
    assert ("dead", "head", 1) in [(i["kind"], i["where"], i["epoch"]) for i in incidents]


def test_tensorboard_shows_the_curves(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _, curve = phases(tmp_path, float_epochs=2, tensorboard=True).train_float()
    events = EventAccumulator(str(tmp_path / "tensorboard" / "float"))
    events.Reload()
    shown = events.Scalars("accuracy/validation")
    assert [(e.step, e.value) for e in shown] == [(p.epoch, pytest.approx(p.validation_accuracy)) for p in curve]
    assert "spike_rate/head" in events.Tags()["scalars"]


def test_a_gpu_that_is_not_there_is_said(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ConfigurationError, match="no GPU"):
        phases(tmp_path, device="cuda")


def test_memory_is_kept_for_a_while_only() -> None:
    with kept_memory():
        assert np.ones(4_000_000).sum() == 4_000_000
    assert np.ones(4_000_000).sum() == 4_000_000
