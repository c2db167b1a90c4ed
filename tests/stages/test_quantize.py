"""The quantize stage on a small part of the digits: files, figures, resuming, recovery, refusals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stages.data.catalog import load_dataset
from stages.data.dataset import Dataset
from stages.progress import silent
from stages.quantize import QuantizeConfig, Quantized, quantize
from stages.snn.architecture import Architecture
from stages.training import loop
from targets import reference
from targets.errors import ConfigurationError, InternalError
from targets.network import Network
from targets.network_file import load_network
from targets.profile import load_profile

ROOT = Path(__file__).parents[2]
PROFILE = load_profile("jetson_nano")
ARCHITECTURE = Architecture(
    input_shape=(1, 8, 8), classes=10, cells=("|conv3x3~0|+|skip~0|conv3x3~1|",), channels=6, timesteps=2
)
CONFIG = QuantizeConfig(float_epochs=3, integer_epochs=2, batch=32, checkpoint_seconds=0)


def small() -> Dataset:
    digits = load_dataset("digits", None, 0)
    return Dataset(
        "digits", digits.train.first(400), digits.validation.first(100), digits.test.first(100), digits.class_names
    )


def trained(folder: Path, config: QuantizeConfig = CONFIG, architecture: Architecture = ARCHITECTURE) -> Quantized:
    return quantize(small(), PROFILE, architecture, config, folder, silent)


def files(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("network.safetensors", "float.safetensors")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Quantized]:
    folder = tmp_path_factory.mktemp("quantize")
    return folder, trained(folder)


def test_the_file_is_the_network_whose_accuracy_is_reported(finished: tuple[Path, Quantized]) -> None:
    folder, result = finished
    network, test = load_network(folder / "network.safetensors"), small().test
    trace = reference.run(network, test.images)
    assert np.mean(trace.predictions == test.labels) == result.integer_network.test_accuracy > 0.5
    assert result.activity.spike_rate == pytest.approx(trace.spike_rate)
    assert result.activity.synaptic_operations == pytest.approx(synaptic_operations(network, trace))
    assert (result.parity.samples, result.parity.spikes_differing, result.parity.membranes_differing) == (100, 0, 0)
    assert result.parity.spikes_compared == sum(s.size for s in trace.spikes.values())


def synaptic_operations(network: Network, trace: reference.Trace) -> float:
    """Counted the other way round: for every synapse of every neuron, whether its source fired."""
    total = 0.0
    for connection in network.connections:
        if connection.source in trace.spikes and connection.weight is not None:
            ones = np.ones(network.weight_of[connection.weight].shape, np.int8)
            counting = network.with_values(
                {w.name: ones if w.name == connection.weight else w.values for w in network.weights},
                {p.name: p.threshold for p in network.populations},
                {p.name: p.bias for p in network.populations},
            )
            for fired in trace.spikes[connection.source]:
                total += reference.apply(counting, connection, fired.astype(np.int64)).sum()
    return total / len(trace.scores)


def test_the_learning_curve_is_written_line_by_line(finished: tuple[Path, Quantized]) -> None:
    folder, result = finished
    lines = [json.loads(line) for line in (folder / "curves.jsonl").read_text().splitlines()]
    assert [(line["phase"], line["epoch"]) for line in lines] == [
        *(("float", epoch) for epoch in range(4)),
        *(("integer", epoch) for epoch in range(3)),
    ]
    speeds = [json.loads(line) for line in (folder / "speed.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in speeds] == [1, 2, 3, 1, 2]
    assert all(line["images_per_second"] > 0 for line in speeds)
    assert lines == [point.model_dump() for point in result.learning_curve]
    assert lines[3]["train_loss"] < lines[1]["train_loss"]


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(
    finished: tuple[Path, Quantized], tmp_path: Path
) -> None:
    folder, result = finished
    before = torch.get_num_threads()
    assert trained(tmp_path / "same") == result
    assert files(tmp_path / "same") == files(folder)
    other = trained(tmp_path / "other", CONFIG.model_copy(update={"seed": 1}))
    assert other.network_digest != result.network_digest
    assert torch.get_num_threads() == before


def killed_in_the_integer_phase(within: Path, settings: str = "") -> Path:
    """The folder of a training in a process of its own that was killed there."""
    folder = within / "killed"
    program = (
        "from pathlib import Path\nfrom tests.stages.test_quantize import CONFIG, trained\n"
        f"trained(Path({str(folder)!r}), CONFIG.model_copy(update=dict({settings})))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, env=environment)
    checkpoint = folder / "checkpoint-integer.safetensors"
    wait_for(lambda: checkpoint.exists() or process.poll() is not None)
    process.send_signal(signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL
    assert not (folder / "network.safetensors").exists()
    return folder


def test_a_run_that_is_killed_in_an_epoch_resumes_to_the_same_bytes(
    finished: tuple[Path, Quantized], tmp_path: Path
) -> None:
    """Killed in the integer phase; the middle of a float epoch is test_loop's."""
    killed = killed_in_the_integer_phase(tmp_path)
    assert trained(killed) == finished[1]
    assert files(killed) == files(finished[0])


