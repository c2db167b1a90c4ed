"""What an integer network must satisfy to be a network at all.

Comes in: a Network. Goes out: every contradiction, one sentence each.
These rules hold on every target; what a particular target allows is in `targets.fit`.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from targets.network import INPUT, Connection, Conv, Dense, Identity, Network, Pool, Shape


def problems(network: Network) -> Iterator[str]:
    """Every contradiction in the network; connections are looked at only when all their names are known."""
    names = list(_names(network))
    yield from names
    yield from _neurons(network)
    if names:
        return
    for connection in network.connections:
        yield from _connection(network, connection)
    yield from _order(network)
    yield from _values(network)


def operation_shape(network: Network, connection: Connection) -> Shape | None:
    """Shape of the current that a connection delivers, or None where its operation cannot take its source."""
    source, operation = network.shape_of(connection.source), connection.operation
    if isinstance(operation, Identity):
        return source
    if isinstance(operation, Pool):
        return _window(source, operation.kernel, operation.kernel, operation.stride, operation.padding, None)
    kernel = network.weight_of[connection.weight or ""].shape
    if isinstance(operation, Dense):
        return (kernel[0],) if len(kernel) == 2 and kernel[1] == prod(source) else None
    fits = len(source) == 3 and len(kernel) == 4 and kernel[1] * operation.groups == source[0]
    if not fits or kernel[0] % operation.groups:
        return None
    return _window(source, kernel[2], kernel[3], operation.stride, operation.padding, kernel[0])


def _window(source: Shape, height: int, width: int, stride: int, padding: int, channels: int | None) -> Shape | None:
    if len(source) != 3 or stride < 1 or padding < 0:
        return None
    rows = (source[1] + 2 * padding - height) // stride + 1
    columns = (source[2] + 2 * padding - width) // stride + 1
    return (channels or source[0], rows, columns) if rows > 0 and columns > 0 else None


def _names(network: Network) -> Iterator[str]:
    known = [population.name for population in network.populations]
    if not known:
        yield "there is no population"
        return
    for duplicate in sorted({name for name in known if known.count(name) > 1} | ({INPUT} & set(known))):
        yield f"population name {duplicate!r} is used twice"
    weights = [weight.name for weight in network.weights]
    for duplicate in sorted({name for name in weights if weights.count(name) > 1}):
        yield f"weight name {duplicate!r} is used twice"
    if network.readout.fires or any(not population.fires for population in network.populations[:-1]):
        yield "exactly the last population must be the readout (fires=False)"
    if network.timesteps < 1:
        yield f"timesteps {network.timesteps} is not positive"
    for connection in network.connections:
        label = f"connection {connection.source} -> {connection.target}"
        if connection.source != INPUT and connection.source not in known:
            yield f"{label}: unknown source"
        if connection.target not in known:
            yield f"{label}: unknown target"
        if isinstance(connection.operation, Conv | Dense) != (connection.weight is not None):
            must = "must" if connection.weight is None else "must not"
            yield f"{label}: {type(connection.operation).__name__} {must} name a weight"
        elif connection.weight is not None and connection.weight not in weights:
            yield f"{label}: unknown weight {connection.weight!r}"
    for unused in sorted(set(weights) - {connection.weight for connection in network.connections}):
        yield f"weight {unused!r} is used by no connection"
    for idle in sorted(set(known) - {connection.target for connection in network.connections}):
        yield f"population {idle!r} has no incoming connection"


def _neurons(network: Network) -> Iterator[str]:
    for population in network.populations:
        for problem in population.neuron.problems():
            yield f"population {population.name!r}: {problem}"
        if not population.shape or min(population.shape) < 1 or len(population.shape) not in (1, 3):
            yield f"population {population.name!r}: shape {population.shape} is neither (channels, rows, columns) nor (neurons,)"
        if population.resolution < 1 or population.theta <= 0:
            yield f"population {population.name!r}: resolution and theta must be positive"
    for weight in network.weights:
        if not 2 <= weight.bits <= 8:
            yield f"weight {weight.name!r}: {weight.bits} bits, not within 2 and 8"


def _connection(network: Network, connection: Connection) -> Iterator[str]:
    label = f"connection {connection.source} -> {connection.target}"
    delivered, wanted = operation_shape(network, connection), network.shape_of(connection.target)
    if delivered != wanted:
        took = f"{type(connection.operation).__name__} of {network.shape_of(connection.source)}"
        yield f"{label}: {took} gives {delivered}, the target is {wanted}"
    if connection.delay not in (0, 1):
        yield f"{label}: delay {connection.delay} is not 0 or 1"
    if connection.multiplier == 0:
        yield f"{label}: multiplier 0 connects nothing"
    if connection.source == network.readout.name:
        yield f"{label}: the readout does not fire, nothing can leave it"
    if connection.source == INPUT and connection.delay:
        yield f"{label}: the input cannot be delayed"


def _order(network: Network) -> Iterator[str]:
    position = {population.name: index for index, population in enumerate(network.populations)}
    for connection in network.connections:
        if connection.source == INPUT or connection.delay:
            continue
        if position[connection.source] >= position[connection.target]:
            yield (
                f"connection {connection.source} -> {connection.target}: the source is computed later; "
                "order the populations or give the connection delay 1"
            )


def _values(network: Network) -> Iterator[str]:
    for weight in network.weights:
        if weight.values is None:
            continue
        low, high = -(2 ** (weight.bits - 1)), 2 ** (weight.bits - 1) - 1
        if weight.values.shape != weight.shape:
            yield f"weight {weight.name!r}: values have shape {weight.values.shape}, not {weight.shape}"
        elif weight.values.size and not (low <= int(weight.values.min()) and int(weight.values.max()) <= high):
            yield f"weight {weight.name!r}: values outside {low} to {high}, the range of {weight.bits} bits"
    for population in network.populations:
        for label, values in (("threshold", population.threshold), ("bias", population.bias)):
            if values is not None and values.shape != (population.channels,):
                yield f"population {population.name!r}: {label} has shape {values.shape}, not ({population.channels},)"
        if population.threshold is not None and int(population.threshold.min(initial=0)) < 0:
            yield f"population {population.name!r}: a threshold is negative"
