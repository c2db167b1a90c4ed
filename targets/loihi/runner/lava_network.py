"""Loads an exported network into Lava and runs images through it on the fixed-point simulator.

Comes in: the file beside this one (`network.net` for chains, in NetX's format; `network.h5` for other graphs) and uint8
inputs. Goes out: the readout's membrane potentials. The dataset /spikeport/description tells both kinds apart and carries what
NetX has no room for: names, depth of each neuron group, steps per image, how the host feeds the input.

Array order is Lava's (width, height, channels) inside and C, H, W outside. A neuron group at depth d computes step t of the
network at Lava's step t + d + 1 (they start at 1) and forgets its state when a new image arrives.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lava_compat
import numpy as np

lava_compat.prepare()

import h5py  # noqa: E402
from lava.magma.core.run_conditions import RunSteps  # noqa: E402
from lava.magma.core.run_configs import Loihi2SimCfg  # noqa: E402
from lava.proc.conv.process import Conv  # noqa: E402
from lava.proc.conv.utils import conv as convolve  # noqa: E402
from lava.proc.dense.process import Dense  # noqa: E402
from lava.proc.io.source import RingBuffer  # noqa: E402
from lava.proc.lif.process import LIFReset  # noqa: E402
from lava.utils.weightutils import SignMode  # noqa: E402

FRACTION_BITS = 6
STOCK_SIMULATOR = Loihi2SimCfg(select_tag="fixed_pt")


def network_file(folder: Path) -> Path:
    """The exported network in a folder."""
    chain = folder / "network.net"
    return chain if chain.exists() else folder / "network.h5"


class LavaNetwork:
    """The network as connected Lava processes, fed with `inputs` [N, C, H, W] pixels or [N, T, ...] 0/1 spikes."""

    def __init__(self, folder: Path, inputs: np.ndarray) -> None:
        path = network_file(folder)
        with h5py.File(path, "r") as file:
            self.about: dict[str, Any] = json.loads(file["spikeport/description"][()])
            self.arrays = {name: array[()] for name, array in file["spikeport/arrays"].items()}
        self.samples, self.steps, self.depth = len(inputs), self.about["timesteps"], self.about["depth"]
        self.host = [group for group in self.about["synapses"] if group["on_host"]]
        self.frames = _frames(inputs, self.about)
        self.biases: dict[str, list[np.ndarray]] = {group["target"]: [] for group in self.host}
        for sample in inputs if self.host else ():
            self._add_host_currents(sample)
        self.neurons = self._netx(path) if path.suffix == ".net" else self._graph()

    def scores(self) -> np.ndarray:
        """Runs all inputs; the readout's membrane potential after each one's last step, int64 [N, classes].

        Images follow each other without a gap, each layer being as many steps behind the input as it is deep. The run pauses
        where a readout is due, and where the next image reaches neurons whose biases the host has to write.
        """
        readout = self.neurons[self.about["neurons"][-1]["name"]]
        depth = {group["name"]: group["depth"] for group in self.about["neurons"]}
        found, done = [], 0
        writes = [
            (sample * self.steps + depth[name], name, sample)
            for name in self.biases
            for sample in range(1, self.samples)
        ]
        reads = [((sample + 1) * self.steps + self.depth, "", sample) for sample in range(self.samples)]
        for due, name, sample in sorted(writes + reads):
            if due > done:
                self._top.run(condition=RunSteps(num_steps=due - done), run_cfg=STOCK_SIMULATOR)
                done = due
            if name:
                self.neurons[name].bias_mant.set(self.biases[name][sample])
            else:
                found.append(readout.v.get().reshape(-1).astype(np.int64) >> FRACTION_BITS)
        return np.stack(found)

    def stop(self) -> None:
        """Ends Lava's processes."""
        self._top.stop()

    def compiled(self) -> Any:
        """Lava's executable, for reading sizes back."""
        return self._top.compile(STOCK_SIMULATOR)

    @property
    def _top(self) -> Any:
        return next(iter(self.neurons.values()))

    def _netx(self, path: Path) -> dict[str, Any]:
        from lava.lib.dl.netx import hdf5

        bits = 0 if self.about["spiking"] else 8
        self.net = hdf5.Network(str(path), input_message_bits=bits, reset_interval=self.steps, reset_offset=1)
        self.net.net_config.f.close()
        if not self.host:
            flat = len(self.net.inp.shape) == 1
            frames = self.frames.transpose(2, 1, 0, 3).reshape(-1, self.frames.shape[-1]) if flat else self.frames
            RingBuffer(data=frames).s_out.connect(self.net.inp)
        names = [group["name"] for group in self.about["neurons"]]
        neurons = {name: layer.neuron for name, layer in zip(names, self.net.layers)}  # noqa: B905 - Python 3.10
        for name, biases in self.biases.items():
            neurons[name].bias_mant.init = biases[0]
        return neurons

    def _graph(self) -> dict[str, Any]:
        neurons = {group["name"]: self._lif(group) for group in self.about["neurons"]}
        sources: dict[int, Any] = {}
        for index, group in enumerate(self.about["synapses"]):
            if group["on_host"]:
                continue
            if group["source"] == "input":
                lag = group["lag"]
                if lag not in sources:
                    sources[lag] = RingBuffer(data=np.roll(self.frames, lag, axis=-1))
                source = sources[lag].s_out
            else:
                source = neurons[group["source"]].s_out
            self._connect(group, self.arrays[f"weight{index}"], source, neurons[group["target"]])
        return neurons

    def _lif(self, group: dict[str, Any]) -> Any:
        shape, name = _whc(group["shape"]), group["name"]
        bias = np.broadcast_to(self.arrays[f"bias_{name}"], shape).astype(np.int32)
        return LIFReset(
            shape=shape,
            du=4095,
            dv=group["decay"],
            vth=group["threshold"],
            bias_mant=self.biases[name][0] if name in self.biases else bias,
            bias_exp=FRACTION_BITS,
            reset_interval=self.steps,
            reset_offset=(group["depth"] + 1) % self.steps,
        )

    def _connect(self, group: dict[str, Any], weight: np.ndarray, source: Any, target: Any) -> None:
        bits = 8 if group["source"] == "input" and not self.about["spiking"] else 0
        if group["kind"] == "dense":
            mantissa, exponent = dense_mantissa(weight)
            dense = Dense(
                weights=mantissa,
                weight_exp=exponent,
                num_weight_bits=8,
                sign_mode=SignMode.MIXED,
                num_message_bits=bits,
            )
            source.transpose([2, 1, 0]).flatten().connect(dense.s_in)
            dense.a_out.reshape(target.a_in.shape).connect(target.a_in)
            return
        conv = Conv(
            weight=lava_kernel(weight),
            input_shape=_whc(group["source_shape"]),
            stride=(group["stride"],) * 2,
            padding=(group["padding"],) * 2,
            groups=group["groups"],
            num_message_bits=bits,
        )
        source.connect(conv.s_in)
        conv.a_out.connect(target.a_in)

    def _add_host_currents(self, sample: np.ndarray) -> None:
        """Loihi 1 takes no graded spikes: pixels stay constant, so their current is added to the bias, once per image."""
        pixels = (sample.astype(np.int32) >> self.about["pixel_shift"]).reshape(*_chw(self.about["input_shape"]))
        shapes = {group["name"]: _whc(group["shape"]) for group in self.about["neurons"]}
        totals = {
            name: np.broadcast_to(self.arrays[f"bias_{name}"], shapes[name]).astype(np.int32) for name in self.biases
        }
        for index, group in enumerate(self.about["synapses"]):
            if not group["on_host"]:
                continue
            weight = self.arrays[f"weight{index}"].astype(np.int32)
            if group["kind"] == "dense":
                current = (weight @ pixels.reshape(-1)).reshape(shapes[group["target"]])
            else:
                stride, padding = (group["stride"],) * 2, (group["padding"],) * 2
                kernel = lava_kernel(weight)
                image = pixels.transpose(2, 1, 0)
                current = convolve(image, kernel, kernel.shape[1:3], stride, padding, (1, 1), group["groups"])
            totals[group["target"]] = totals[group["target"]] + current
        for name, total in totals.items():
            self.biases[name].append(total)


