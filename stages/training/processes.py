"""Trains in several processes, and leaves checkpoints.

Comes in: what both phases need, and a number of processes. Goes out: their finished checkpoints in the folder, from which the
stage goes on as after a kill: one code path, whether it trained itself or not. The processes are started here, or by a launcher
such as torchrun, on any number of nodes that share the folder; they find each other by its environment variables.

    folder/job/job.json, dataset.safetensors, network.safetensors     what a process (`stages.training.worker`) reads

A process ends when this one does, however that died: its standard input ends then.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from pydantic import BaseModel, ConfigDict
from safetensors.numpy import load_file, save

from stages.data.dataset import Dataset, Split
from stages.progress import Progress
from stages.training.config import QuantizeConfig
from targets.errors import ConfigurationError, InternalError
from targets.network import Network
from targets.network_file import load_network, save_network, write_atomically
from targets.profile import Profile

WORKER = "stages.training.worker"
_ROOT = Path(__file__).parents[2]
_GRACE_SECONDS = 20.0
"""How long the others may go on when one has failed: they may still say why."""


class _Job(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    class_names: tuple[str, ...]
    spiking: bool
    mirrors: bool
    profile: Profile
    config: QuantizeConfig


@dataclass(frozen=True)
class Assignment:
    """What both phases need."""

    dataset: Dataset
    profile: Profile
    network: Network
    config: QuantizeConfig

    def write(self, folder: Path) -> None:
        """Puts it where a process reads it."""
        dataset = self.dataset
        arrays = {
            f"{name}.{part}": np.ascontiguousarray(array)
            for name, split in dataset.splits.items()
            for part, array in vars(split).items()
        }
        write_atomically(folder / "dataset.safetensors", save(arrays))
        save_network(self.network, folder / "network.safetensors")
        job = _Job(
            name=dataset.name,
            class_names=dataset.class_names,
            spiking=dataset.spiking,
            mirrors=dataset.mirrors,
            profile=self.profile,
            config=self.config,
        )
        write_atomically(folder / "job.json", job.model_dump_json().encode())

    @classmethod
    def read(cls, folder: Path) -> Assignment:
        """What was written."""
        job = _Job.model_validate_json((folder / "job.json").read_bytes())
        arrays = load_file(folder / "dataset.safetensors")
        train, validation, test = (
            Split(arrays[f"{name}.images"], arrays[f"{name}.labels"]) for name in ("train", "validation", "test")
        )
        dataset = Dataset(job.name, train, validation, test, job.class_names, job.spiking, job.mirrors)
        return cls(dataset, job.profile, load_network(folder / "network.safetensors"), job.config)


def train_in_processes(assignment: Assignment, processes: int, folder: Path, progress: Progress) -> None:
    """Both phases, in processes that share each batch; returns when their checkpoints are finished.

    Raises:
        ConfigurationError: what a process said of the training, or that the launcher cannot be run.
        InternalError: a process ended without a word.
    """
    job = folder / "job"
    assignment.write(job)
    words = [sys.executable, "-m", WORKER, str(job)]
    launcher = assignment.config.launcher
    path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    shared = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": str(assignment.config.threads)}
    if launcher:
        commands, environments = [[*launcher, *words[1:]]], [shared]
    else:
        port = str(_free_port())
        commands = [words] * processes
        environments = [{**shared, **_place(rank, processes, port)} for rank in range(processes)]
    with ExitStack() as stack:
        errors = stack.enter_context((job / "log.txt").open("w+b"))
        running = []
        for command, environment in zip(commands, environments, strict=True):
            try:
                process = subprocess.Popen(
                    command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
                )
            except OSError as error:
                raise ConfigurationError(f"{command[0]}: {error.strerror}", "check quantize.launcher") from error
            stack.callback(_end, process)
            running.append(process)
        said = _relay(running[0], progress)
        _wait(running, said, errors)


def _place(rank: int, processes: int, port: str) -> Mapping[str, str]:
    """What a launcher tells a process."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _relay(process: subprocess.Popen[bytes], progress: Progress) -> Mapping[str, str] | None:
    """Hands on the progress of the first process, to its end; returns the error it told, if any."""
    told: Mapping[str, str] | None = None
    for line in process.stdout or ():
        try:
            event = json.loads(line)
        except ValueError:
            continue  # a library of the launcher that prints
        if "error" in event:
            told = event
        else:
            progress(event["what"], event["done"], event["total"])
    return told


def _wait(running: Sequence[subprocess.Popen[bytes]], said: Mapping[str, str] | None, errors: IO[bytes]) -> None:
    """Until all have ended well.

    Raises:
        ConfigurationError: what the first process told.
        InternalError: one ended otherwise.
    """
    end = time.monotonic() + _GRACE_SECONDS
    while any(process.poll() is None for process in running) and time.monotonic() < end:
        time.sleep(0.02)
    if said:
        raise ConfigurationError(said["error"], said["hint"])
    codes = [process.poll() for process in running]
    if any(codes):
        errors.seek(0)
        lines = errors.read().decode(errors="replace").strip().splitlines()
        raise InternalError(f"training processes ended with {codes}: {lines[-1] if lines else 'no message'}")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()
    process.wait()
