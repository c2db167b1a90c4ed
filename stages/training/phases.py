"""The two phases of the quantize stage, in order: train in floating point, fold, train in integers, write the network.

Comes in: a dataset, a network without values, a config, a folder. Goes out: the trained modules and their files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
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
from stages.training.allocator import kept_memory
from stages.training.checkpoint import CheckpointFile
from stages.training.config import WITHOUT_EFFECT, QuantizeConfig
from stages.training.engine import Engine, gpus
from stages.training.loop import Training
from stages.training.measure import batches
from stages.training.objective import Objective, Terms
from stages.training.plan import Plan
from stages.training.results import Epoch
from stages.training.state import Settings, State
from stages.training.tensorboard import write_curves
from targets.network import Network
from targets.network_file import digest, save_network, write_atomically
from targets.profile import Profile

COARSE_BITS, COARSE_RATE = 2, 3.0
"""Weights of so few bits move by whole steps only: the integer phase needs a learning rate so much higher."""
STATISTICS_IMAGES = 10_000
"""So many training images tell the statistics of BatchNorm well enough."""


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
        self.plan = Plan.of(config, dataset, gpus(config.device))
        self.engine = Engine(config.device)
        #: Lines of JSON by file and phase. Speeds have a file of their own: no two runs agree on them.
        self.lines: dict[str, dict[str, list[str]]] = {}

    @contextmanager
    def machine(self) -> Iterator[None]:
        """The config's number of threads, for results that can be reproduced, and memory kept; afterwards as before."""
        with ExitStack() as stack:
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(self.config.threads)
            stack.enter_context(kept_memory())
            stack.enter_context(self.engine.exact())
            yield

    def train_float(self) -> tuple[FloatNetwork, Sequence[Epoch]]:
        """The float network with the weights of its best epoch and statistics measured for them; its learning curve."""
        module, training = self.float_training()
        curve = training.run().curve
        reestimate(module, (images for images, _ in batches(self.dataset.train.first(STATISTICS_IMAGES))))
        return module, curve

    def float_training(self) -> tuple[FloatNetwork, Training]:
        """A fresh float network and its training, which has not begun."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed)
            module = FloatNetwork(self.network)
        return module, self._training(module, "float", self.plan.float_epochs, self.config.float_learning_rate)

    def train_integer(self, float_network: FloatNetwork) -> tuple[IntegerNetwork, Sequence[Epoch]]:
        """The integer network that starts from a float network; its learning curve."""
        neuron = self.profile.neuron
        limits = Limits(neuron.largest_threshold, neuron.largest_bias, neuron.pixels_in_bias)
        module = IntegerNetwork.from_float(float_network, self.profile.network.weight_scale, limits)
        bits = min(weight.bits for weight in self.network.weights)
        rate = self.config.integer_learning_rate * (COARSE_RATE if bits <= COARSE_BITS else 1)
        teacher = float_network.to(self.engine.device).eval()
        curve = self._training(module, "integer", self.plan.integer_epochs, rate, teacher).run().curve
        teacher.cpu()
        return module, curve

    def save(self, float_network: FloatNetwork, integer_network: IntegerNetwork) -> Network:
        """Writes both networks; returns the integer one."""
        tensors = {name: value.detach().contiguous() for name, value in float_network.state_dict().items()}
        write_atomically(self.folder / "float.safetensors", save(tensors))
        network = integers(integer_network)
        save_network(network, self.folder / "network.safetensors")
        return network

    def _training(
        self,
        module: FloatNetwork | IntegerNetwork,
        phase: str,
        epochs: int,
        learning_rate: float,
        teacher: FloatNetwork | None = None,
    ) -> Training:
        config = self.config
        terms = Terms(**{name: getattr(config, name) for name in Terms.__dataclass_fields__})
        settings = Settings(
            phase=phase,
            epochs=epochs,
            batch=self.plan.batch,
            optimizer=config.optimizer,
            momentum=config.momentum,
            learning_rate=learning_rate,
            weight_decay=config.weight_decay,
            warm_up=config.warm_up,
            patience=config.patience,
            augmentation=self.plan.augmentation,
            mixed_precision=config.mixed_precision and phase == "float",
            seed=config.seed,
            checkpoint_seconds=config.checkpoint_seconds,
        )
        file = CheckpointFile(self.folder / f"checkpoint-{phase}.safetensors", self._key())
        return Training(
            Objective(module, terms, teacher),
            self.dataset,
            settings,
            self.engine,
            file,
            self.progress,
            lambda state: self._record(phase, state),
        )

    def _record(self, phase: str, state: State) -> None:
        """Writes the lines of a phase as they are now."""
        self.lines.setdefault("curves", {})[phase] = [point.model_dump_json() for point in state.curve]
        self.lines.setdefault("incidents", {})[phase] = [incident.model_dump_json() for incident in state.incidents]
        self.lines.setdefault("speed", {})[phase] = [
            json.dumps({"phase": phase, "epoch": point.epoch, "images_per_second": round(speed, 1)})
            for point, speed in zip(state.curve, state.speeds, strict=True)
            if speed is not None
        ]
        for name, phases in self.lines.items():
            text = "".join(line + "\n" for lines in phases.values() for line in lines)
            write_atomically(self.folder / f"{name}.jsonl", text.encode())
        if self.config.tensorboard:
            write_curves(self.folder / "tensorboard", phase, state)

    def _key(self) -> str:
        """What decides the result: equal keys, equal bits."""
        parts = {
            "dataset": self.dataset.digest(),
            "network": digest(self.network),
            "weight_scale": self.profile.network.weight_scale,
            "neuron": self.profile.neuron.model_dump(exclude={"source"}),
            "plan": self.plan.facts(),
            "config": self.config.model_dump(exclude=set(WITHOUT_EFFECT)),
            "versions": {name: version(name) for name in ("torch", "brevitas", "spikingjelly")},
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