def test_two_processes_share_the_batches_and_resume_to_the_same_bytes(tmp_path: Path) -> None:
    """Another result than one process has, since BatchNorm sees half a batch, and as good; the curves are one training's."""
    said: list[str] = []
    config = CONFIG.model_copy(update={"processes": 2, "integer_epochs": 1})
    killed = killed_in_the_integer_phase(tmp_path, "processes=2, integer_epochs=1")
    resumed = trained(killed, config)
    tmp_path = tmp_path / "whole"
    result = quantize(small(), PROFILE, ARCHITECTURE, config, tmp_path, lambda what, done, total: said.append(what))
    assert (resumed, files(killed)) == (result, files(tmp_path))
    assert result.integer_network.test_accuracy > 0.5
    assert result.parity.spikes_differing == 0
    assert [point.epoch for point in result.learning_curve] == [0, 1, 2, 3, 0, 1]
    assert any("float training, validation accuracy" in what for what in said)
    assert (tmp_path / "job" / "job.json").exists()


def test_a_process_that_fails_says_why(tmp_path: Path) -> None:
    config = CONFIG.model_copy(
        update={"processes": 2, "launcher": (sys.executable, "-c", "raise SystemExit('no room')")}
    )
    with pytest.raises(InternalError, match="no room"):
        trained(tmp_path, config)


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_a_checkpoint_of_another_training_is_not_taken_up(tmp_path: Path) -> None:
    brief = CONFIG.model_copy(update={"float_epochs": 1, "integer_epochs": 1})
    first = trained(tmp_path, brief)
    faster = brief.model_copy(update={"float_learning_rate": 1e-2})
    second = trained(tmp_path, faster)
    assert second.network_digest != first.network_digest
    assert second == trained(tmp_path / "fresh", faster)


def test_a_damaged_checkpoint_is_named(finished: tuple[Path, Quantized], tmp_path: Path) -> None:
    whole = (finished[0] / "checkpoint-float.safetensors").read_bytes()
    (tmp_path / "checkpoint-float.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ConfigurationError, match="checkpoint-float"):
        trained(tmp_path)


def test_a_diverged_epoch_is_undone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from stages.training.loop import Training

    step, broken = Training.step, []

    def breaking(training: Training) -> None:
        step(training)
        if training.state.step == 20 and not broken:
            broken.append(training.state.step)
            next(iter(training.module.parameters())).data.fill_(float("nan"))

    monkeypatch.setattr(Training, "step", breaking)
    result = trained(tmp_path)
    assert broken
    assert result.integer_network.test_accuracy > 0.5
    assert all(np.isfinite(point.validation_loss) for point in result.learning_curve)


def test_a_training_that_keeps_diverging_is_refused_with_the_weight_s_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from stages.training.loop import Training

    step = Training.step

    def breaking(training: Training) -> None:
        step(training)
        dict(training.module.named_parameters())["weights.cell1/edge01"].data.fill_(float("inf"))

    monkeypatch.setattr(Training, "step", breaking)
    with pytest.raises(ConfigurationError, match=r"float.*cell1\.edge01"):
        trained(tmp_path)


def test_a_silent_network_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Thresholds that nothing reaches: every sample gets the same scores."""
    from stages import quantize as stage

    original = stage.lower

    def reluctant(architecture: Architecture, profile: object) -> Network:
        network = original(architecture, PROFILE)
        populations = tuple(replace(p, theta=1e5 if p.name == "head" else p.theta) for p in network.populations)
        return replace(network, populations=populations)

    monkeypatch.setattr(stage, "lower", reluctant)
    monkeypatch.setattr(loop, "REVIVALS", 0)
    with pytest.raises(ConfigurationError, match=r"head.*never fires"):
        trained(tmp_path)


def test_an_architecture_for_other_data_is_refused_with_every_reason(tmp_path: Path) -> None:
    wrong = ARCHITECTURE.model_copy(update={"input_shape": (3, 8, 8), "classes": 4})
    with pytest.raises(ConfigurationError, match=r"(?s)input_shape.*classes"):
        trained(tmp_path, architecture=wrong)
    assert not list(tmp_path.iterdir())


def test_a_cell_of_skips_alone_trains(tmp_path: Path) -> None:
    skips = ARCHITECTURE.model_copy(update={"cells": ("|skip~0|+|skip~0|skip~1|",)})
    assert trained(tmp_path, architecture=skips).integer_network.test_accuracy > 0.3


def test_torch_is_imported_only_to_train() -> None:
    program = "import sys, stages.quantize\nassert not {'torch', 'brevitas', 'spikingjelly'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60)


def test_thresholds_and_biases_fit_the_registers_of_the_target(tmp_path: Path) -> None:
    narrow = PROFILE.model_copy(
        update={
            "neuron": PROFILE.neuron.model_copy(update={"threshold_bits": 9, "bias_bits": 7}),
            "network": PROFILE.network.model_copy(update={"weight_scale": "per_tensor"}),
        }
    )
    quick = QuantizeConfig(float_epochs=1, integer_epochs=1, batch=64)
    quantize(small(), narrow, ARCHITECTURE, quick, tmp_path, silent)
    firing = [p for p in load_network(tmp_path / "network.safetensors").populations if p.fires]
    assert max(int(p.threshold.max()) for p in firing) <= 511
    assert max(int(np.abs(p.bias).max()) for p in firing) <= 63
    assert all(len(np.unique(p.threshold)) == 1 for p in firing)
