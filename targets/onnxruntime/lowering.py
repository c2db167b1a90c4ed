"""Writes an integer network as runtime operators, as one time step with explicit states or as all T steps on one input.

Goes in: a network, with or without values. Comes out: a `Graph`. Its structure follows from shapes and bits only, never from
values, so that a network is sized before it is trained and training cannot change its size.

The first step has no state yet: terms that are zero are left out, so no zeros are stored or computed with.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from targets.network import INPUT, Network
from targets.onnxruntime import names, neurons
from targets.onnxruntime.currents import synaptic_current
from targets.onnxruntime.graph import Builder, Graph, Tensor
from targets.onnxruntime.names import Form, layout


@dataclass
class State:
    """Membrane potentials and spikes after a step, by population. What is absent is zero."""

    membranes: dict[str, Tensor] = field(default_factory=dict)
    spikes: dict[str, Tensor] = field(default_factory=dict)
    #: Membrane potentials before the reset.
    potentials: dict[str, Tensor] = field(default_factory=dict)


def lower(network: Network, form: Form) -> Graph:
    """The graph of one form.

    step: inputs `input` and the states of `targets.onnxruntime.names`; every state input X has its successor `X.next`.
    whole: input `input` ([1, T, ...] where the input spikes); output `scores` [1, classes], the readout's last potentials.
    """
    return _step(network) if form == "step" else _whole(network)


def _step(network: Network) -> Graph:
    build = Builder("step", network.readout.size)
    values = _entered(build, network, build.input(INPUT, "uint8", layout(network.input.shape)), "")
    delayed = {connection.source for connection in network.connections if connection.delay}
    before = State()
    for population in network.populations:
        name, shape = population.name, layout(population.shape)
        if population.neuron.remembers:
            before.membranes[name] = build.input(names.membrane(name), "int32", shape)
        if name in delayed:
            before.spikes[name] = build.input(names.previous_spikes(name), "uint8", shape)
    after = _advanced(build, network, before, values, "")
    outputs = {names.following(names.membrane(name)): after.membranes[name] for name in before.membranes}
    outputs |= {names.following(names.previous_spikes(name)): after.spikes[name] for name in before.spikes}
    watched = {names.spikes(name): tensor for name, tensor in after.spikes.items()}
    watched |= {names.potential(name): tensor for name, tensor in after.potentials.items()}
    return build.finish(outputs, watched)


def _whole(network: Network) -> Graph:
    build, shape = Builder("whole", network.readout.size), layout(network.input.shape)
    steps = (1, network.timesteps, *shape[1:]) if network.input.spiking else shape
    fed = build.input(INPUT, "uint8", steps)
    values = fed if network.input.spiking else _entered(build, network, fed, "")
    state = State()
    for index in range(network.timesteps):
        step = f".{index}"
        if network.input.spiking:
            at = build.scalar("step", "int64", index)
            slice_ = build.add("Gather", (fed, at), (f"{INPUT}{step}", "uint8", shape), axis=1)
            values = _entered(build, network, slice_, step)
        state = _advanced(build, network, state, values, step)
    readout = network.readout
    flat = build.add(
        "Flatten", (state.membranes[readout.name],), (f"{readout.name}.flat", "int32", (1, readout.size)), axis=1
    )
    return build.finish({names.SCORES: flat}, {})


def _entered(build: Builder, network: Network, values: Tensor, step: str) -> Tensor:
    """The input as the network takes it: pixels lose their lowest bits."""
    if not network.input.shift:
        return values
    by = build.scalar("shift", "uint8", network.input.shift)
    return build.add("BitShift", (values, by), (f"{INPUT}.shifted{step}", "uint8", values.shape), direction="RIGHT")


def _advanced(build: Builder, network: Network, before: State, values: Tensor, step: str) -> State:
    """One time step of every population."""
    after = State()
    for population in network.populations:
        # The runtime enters the producer that comes last in the file first: with the leak before the current it computes
        # a layer's steps before the next layer's, and a leaked state only when it is added.
        leaked = neurons.leak(build, population, before.membranes.get(population.name), step)
        currents = []
        for connection in network.into(population.name):
            arriving = before.spikes if connection.delay else after.spikes
            source = values if connection.source == INPUT else arriving.get(connection.source)
            if source is not None:
                currents.append(synaptic_current(build, network, connection, source, step))
        driven = neurons.drive(build, network, population, currents, step)
        potential = neurons.integrate(build, population, leaked, driven, step)
        after.potentials[population.name] = potential
        if population.fires:
            spikes, kept = neurons.fire(build, population, potential, step)
            after.spikes[population.name], after.membranes[population.name] = spikes, kept
        else:
            after.membranes[population.name] = potential
    return after
