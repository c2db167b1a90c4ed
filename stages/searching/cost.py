"""What running a network costs, from its shapes alone.

Comes in: a network, with or without values. Goes out: synaptic operations, the unit in which presets limit compute.
"""

from __future__ import annotations

from math import prod

from targets.network import INPUT, Conv, Dense, Identity, Network, Pool


def synaptic_operations(network: Network) -> int:
    """Additions of one inference if every neuron fires at every step: an upper bound, and what dense hardware executes.

    Pixels are held for all steps (direct coding), so their layer counts once. Currents that a skip edge repeats count once.
    """
    total = 0
    seen: set[tuple[str, object, str | None, int]] = set()
    for connection in network.connections:
        path = (connection.source, connection.operation, connection.weight, connection.delay)
        if connection.weight is not None and path in seen:
            continue
        seen.add(path)
        target = network.population_of[connection.target].shape
        operation = connection.operation
        if isinstance(operation, Identity):
            once = prod(target)
        elif isinstance(operation, Pool):
            once = prod(target) * operation.kernel**2
        else:
            weight = network.weight_of[connection.weight or ""]
            places = prod(target[1:]) if isinstance(operation, Conv) else 1
            once = weight.size * (1 if isinstance(operation, Dense) else places)
        held = connection.source == INPUT and not network.input.spiking
        total += once * (1 if held else network.timesteps)
    return total