def lava_kernel(weight: np.ndarray) -> np.ndarray:
    """[out, in, height, width], applied as correlation, as Lava's [out, width, height, in], applied as convolution."""
    return np.ascontiguousarray(weight[:, :, ::-1, ::-1].transpose(0, 3, 2, 1)).astype(np.int32)


def dense_mantissa(weight: np.ndarray) -> tuple[np.ndarray, int]:
    """Weights as Lava's Dense keeps them, even numbers of 9 bits with sign, and the exponent of two that undoes it."""
    small = int(weight.min()) >= -128 and int(weight.max()) <= 127
    return (weight.astype(np.int32) << 1, -1) if small else (weight.astype(np.int32), 0)


def _frames(inputs: np.ndarray, about: dict[str, Any]) -> np.ndarray:
    """What the host sends at each step: [width, height, channels, steps], zeros behind the last image."""
    steps, shape = about["timesteps"], _chw(about["input_shape"])
    frames = np.zeros((len(inputs) * steps + about["depth"], *shape), np.int32)
    per_step = inputs if about["spiking"] else np.repeat(inputs[:, None], steps, axis=1)
    frames[: len(inputs) * steps] = per_step.reshape(-1, *shape) >> about["pixel_shift"]
    return np.ascontiguousarray(frames.transpose(3, 2, 1, 0))


def _chw(shape: list[int]) -> tuple[int, int, int]:
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 else (shape[0], 1, 1)


def _whc(shape: list[int]) -> tuple[int, int, int]:
    channels, height, width = _chw(shape)
    return width, height, channels
