"""Every byte that Lava's compiled executable will hold for a network, from shapes alone.

Comes in: a network and a profile. Goes out: the Footprint that `targets.loihi.measure` reads back, equal to the byte: each
variable of each process, in the bits that Lava's fixed-point process models declare for one element (lava-nc 0.10.0,
`LavaPyType(..., precision=...)`). Two things follow from that. Weights count 8 bits each however few are used; narrow weights
pay in synapse memory, which `targets.loihi.cores` models. Axons and routing tables belong to Intel's compiler, which is not
public, and are not in these figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from targets.errors import InternalError
from targets.footprint import Footprint, MeasuredBy, Term
from targets.loihi.graph import Graph, graph_for
from targets.network import Network
from targets.profile import Profile

REGION = "cores"

#: Bits of one element and the term that it belongs to, by variable of each process. The order is that of the terms.
_LIF = {
    "v": (24, "membrane potentials"),
    "u": (24, "currents"),
    "bias_mant": (13, "biases"),
    "bias_exp": (3, "biases"),
    "vth": (17, "thresholds and decays"),
    "du": (12, "thresholds and decays"),
    "dv": (12, "thresholds and decays"),
}
_CONV = {
    "weight": (8, "weights"),
    "kernel_size": (8, "connection parameters"),
    "stride": (8, "connection parameters"),
    "padding": (8, "connection parameters"),
    "dilation": (8, "connection parameters"),
    "groups": (8, "connection parameters"),
    "weight_exp": (8, "connection parameters"),
    "num_weight_bits": (5, "connection parameters"),
    "num_message_bits": (5, "connection parameters"),
}
_DENSE = {"weights": (8, "weights"), "num_message_bits": (5, "connection parameters")}
_PAIRS = ("kernel_size", "stride", "padding", "dilation")
_VARIABLES: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "LIF": _LIF,
    "LIFReset": _LIF,
    "Conv": _CONV,
    "Dense": _DENSE,
}
#: What the simulator needs and a chip does not: sums under way, and the host's side of the input.
_SIMULATORS_OWN = {("Conv", "a_buf"), ("Dense", "a_buff"), ("RingBuffer", "data")}
_TERMS = ("weights", "membrane potentials", "currents", "biases", "thresholds and decays", "connection parameters")


@dataclass(frozen=True)
class Variable:
    """One variable of one compiled process."""

    process: str
    name: str
    elements: int
    bits: int

    @property
    def size_bytes(self) -> int:
        """Bytes of all elements, packed."""
        return -(-self.elements * self.bits // 8)


def estimate(network: Network, profile: Profile) -> Footprint:
    """The terms of the exported network; needs no values."""
    return footprint(variables(graph_for(network, profile)), "estimated", {})


def variables(graph: Graph) -> Iterator[Variable]:
    """The variables that Lava will create for a graph."""
    for synapses in graph.on_chip:
        kind = synapses.kind.capitalize()
        for name, (bits, term) in _VARIABLES[kind].items():
            elements = synapses.size if term == "weights" else 2 if name in _PAIRS else 1
            yield Variable(kind, name, elements, bits)
    for neurons in graph.neurons:
        for name, (bits, term) in _LIF.items():
            yield Variable("LIF", name, 1 if term == "thresholds and decays" else neurons.size, bits)


def footprint(found: Iterable[Variable], obtained: MeasuredBy, tools: Mapping[str, str]) -> Footprint:
    """Variables summed up by term.

    Raises:
        InternalError: a variable that belongs to no term, so that a new version of Lava cannot hide bytes.
    """
    totals = dict.fromkeys(_TERMS, 0)
    for variable in found:
        if (variable.process, variable.name) in _SIMULATORS_OWN:
            continue
        known = _VARIABLES.get(variable.process, {}).get(variable.name)
        if known is None:
            raise InternalError(f"Lava's process {variable.process} has an unknown variable {variable.name!r}")
        totals[known[1]] += variable.size_bytes
    return Footprint(tuple(Term(name, REGION, size) for name, size in totals.items()), obtained, tools)
