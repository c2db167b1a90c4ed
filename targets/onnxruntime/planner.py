"""Executes a graph in its head as ONNX Runtime does without arena: which buffer exists when, in the runtime's own order.

Goes in: a `Graph`. Comes out: the heap blocks of one run, in order, and their peak. The rules are the runtime's
(core/graph/graph_viewer.cc and core/framework/allocation_planner.cc): nodes run in the order of a depth-first walk back from the
outputs, an operator that may work in place takes over an input of the same type and shape that nobody needs afterwards, other
results take a freed buffer of the same shape and item size, and a buffer is freed after the last value in it was read. Graph
inputs, outputs and constants are never taken over. `tests/targets/onnxruntime/test_planner.py` holds this against the real thing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

from targets.onnxruntime.graph import ITEM_BYTES, Graph, Node, Tensor

#: Inputs whose buffer an operator's kernel may overwrite with its result, in the order in which they are tried.
IN_PLACE: Mapping[str, tuple[int, ...]] = {"Cast": (0,)}
#: Operators whose result is their input, whoever else reads it.
ALIAS = frozenset({"Flatten"})
#: The runtime's objects around each value; those of a value in another's buffer live until the run ends.
OBJECT_BYTES = 208


@dataclass(frozen=True)
class Event:
    """A block of the heap is taken (positive) or given back (negative) while `node` runs."""

    size_bytes: int
    node: str


def run_order(graph: Graph) -> list[Node]:
    """The order in which the runtime executes the nodes.

    Its walk starts at the nodes without consumers, the last in the file first, and enters the producer that is last in the
    file first; a node is executed once all its producers were.
    """
    position = {node.output: index for index, node in enumerate(graph.nodes)}
    consumed = {name for node in graph.nodes for name in node.inputs}
    stack = [(index, False) for index, node in enumerate(graph.nodes) if node.output not in consumed]
    seen: set[int] = set()
    order: list[Node] = []
    while stack:
        index, entered = stack.pop()
        if entered:
            order.append(graph.nodes[index])
        elif index not in seen:
            seen.add(index)
            stack.append((index, True))
            producers = sorted({position[name] for name in graph.nodes[index].inputs if name in position})
            stack.extend((producer, False) for producer in producers if producer not in seen)
    return order


def buffers(graph: Graph, order: list[Node]) -> Mapping[str, str]:
    """The value whose buffer each value lives in: its own name, or that of an earlier value."""
    given = {tensor.name for tensor in graph.inputs} | {constant.tensor.name for constant in graph.constants}
    outputs = {tensor.name for tensor in graph.outputs}
    uses = dict.fromkeys(graph.tensors, 0)
    for name in (*given, *outputs, *(node.output for node in order), *(name for node in order for name in node.inputs)):
        uses[name] += 1
    home = {name: name for name in graph.tensors}
    free: list[str] = []
    for node in order:
        result = graph.tensors[node.output]
        if result.name not in outputs:
            taken = _taken_over(graph, node, uses, home) or _freed_alike(graph, result, free)
            if taken is not None:
                home[result.name] = home[taken]
                uses[home[taken]] += uses[result.name]
        for name in (*node.inputs, node.output):
            uses[home[name]] -= 1
            if uses[home[name]] == 0:
                free.insert(0, home[name])
    return home


def _taken_over(graph: Graph, node: Node, uses: Mapping[str, int], home: Mapping[str, str]) -> str | None:
    if node.operator in ALIAS:
        return node.inputs[0]
    result = graph.tensors[node.output]
    for index in IN_PLACE.get(node.operator, ()):
        name = node.inputs[index]
        if uses[home[name]] == 1 and _alike(graph.tensors[name], result):
            return name
    return None


def _freed_alike(graph: Graph, result: Tensor, free: list[str]) -> str | None:
    for name in free:
        if result.shape and _alike(graph.tensors[name], result):
            free.remove(name)
            return name
    return None


def _alike(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and ITEM_BYTES[one.type] == ITEM_BYTES[other.type]


def events(graph: Graph) -> Iterator[Event]:
    """Every block that one run takes and gives back, workspaces included; outputs stay, inputs are the caller's."""
    order = run_order(graph)
    home = buffers(graph, order)
    given = {tensor.name for tensor in graph.inputs} | {constant.tensor.name for constant in graph.constants}
    kept = given | {tensor.name for tensor in graph.outputs}
    last = {home[name]: index for index, node in enumerate(order) for name in (*node.inputs, node.output)}
    for index, node in enumerate(order):
        own = home[node.output] == node.output
        yield Event(OBJECT_BYTES + (block_bytes(graph.tensors[node.output].size_bytes) if own else 0), node.output)
        workspace = block_bytes(workspace_bytes(graph, node))
        if workspace:
            yield Event(workspace, node.output)
            yield Event(-workspace, node.output)
        for name in dict.fromkeys(home[name] for name in (*node.inputs, node.output)):
            if last[name] == index and name not in kept:
                yield Event(-OBJECT_BYTES - block_bytes(graph.tensors[name].size_bytes), node.output)


def peak_bytes(graph: Graph) -> int:
    """The most that one run takes at once, above inputs and what the session holds."""
    live = peak = 0
    for event in events(graph):
        live += event.size_bytes
        peak = max(peak, live)
    return peak


def workspace_bytes(graph: Graph, node: Node) -> int:
    """Bytes that an operator's kernel allocates while it runs: the unrolled patches of a convolution, one group at a time."""
    if node.operator != "ConvInteger":
        return 0
    attributes = dict(node.attributes)
    kernel = graph.tensors[node.inputs[1]].shape[1:]
    pointwise = kernel[1:] == (1, 1) and attributes["pads"] == (0,) * 4 and attributes["strides"] == (1, 1)
    return 0 if pointwise else prod(kernel) * prod(graph.tensors[node.output].shape[2:])


def block_bytes(size_bytes: int) -> int:
    """What the heap really hands out for a request: glibc's usable size."""
    if size_bytes == 0:
        return 0
    return max(-(-(size_bytes + 8) // 16) * 16, 32) - 8
