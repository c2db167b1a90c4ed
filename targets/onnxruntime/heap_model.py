"""The heap of one session as ONNX Runtime's loader and executor use it, from a graph and the calibrated constants of a runtime.

Goes in: a `Graph`, `Constants`. Comes out: the peak of loading and the peak of running, in bytes of the heap.

Loading passes three moments, each of which can be the highest (seen by logging every allocation of a load):

1. reading: the file, or 4 MiB of it, is in memory while the parser copies the weights out of it;
2. converting: one weight after another becomes a tensor before its parsed copy goes, so the largest is there twice;
3. ready: weights once, and the session's own objects (nodes, values, plans, kernels), the larger part for a small network.

Running adds inputs, the frame of a run and the buffers of `targets.onnxruntime.planner`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from targets.onnxruntime import planner
from targets.onnxruntime.graph import Graph
from targets.onnxruntime.names import Form

#: Shorter strings lie inside their owner (libstdc++), longer ones in a block of their own.
INLINE_CHARACTERS = 15
#: Objects are counted this much larger than fitted: a low estimate is the unsafe one, and the fit leaves about 0.5 % of them
#: unexplained. Tensors are not fitted and get no margin.
MARGIN = 1.01
#: Smaller constants stay inside the parsed graph.
INLINE_CONSTANT_BYTES = 127
#: Protobuf reads a file through a buffer as large as the file, up to this.
READ_BUFFER_BYTES = 4 * 2**20
#: Bucket counts of libstdc++'s hash tables.
BUCKETS = (13, 29, 59, 127, 257, 541, 1109, 2357, 5087, 10273, 20753, 42043)


@dataclass(frozen=True)
class Heap:
    """Peaks of one session, in bytes."""

    load_bytes: int
    #: What stays once it is loaded.
    ready_bytes: int
    run_bytes: int

    def __sub__(self, other: Heap) -> Heap:
        return Heap(
            self.load_bytes - other.load_bytes, self.ready_bytes - other.ready_bytes, self.run_bytes - other.run_bytes
        )


@dataclass(frozen=True)
class Constants:
    """Bytes per feature of a graph, for each moment; measured once per runtime version and instruction set."""

    #: What the control network takes, by form.
    control: Mapping[Form, Heap]
    reading: Mapping[str, float]
    #: `ready_objects` among its features is what `ready` comes to: most objects exist already.
    converting: Mapping[str, float]
    ready: Mapping[str, float]
    finishing: Mapping[str, float]
    running: Mapping[str, float]


def heap(graph: Graph, constants: Constants) -> Heap:
    """The estimate for one graph, its control not yet subtracted."""
    counted = dict(features(graph))
    counted["ready_objects"] = objects(constants.ready, counted)
    base = known_bytes(graph)

    def at(moment: str) -> float:
        return base[moment] + MARGIN * objects(getattr(constants, moment), counted)

    ready = at("ready")
    load = max(at("reading"), at("converting"), ready + at("finishing"))
    return Heap(round(load), round(ready), round(ready + at("running")))


def objects(sizes: Mapping[str, float], counted: Mapping[str, float]) -> float:
    """Bytes of the runtime's own objects, by what they are counted by."""
    return sum(size * counted[name] for name, size in sizes.items())


def known_bytes(graph: Graph) -> Mapping[str, int]:
    """What is known of each moment without calibration: tensors, by the runtime's rules. Finishing and running add to ready."""
    stored = [planner.block_bytes(constant.tensor.size_bytes) for constant in graph.constants]
    converted = [block for block in stored if block > INLINE_CONSTANT_BYTES]
    fed = sum(planner.block_bytes(tensor.size_bytes) for tensor in graph.inputs)
    return {
        "reading": min(graph.constant_bytes, READ_BUFFER_BYTES) + sum(stored),
        "converting": sum(stored) + max(converted, default=0),
        "ready": sum(stored),
        "finishing": 0,
        "running": fed + planner.peak_bytes(graph),
    }


def features(graph: Graph) -> Mapping[str, float]:
    """What the session's objects are counted by: nodes, values, names, and the sizes that its hash tables grow to."""
    nodes, stored, values = len(graph.nodes), len(graph.constants), len(graph.tensors)
    result: dict[str, float] = {
        "session": 1,
        "nodes": nodes,
        "convolutions": sum(node.operator == "ConvInteger" for node in graph.nodes),
        "casts": sum(node.operator == "Cast" for node in graph.nodes),
        "node_inputs": sum(len(node.inputs) for node in graph.nodes),
        "constants": stored,
        "converted_constants": sum(c.tensor.size_bytes > INLINE_CONSTANT_BYTES for c in graph.constants),
        "inputs": len(graph.inputs),
        "outputs": len(graph.outputs),
        "result_name_blocks": sum(_name_bytes(node.output) for node in graph.nodes),
        "used_name_blocks": sum(_name_bytes(name) for node in graph.nodes for name in node.inputs),
        "constant_name_blocks": sum(_name_bytes(constant.tensor.name) for constant in graph.constants),
        "name_characters": sum(len(name) for node in graph.nodes for name in (*node.inputs, node.output, node.output)),
    }
    for what, count in (("nodes", nodes), ("constants", stored), ("values", values)):
        for kind, grown in _GROWTH.items():
            result[f"{kind}_{what}"] = grown(count)
    return result


def _name_bytes(name: str) -> int:
    return planner.block_bytes(len(name) + 1) if len(name) > INLINE_CHARACTERS else 0


def _power_of_two(count: int) -> int:
    """Capacity of a vector that doubles."""
    return 1 << max(0, count - 1).bit_length()


def _slots(count: int) -> int:
    """Slots of an open-addressing table that is at most 7/8 full."""
    slots = 1
    while (slots + 1) * 7 // 8 < count:
        slots = 2 * slots + 1
    return slots


def _buckets(count: int) -> int:
    return next((buckets for buckets in BUCKETS if buckets >= count), count)


_GROWTH: Mapping[str, Callable[[int], int]] = {"doubled": _power_of_two, "slots": _slots, "buckets": _buckets}
