"""The network as a drawing: populations as boxes from the input down to the readout, connections as curves between them.

Comes in: the populations and connections of a report. Goes out: one SVG. A population stands in the row of the longest path
that leads to it; a connection that jumps over rows runs beside them in a lane of its own, a delayed one is dashed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from markupsafe import Markup

from pipeline.report.contract import DrawnConnection, DrawnNetwork
from pipeline.report.svg import drawing, element, text, title

_BOX_WIDTH, _BOX_HEIGHT, _GAP_X, _GAP_Y = 176.0, 46.0, 40.0, 50.0
_LANE, _LABEL_ROOM, _MARGIN = 30.0, 120.0, 8.0
INPUT = "input"


def network_diagram(network: DrawnNetwork) -> Markup:
    """The whole network."""
    layout = _Layout(network)
    arrow = element("path", d="M0,0 L8,4 L0,8 z", class_="arrow-head")
    marker = element(
        "marker", arrow, id="arrow", viewBox="0 0 8 8", refX=7, refY=4, markerWidth=7, markerHeight=7, orient="auto"
    )
    parts = [element("defs", marker)]
    parts += [_wire(layout, index, connection) for index, connection in enumerate(network.connections)]
    fed = f"{network.timesteps} steps"
    parts.append(_box(layout, INPUT, network.input_shape, fed, "input"))
    for population in network.populations:
        below = f"{population.neurons:,} neurons of {population.state_bits} bits"
        parts.append(_box(layout, population.name, population.shape, below, "fires" if population.fires else "readout"))
    label = f"Network of {len(network.populations)} populations and {len(network.connections)} connections"
    return drawing(layout.width, layout.height, label, parts, "diagram")


class _Layout:
    """Where boxes and wires are."""

    def __init__(self, network: DrawnNetwork) -> None:
        row = rows_of(network)
        self.lanes = lanes_of(row, network.connections)
        members: dict[int, list[str]] = {}
        for name, number in row.items():
            members.setdefault(number, []).append(name)
        widest = max(len(names) for names in members.values())
        self.left = _MARGIN + _LANE * (1 + max(self.lanes.values(), default=-1))
        room = widest * _BOX_WIDTH + (widest - 1) * _GAP_X
        self.width = self.left + room + (_LABEL_ROOM if widest == 1 else _MARGIN)
        self.height = 2 * _MARGIN + len(members) * (_BOX_HEIGHT + _GAP_Y) - _GAP_Y
        self.centre: dict[str, tuple[float, float]] = {}
        for number, names in members.items():
            for index, name in enumerate(names):
                x = self.left + room / 2 + (index - (len(names) - 1) / 2) * (_BOX_WIDTH + _GAP_X)
                self.centre[name] = (x, _MARGIN + _BOX_HEIGHT / 2 + number * (_BOX_HEIGHT + _GAP_Y))
        #: How many connections there are between two boxes.
        self.between = Counter[tuple[str, str]]()
        #: How many connections between the same two boxes come before each connection.
        self.parallel: list[int] = []
        for connection in network.connections:
            self.parallel.append(self.between[connection.source, connection.target])
            self.between[connection.source, connection.target] += 1


def _box(layout: _Layout, name: str, shape: Sequence[int], below: str, kind: str) -> str:
    x, y = layout.centre[name]
    size = {"x": x - _BOX_WIDTH / 2, "y": y - _BOX_HEIGHT / 2, "width": _BOX_WIDTH, "height": _BOX_HEIGHT, "rx": 9}
    shown = "×".join(str(length) for length in shape)
    return element(
        "g",
        title(f"{name}: {shown}, {below}"),
        element("rect", **size),
        text(x, y - 4, f"{name}  {shown}", "box-name", "middle"),
        text(x, y + 13, below, "box-detail", "middle"),
        class_=f"box {kind}",
    )


def _wire(layout: _Layout, index: int, connection: DrawnConnection) -> str:
    x0, y0 = layout.centre[connection.source]
    x1, y1 = layout.centre[connection.target]
    words = describe(connection)
    if index in layout.lanes:
        lane, middle = layout.left - _LANE * (layout.lanes[index] + 0.6), (y0 + y1) / 2
        a, b = x0 - _BOX_WIDTH / 2, x1 - _BOX_WIDTH / 2 - 2
        path = (
            f"M{a:.1f},{y0 + 8:.1f} C{lane:.1f},{y0 + 8:.1f} {lane:.1f},{y0 + 8:.1f} {lane:.1f},{middle:.1f} "
            f"S{lane:.1f},{y1 - 8:.1f} {b:.1f},{y1 - 8:.1f}"
        )
        label = text(lane - 5, middle, words, "wire-name", "middle", turn=-90)
    else:
        shift = 14.0 * layout.parallel[index]
        start, end = y0 + _BOX_HEIGHT / 2, y1 - _BOX_HEIGHT / 2 - 2
        bend, a, b = (end - start) / 2, x0 + shift, x1 + shift
        path = f"M{a:.1f},{start:.1f} C{a:.1f},{start + bend:.1f} {b:.1f},{end - bend:.1f} {b:.1f},{end:.1f}"
        beside = 14 * (layout.between[connection.source, connection.target] - 1) + 8
        label = text((x0 + x1) / 2 + beside, (start + end) / 2 + 4 + shift, words, "wire-name")
    classes = "wire" + (" delayed" if connection.delay else "") + (" shared" if connection.shared else "")
    line = element("path", d=path, class_=classes, marker_end="url(#arrow)")
    return element("g", title(f"{connection.source} to {connection.target}: {words}"), line, label)


def rows_of(network: DrawnNetwork) -> dict[str, int]:
    """The row of each population: one below the lowest of its sources, not counting delayed connections."""
    row = {INPUT: 0}
    for population in network.populations:
        sources = [c.source for c in network.connections if c.target == population.name and not c.delay]
        row[population.name] = 1 + max((row[source] for source in sources), default=0)
    return row


def lanes_of(row: dict[str, int], connections: Sequence[DrawnConnection]) -> dict[int, int]:
    """A lane for each connection that does not lead to the next row, such that no two in one lane overlap."""
    lanes: dict[int, int] = {}
    taken: list[set[int]] = []
    jumping = [i for i, c in enumerate(connections) if c.delay or row[c.target] - row[c.source] != 1]
    for index in sorted(jumping, key=lambda i: abs(row[connections[i].target] - row[connections[i].source])):
        ends = sorted((row[connections[index].source], row[connections[index].target]))
        span = set(range(ends[0], ends[1] + 1))
        lane = next((number for number, used in enumerate(taken) if not used & span), len(taken))
        taken += [set()] if lane == len(taken) else []
        taken[lane] |= span
        lanes[index] = lane
    return lanes


def describe(connection: DrawnConnection) -> str:
    """Operation, weight bits and what is special, in a few words."""
    words = connection.operation
    if connection.bits is not None:
        words += " · shared" if connection.shared else f" · {connection.parameters:,} × {connection.bits} bit"
    return words + (" · one step later" if connection.delay else "")
