"""How fast a training step is, and what memory it needs, beside spikingjelly's and snnTorch's own networks.

    make bench-training [ARGS="ROUNDS THREADS"]

The same architecture in all three: convolutions of 16, 32 and 64 channels (strides 1, 2, 2) with BatchNorm, leaky
integrate-and-fire neurons (leak 1/4, threshold 1, hard reset that gradients ignore, ATan surrogate), a dense readout, T = 4,
images of 28x28 pixels that are held for all steps, batches of 128, AdamW, cross-entropy. What pixels deliver is computed once
in all three. spikingjelly runs layer by layer with its multi-step node (step mode "m", torch backend: the only one on a CPU),
snnTorch step by step as its documentation has it.

Each runs in a process of its own, in turn, several rounds; figures are medians. Memory is the most that is resident above what
is resident before the first step. The bars: at least 1.5 times the images per second of the faster of the other two, and no more
memory than either. Ends with 1 if one is missed.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

T, BATCH, LEAK, WIDTHS, STRIDES = 4, 128, 0.25, (16, 32, 64), (1, 2, 2)
WARM, STEPS = 2, 6
BAR = 1.5
CONTENDERS = ("spikeport", "spikingjelly", "snntorch")


def ours() -> nn.Module:
    from stages.snn.architecture import Architecture, lower
    from stages.snn.float_network import FloatNetwork
    from targets.profile import load_profile

    chain = Architecture(input_shape=(1, 28, 28), classes=10, cells=("|skip~0|",) * 3, channels=16, timesteps=T)
    return FloatNetwork(lower(chain, load_profile("jetson_nano")))


def spikingjelly_network() -> nn.Module:
    from spikingjelly.activation_based import functional, layer, neuron, surrogate

    def lif() -> nn.Module:
        # tau = 1 / (1 - leak); the input is not decayed
        return neuron.LIFNode(1 / (1 - LEAK), False, 1.0, 0.0, surrogate.ATan(), True, "m")

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(1, WIDTHS[0], 3, STRIDES[0], 1, bias=False), nn.BatchNorm2d(WIDTHS[0]))
            blocks: list[nn.Module] = [lif()]
            for inner, outer, stride in zip(WIDTHS, WIDTHS[1:], STRIDES[1:], strict=False):
                blocks += [layer.Conv2d(inner, outer, 3, stride, 1, bias=False), layer.BatchNorm2d(outer), lif()]
            self.rest = nn.Sequential(*blocks, layer.Flatten(), layer.Linear(WIDTHS[-1] * 49, 10))
            functional.set_step_mode(self, "m")

        def forward(self, x: Tensor) -> Tensor:
            functional.reset_net(self)
            return self.rest(self.stem(x / 255).unsqueeze(0).repeat(T, 1, 1, 1, 1)).mean(0)

    return Network()


def snntorch_network() -> nn.Module:
    import snntorch
    from snntorch import surrogate

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            inputs = (1, *WIDTHS)
            self.convolutions = nn.ModuleList(
                nn.Conv2d(inner, outer, 3, stride, 1, bias=False)
                for inner, outer, stride in zip(inputs, WIDTHS, STRIDES, strict=False)
            )
            self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in WIDTHS)
            self.neurons = nn.ModuleList(
                snntorch.Leaky(LEAK, spike_grad=surrogate.atan(), reset_mechanism="zero") for _ in WIDTHS
            )
            self.readout = nn.Linear(WIDTHS[-1] * 49, 10)

        def forward(self, x: Tensor) -> Tensor:
            membranes = [neuron.reset_mem() for neuron in self.neurons]
            first = self.norms[0](self.convolutions[0](x / 255))
            total = torch.zeros(())
            for _ in range(T):
                current = first
                for index, neuron in enumerate(self.neurons):
                    if index:
                        current = self.norms[index](self.convolutions[index](current))
                    current, membranes[index] = neuron(current, membranes[index])
                total = total + self.readout(current.flatten(1))
            return total / T

    return Network()


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "spikeport": ours,
    "spikingjelly": spikingjelly_network,
    "snntorch": snntorch_network,
}


def measure(name: str, threads: int) -> None:
    """One contender, in this process: a line of JSON."""
    from stages.training.allocator import kept_memory

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network = NETWORKS[name]()
    optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], 1e-3)
    images = torch.randint(0, 256, (BATCH, 1, 28, 28), dtype=torch.uint8)
    labels = torch.randint(0, 10, (BATCH,))
    before, seconds = resident_kib(), []
    with kept_memory() if name == "spikeport" else nullcontext():  # it is part of training here
        for step in range(WARM + STEPS):
            began = time.perf_counter()
            loss = cross_entropy(network(images if name == "spikeport" else images.float()), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step >= WARM:
                seconds.append(time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    parameters = sum(p.numel() for p in network.parameters())
    print(json.dumps({"rate": BATCH / statistics.median(seconds), "peak_kib": peak, "parameters": parameters}))


def resident_kib() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def main(rounds: int, threads: int) -> int:
    found: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    for _ in range(rounds):
        for name in CONTENDERS:
            command = [sys.executable, "-m", "benchmarks.training", "measure", name, str(threads)]
            environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    rate = {name: statistics.median(run["rate"] for run in runs) for name, runs in found.items()}
    peak = {name: statistics.median(run["peak_kib"] for run in runs) / 1024 for name, runs in found.items()}
    print(f"{rounds} rounds, {threads} thread(s), torch {torch.__version__}\n")
    print(f"{'':14}{'images/s':>10}{'peak MiB':>10}{'parameters':>12}")
    for name in CONTENDERS:
        print(f"{name:14}{rate[name]:10.0f}{peak[name]:10.0f}{found[name][0]['parameters']:12.0f}")
    fastest = max(rate[name] for name in CONTENDERS[1:])
    ratio, memory = rate["spikeport"] / fastest, peak["spikeport"] / min(peak[name] for name in CONTENDERS[1:])
    print(
        f"\n{ratio:.2f} times the images per second of the faster one (bar {BAR}), {memory:.2f} times the least memory (bar 1)"
    )
    return int(ratio < BAR or memory > 1)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments[:1] == ["measure"]:
        measure(arguments[1], int(arguments[2]))
    else:
        wanted = [int(argument) for argument in arguments]
        sys.exit(main(*(wanted + [3, 1][len(wanted) :])))
