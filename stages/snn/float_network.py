"""The real-valued spiking network that the float phase trains and the training-free scores look at.

Comes in: a `targets.network.Network`, with or without values, whose shapes, thresholds and gains it takes. Goes out: logits,
and the spikes of every population. One weight with one BatchNorm per `Weight`, one LIF node per `Population`.

A pixel enters as (x >> shift) / levels. The current of a population is the sum of what its connections deliver, each times
multiplier / resolution (pixels: times levels, since their integers are that much larger), so that a real-valued weight is
its integer times one scale in all populations that share it. The readout integrates; its potential over T are the logits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from spikingjelly.activation_based import functional, surrogate
from torch import Tensor, nn

from stages.snn.neurons import LeakyNode
from stages.snn.wiring import Activity, apply, is_pooling, walk
from targets.errors import ConfigurationError, InternalError
from targets.network import INPUT, Connection, Network, Population, Weight


def key(name: str) -> str:
    """A name of the network as torch allows it in a module: torch keeps the dot for itself."""
    return name.replace(".", "/")


def levels_of(connection: Connection, network: Network) -> int:
    """By how much the integers of a source exceed its real values: `levels` for pixels, 1 for spikes."""
    return network.input.levels if connection.source == INPUT and not network.input.spiking else 1


def enter(network: Network, inputs: Tensor) -> Tensor:
    """What the first populations see, in integers: [N, *shape] pixels >> shift, or [T, N, *shape] spikes from [N, T, *shape].

    Raises:
        ConfigurationError: the inputs do not have the network's shape.
    """
    expected = (network.timesteps, *network.input.shape) if network.input.spiking else network.input.shape
    if tuple(inputs.shape[1:]) != expected:
        raise ConfigurationError(f"inputs are {tuple(inputs.shape[1:])} per sample, the network takes {expected}")
    if inputs.is_floating_point():
        return inputs.transpose(0, 1) if network.input.spiking else inputs
    return (inputs.transpose(0, 1) if network.input.spiking else inputs >> network.input.shift).float()


def untrainable(network: Network) -> Iterator[str]:
    """Why a network cannot be trained, though it may be a valid integer network; one sentence each."""
    for population in network.populations:
        weighted = {connection.weight is not None for connection in network.into(population.name)}
        if len(weighted) == 2:
            yield (
                f"population {population.name!r} adds weighted currents and plain spikes, whose ratio is unknown until weights "
                "have a scale; give the plain connection a constant weight"
            )


class FloatNetwork(nn.Module):
    """Conv or dense, BatchNorm and LIF as `network` wires them; weights are drawn from torch's random state.

    Args:
        network: Topology, thresholds and gains; its values are ignored.
        surrogate_function: Surrogate gradient of all populations; ATan with alpha 2 if left out.

    Raises:
        ConfigurationError: the network cannot be trained (`untrainable`).
    """

    def __init__(self, network: Network, surrogate_function: surrogate.SurrogateFunctionBase | None = None) -> None:
        super().__init__()
        problems = list(untrainable(network))
        if problems:
            raise ConfigurationError.from_problems("integer network", problems)
        self.network = network.without_values()
        self.weights, self.norms, self.nodes = nn.ParameterDict(), nn.ModuleDict(), nn.ModuleDict()
        for weight in network.weights:
            self.weights[key(weight.name)] = _initial(weight)
            if weight.constant is None and not _into_readout(weight, network):
                norm = nn.BatchNorm2d if len(weight.shape) == 4 else nn.BatchNorm1d
                self.norms[key(weight.name)] = norm(weight.shape[0])
        for population in network.populations:
            if not is_pooling(population, network):
                keep = population.neuron.keep / 2**population.neuron.keep_shift
                threshold = population.theta if population.fires else None
                self.nodes[key(population.name)] = LeakyNode(
                    keep, threshold, surrogate_function, timesteps=network.timesteps
                )
        channels, *spatial = network.readout.shape
        self.bias = nn.Parameter(torch.zeros(channels, *(1 for _ in spatial)))
        #: What reaches the readout during a run.
        self.arrived: list[Tensor] = []

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits [N, classes] of inputs as `run` takes them."""
        return self.run(inputs).logits

    def run(self, inputs: Tensor) -> Activity:
        """One inference over all T steps, from zero membrane potentials.

        Args:
            inputs: uint8 pixels [N, *shape] or 0/1 spikes [N, T, *shape]; floating point pixels are taken as they are, as
                fractions of full scale.
        """
        functional.reset_net(self)
        entering = enter(self.network, inputs)
        if not self.network.input.spiking and not inputs.is_floating_point():
            entering = entering / self.network.input.levels
        spikes = walk(self.network, entering, self)
        readout, timesteps = self.network.readout, self.network.timesteps
        steps = by_step(self.arrived, readout, timesteps)
        self.arrived.clear()
        return Activity(spikes, self.node(readout).v.flatten(1) / timesteps, steps)

    def deliver(self, connection: Connection, values: Tensor) -> Tensor:
        """Operation and BatchNorm of a connection."""
        if connection.weight is None:
            return apply(connection, values, None)
        name = key(connection.weight)
        current = apply(connection, values, self.weights[name])
        return self.norms[name](current) if name in self.norms else current

    def gain(self, connection: Connection) -> float:
        """multiplier * levels / resolution."""
        target = self.network.population_of[connection.target]
        return connection.multiplier * levels_of(connection, self.network) / target.resolution

    def pools(self, population: Population) -> bool:
        """Whether a population has no LIF node."""
        return key(population.name) not in self.nodes

    def node(self, population: Population) -> LeakyNode:
        """The LIF node of a population; one that only pools has none."""
        node = self.nodes[key(population.name)]
        if not isinstance(node, LeakyNode):
            raise InternalError(f"population {population.name!r} has a {type(node).__name__}, not a LIF node")
        return node

    def fire(self, population: Population, current: Tensor, step_mode: str) -> Tensor:
        """Spikes of a population's LIF node."""
        node = self.node(population)
        node.step_mode = step_mode
        if not population.fires:
            current = current + self.bias
            self.arrived.append(current)
        spikes: Tensor = node(current)
        return spikes


def by_step(arrived: Sequence[Tensor], readout: Population, timesteps: int) -> Tensor:
    """Currents of the readout [T, N, classes], whether all steps came at once, one for all of them, or one after the other."""
    several = len(readout.shape) + 2
    steps = [current if current.dim() == several else current.unsqueeze(0) for current in arrived]
    return torch.cat(steps).flatten(2).expand(timesteps, -1, -1)


def _initial(weight: Weight) -> nn.Parameter:
    """A fresh weight: uniform within 1 / sqrt(fan-in), torch's default; a constant one is not trained."""
    if weight.constant is not None:
        return nn.Parameter(torch.full(weight.shape, weight.constant), requires_grad=False)
    values = torch.empty(weight.shape)
    nn.init.kaiming_uniform_(values, a=5**0.5)
    return nn.Parameter(values)


def _into_readout(weight: Weight, network: Network) -> bool:
    """Whether a weight ends in the readout, whose current is not normalised."""
    return any(c.weight == weight.name and c.target == network.readout.name for c in network.connections)
