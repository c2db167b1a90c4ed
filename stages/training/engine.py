"""Where a training runs: a device, and the processes that share each batch, all by Hugging Face Accelerate.

Comes in: the wish for a device; a launcher's environment variables (RANK, WORLD_SIZE, ...) if there is one. Goes out: what the
loop needs to run the same on a CPU, a GPU, several GPUs or several nodes. Every process holds the whole network and takes its
share of each batch; the mean of their gradients moves all alike (distributed data parallel). BatchNorm normalises within a
share; the running statistics are those of the first process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from targets.errors import ConfigurationError

Part = TypeVar("Part", Tensor, np.ndarray[Any, Any])


def gpus(device: str) -> int:
    """GPUs that a training on this device may use.

    Raises:
        ConfigurationError: a GPU is asked for and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError("--device cuda: torch sees no GPU here", "use --device cpu, or install torch for CUDA")
    return 0 if device == "cpu" else torch.cuda.device_count()


class Engine:
    """The device and the other processes."""

    def __init__(self, device: str) -> None:
        on_gpu = gpus(device) > 0
        if AcceleratorState._shared_state:
            AcceleratorState._reset_state(reset_partial_state=not torch.distributed.is_initialized())
        self.accelerator = Accelerator(
            cpu=not on_gpu, kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)]
        )

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        return cast(torch.device, self.accelerator.device)

    @property
    def processes(self) -> int:
        """How many share a batch."""
        return int(self.accelerator.num_processes)

    @property
    def rank(self) -> int:
        """The number of this process among them."""
        return int(self.accelerator.process_index)

    @property
    def first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    @contextmanager
    def exact(self) -> Iterator[None]:
        """No arithmetic that rounds more than float32, and the same algorithm every time; afterwards as before."""
        matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
        before = matmul.allow_tf32, cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark
        matmul.allow_tf32, cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark = False, False, True, False
        try:
            yield
        finally:
            matmul.allow_tf32, cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark = before

    @contextmanager
    def precision(self, mixed: bool) -> Iterator[None]:
        """bfloat16 where it may be; neurons stay in float32 (`stages.snn.steps`)."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=mixed and self.device.type == "cuda"):
            yield

    def prepared(self, module: nn.Module) -> nn.Module:
        """The module on the device, its gradients shared with the other processes."""
        return cast(nn.Module, self.accelerator.prepare_model(module))

    def share(self, batch: Part) -> Part:
        """This process's part of a batch."""
        part: Part = batch[self.rank :: self.processes]
        return part

    def backward(self, loss: Tensor) -> None:
        """Gradients, the mean over all processes."""
        self.accelerator.backward(loss)

    def summed(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        summed: Tensor = self.accelerator.reduce(values, "sum")
        return summed

    def agree(self, module: nn.Module) -> None:
        """Gives all processes the running statistics of the first."""
        if self.processes > 1:
            for buffer in module.buffers():
                torch.distributed.broadcast(buffer, 0)

    def wait(self) -> None:
        """Until all processes are here."""
        self.accelerator.wait_for_everyone()
