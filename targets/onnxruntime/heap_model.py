"""The heap of one session as ONNX Runtime's loader and executor use it, from a graph and the calibrated constants of a runtime.

Goes in: a `Graph`, `Constants`. Comes out: the peak of loading and the peak of running, in bytes of the heap.

Loading passes four moments, each of which can be the highest (seen by logging every allocation of a load):

1. reading: the file, or 4 MiB of it, is in memory while the parser copies the weights out of it;
2. converting: one weight after another becomes a tensor. Today its parsed copy goes at once, so that one weight is there
   twice; 1.10 keeps all parsed copies until the session is ready, so that every weight is;
3. planning: the session's own objects (nodes, values, plans, kernels) are there, the larger part for a small network, and what
   their making needs; of the weights only the parsed copies, which builds with old strings round up to pages;
4. ready: weights and objects, and nothing else.

Running adds inputs, the frame of a run and the buffers of `targets.onnxruntime.planner`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from targets.onnxruntime import planner
from targets.onnxruntime.class_names import text_bytes
from targets.onnxruntime.graph import Graph
from targets.onnxruntime.names import Form

#: Shorter strings lie inside their owner, longer ones in a block of their own: libstdc++ since GCC 5.
INLINE_CHARACTERS = 15
#: Before, and in builds for CentOS 7 (all of ONNX Runtime's before 1.17): every string is a block with this header and an end
#: mark, and one larger than a page is rounded up to pages, less what malloc was thought to add (bits/basic_string.tcc).
HEADER_BYTES, PAGE_BYTES, MALLOC_BYTES = 24, 4096, 32
#: Objects are counted this much larger than fitted: a low estimate is the unsafe one, and the fit leaves about 0.5 % of them
#: unexplained. Tensors are not fitted and get no margin.
MARGIN = 1.01
LOW = 0.006
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
class Loader:
    """In what builds of the runtime differ, besides sizes."""

    #: Whether the parsed copies of all weights stay until all are converted.
    keeps_parsed: bool
    #: Whether strings are of the kind before GCC 5.
    old_strings: bool

    def string_bytes(self, length: int) -> int:
        """Heap that a string of so many characters takes."""
        if not self.old_strings:
            return planner.block_bytes(length + 1) if length > INLINE_CHARACTERS else 0
        size = length + 1 + HEADER_BYTES
        if size + MALLOC_BYTES > PAGE_BYTES:
            size += PAGE_BYTES - (size + MALLOC_BYTES) % PAGE_BYTES
        return planner.block_bytes(size)

    def names_bytes(self, classes: int) -> int:
        """Heap of a ready session that the names of the classes take, above those of the control's one class.

        It keeps the metadata of its file three times; old strings share what they hold.
        """
        each = self.string_bytes(text_bytes(classes)) - self.string_bytes(text_bytes(1))
        return each if self.old_strings else 3 * each


@dataclass(frozen=True)
class Constants:
    """Bytes per feature of a graph, for each moment; measured once per runtime version and instruction set."""

    #: What the control network takes, by form.
    control: Mapping[Form, Heap]
    reading: Mapping[str, float]
    #: `ready_objects` among its features is what `ready` comes to: most objects exist already.
    converting: Mapping[str, float]
    ready: Mapping[str, float]
    #: So here.
    planning: Mapping[str, float]
    running: Mapping[str, float]
    loader: Loader
    #: MARGIN, or what more it takes that no network of the calibration is estimated more than LOW too small while loading.
    load_margin: float = MARGIN


def heap(graph: Graph, constants: Constants) -> Heap:
    """The estimate for one graph, its control not yet subtracted."""
    counted = dict(features(graph, constants.loader))
    counted["ready_objects"] = objects(constants.ready, counted)
    base = known_bytes(graph, constants.loader)

    def at(moment: str) -> float:
        return base[moment] + constants.load_margin * objects(getattr(constants, moment), counted)

    ready = base["ready"] + MARGIN * counted["ready_objects"]
    load = max(at("reading"), at("converting"), at("planning"), ready)
    run = ready + known_run_bytes(graph) + MARGIN * objects(constants.running, counted)
    return Heap(round(load), round(ready), round(run))


def objects(sizes: Mapping[str, float], counted: Mapping[str, float]) -> float:
    """Bytes of the runtime's own objects, by what they are counted by."""
    return sum(size * counted[name] for name, size in sizes.items())


def known_bytes(graph: Graph, loader: Loader) -> Mapping[str, int]:
    """What is known of each moment without calibration: tensors and metadata, by the runtime's rules."""
    sizes = [constant.tensor.size_bytes for constant in graph.constants]
    stored = sum(planner.block_bytes(size) for size in sizes)
    parsed = sum(loader.string_bytes(size) for size in sizes)
    names = loader.names_bytes(graph.classes)
    both = sum(loader.string_bytes(size) for size in sizes if size > INLINE_CONSTANT_BYTES)
    return {
        "reading": min(graph.constant_bytes, READ_BUFFER_BYTES) + parsed + text_bytes(graph.classes),
        "converting": names + (stored + both if loader.keeps_parsed else _converting_bytes(sizes, loader)),
        "ready": names + stored,
        "planning": names + (stored + both if loader.keeps_parsed else parsed),
    }


def known_run_bytes(graph: Graph) -> int:
    """What running adds to ready without calibration: the inputs and the buffers of a run."""
    return sum(planner.block_bytes(tensor.size_bytes) for tensor in graph.inputs) + planner.peak_bytes(graph)


def _converting_bytes(sizes: Sequence[int], loader: Loader) -> int:
    """The most that tensors and parsed weights take while one after another is converted, in the order of the file."""
    live = peak = sum(loader.string_bytes(size) for size in sizes)
    for size in sizes:
        live += planner.block_bytes(size)
        peak = max(peak, live)
        live -= loader.string_bytes(size)
    return peak


def features(graph: Graph, loader: Loader) -> Mapping[str, float]:
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
        "result_name_blocks": sum(loader.string_bytes(len(node.output)) for node in graph.nodes),
        "used_name_blocks": sum(loader.string_bytes(len(name)) for node in graph.nodes for name in node.inputs),
        "constant_name_blocks": sum(loader.string_bytes(len(constant.tensor.name)) for constant in graph.constants),
        "name_characters": sum(len(name) for node in graph.nodes for name in (*node.inputs, node.output, node.output)),
    }
    for what, count in (("nodes", nodes), ("constants", stored), ("values", values)):
        for kind, grown in _GROWTH.items():
            result[f"{kind}_{what}"] = grown(count)
    return result


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
