"""The two phases of the quantize stage, in order: train in floating point, fold, train in integers, write the network.

Comes in: a dataset, a network without values, a config, a folder. Goes out: the trained modules and their files.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors.torch import save

from stages.data.dataset import Dataset
from stages.progress import Progress
from stages.snn.float_network import FloatNetwork
from stages.snn.folding import reestimate
from stages.snn.integer_network import IntegerNetwork, integers
from stages.snn.scales import Limits
from stages.training.checkpoint import CheckpointFile
from stages.training.config import QuantizeConfig
from stages.training.loop import Settings, Training
from stages.training.measure import batches
from stages.training.results import Epoch
from targets.network import Network
from targets.network_file import digest, save_network, write_atomically
from targets.profile import Profile

COARSE_BITS, COARSE_RATE = 2, 3.0
"""Weights of so few bits move by whole steps only: the integer phase needs a learning rate so much higher."""


class Phases:
    """Trains one network for one profile."""

    def __init__(
        self,
        dataset: Dataset,
        profile: Profile,
        network: Network,
        config: QuantizeConfig,
        folder: Path,
        progress: Progress,
    ) -> None:
        self.dataset, self.profile, self.network = dataset, profile, network
        self.config, self.folder, self.progress = config, folder, progress

    @contextmanager
    def threads(self) -> Iterator[None]:
        """torch with the config's number of threads, for results that can be reproduced; afterwards as before."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.config.threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def train_float(self) -> tuple[FloatNetwork, Sequence[Epoch]]:
        """The float network with the weights of its best epoch and statistics measured for them; its learning curve."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed)
            module = FloatNetwork(self.network)
        epochs = self._epochs(self.config.float_epochs, self.config.float_images)
        curve = self._train(module, "float", epochs, self.config.float_learning_rate, ())
        reestimate(module, (images for images, _ in batches(self.dataset.train)))
        return module, curve

    def train_integer(
        self, float_network: FloatNetwork, before: Sequence[Epoch]
    ) -> tuple[IntegerNetwork, Sequence[Epoch]]:
        """The integer network that starts from a float network; its learning curve."""
        neuron = self.profile.neuron
        limits = Limits(neuron.largest_threshold, neuron.largest_bias, neuron.pixels_in_bias)
        module = IntegerNetwork.from_float(float_network, self.profile.network.weight_scale, limits)
        epochs = self._epochs(self.config.integer_epochs, self.config.integer_images)
        bits = min(weight.bits for weight in self.network.weights)
        rate = self.config.integer_learning_rate * (COARSE_RATE if bits <= COARSE_BITS else 1)
        return module, self._train(module, "integer", epochs, rate, before)

    def save(self, float_network: FloatNetwork, integer_network: IntegerNetwork) -> Network:
        """Writes both networks; returns the integer one."""
        tensors = {name: value.detach().contiguous() for name, value in float_network.state_dict().items()}
        write_atomically(self.folder / "float.safetensors", save(tensors))
        network = integers(integer_network)
        save_network(network, self.folder / "network.safetensors")
        return network

    def _train(
        self,
        module: FloatNetwork | IntegerNetwork,
        phase: str,
        epochs: int,
        learning_rate: float,
        before: Sequence[Epoch],
    ) -> Sequence[Epoch]:
        settings = Settings(
            phase=phase,
            epochs=epochs,
            batch=self.config.batch,
            learning_rate=learning_rate,
            weight_decay=self.config.weight_decay,
            label_smoothing=self.config.label_smoothing,
            seed=self.config.seed,
            checkpoint_seconds=self.config.checkpoint_seconds,
        )

        def record(curve: Sequence[Epoch]) -> None:
            lines = [point.model_dump_json() + "\n" for point in (*before, *curve)]
            write_atomically(self.folder / "curves.jsonl", "".join(lines).encode())

        file = CheckpointFile(self.folder / f"checkpoint-{phase}.safetensors", self._key())
        return Training(module, self.dataset, settings, file, self.progress, record).run()

    def _epochs(self, most: int, images: int) -> int:
        return max(1, min(most, math.floor(images / len(self.dataset.train))))

    def _key(self) -> str:
        """What decides the result: equal keys, equal bits."""
        parts = {
            "dataset": self.dataset.digest(),
            "network": digest(self.network),
            "weight_scale": self.profile.network.weight_scale,
            "neuron": self.profile.neuron.model_dump(exclude={"source"}),
            "config": self.config.model_dump(exclude={"checkpoint_seconds", "parity_samples"}),
            "versions": {name: version(name) for name in ("torch", "brevitas", "spikingjelly")},
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
