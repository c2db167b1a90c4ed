"""The macro-architecture around the cells, and its lowering to the integer network.

Comes in: cells, channels, input shape, classes. Goes out: a `targets.network.Network` without values, which estimators size
and training fills. Needs no torch: search and `spikeport estimate` build thousands of these.

The order is SNASNet's: stem convolution (its current, not spikes, enters the first cell), then cells with a stride-2
convolution between them that doubles the channels, then the classifier. Decided here: SNASNet's average pooling behind the
convolution is folded into the stride, and the classifier is one dense readout unless `hidden` neurons are asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveInt

from stages.snn.cells import Cell, Edge, parse_cell
from targets.errors import ConfigurationError
from targets.network import (
    INPUT,
    READOUT,
    Connection,
    Conv,
    Dense,
    Input,
    Network,
    Neuron,
    Operation,
    Pool,
    Population,
    Weight,
)
from targets.profile import Profile


def _genotype(value: object) -> str:
    try:
        return str(parse_cell(str(value)))
    except ConfigurationError as error:
        raise ValueError(error.message) from error


class Architecture(BaseModel):
    """Everything that search decides. The JSON of this model is what `--architecture FILE` reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Shape of an image or event frame: channels, rows, columns.
    input_shape: tuple[PositiveInt, PositiveInt, PositiveInt]
    classes: int = Field(ge=2)
    #: Genotypes, first to last; see `stages.snn.cells`.
    cells: tuple[Annotated[str, BeforeValidator(_genotype)], ...] = Field(min_length=1)
    #: Channels of the first cell; each further cell has twice as many.
    channels: PositiveInt
    timesteps: PositiveInt = 4
    weight_bits: int = Field(default=8, ge=2, le=8)
    #: Spikes instead of pixels as input, one frame per step.
    spiking_input: bool = False
    stem_kernel: PositiveInt = 3
    stem_stride: PositiveInt = 1
    #: Spikes of the last cell are pooled (any spike in the window) before the classifier; 1 for none.
    head_pool: PositiveInt = 1
    #: Neurons of a hidden classifier layer; 0 for none.
    hidden: int = Field(default=0, ge=0)

    @cached_property
    def parsed_cells(self) -> tuple[Cell, ...]:
        """The genotypes as graphs, without dead edges."""
        return tuple(parse_cell(genotype).live() for genotype in self.cells)


def lower(architecture: Architecture, profile: Profile) -> Network:
    """The integer network of an architecture in the arithmetic of a target, without values.

    Raises:
        ConfigurationError: a cell whose input does not reach its output.
    """
    neuron, shift = profile.neuron.neuron, profile.neuron.pixel_shift
    entrance = Input(architecture.input_shape, architecture.spiking_input, 0 if architecture.spiking_input else shift)
    return _Lowering(architecture, neuron, entrance).network()


def ends_a_cell(population: str) -> bool:
    """Whether a population of a lowered architecture turns the current of a whole cell into spikes."""
    return population == "head" or population.startswith("reduce")


@dataclass(frozen=True)
class _Path:
    """One way on which spikes become current: a connection whose target is not decided yet."""

    source: str
    operation: Operation
    weight: str | None
    delay: int = 0

    def into(self, target: str, multiplier: int) -> Connection:
        return Connection(self.source, target, self.operation, self.weight, multiplier, self.delay)


class _Lowering:
    """Collects populations, connections and weights while it walks from the stem to the classifier."""

    def __init__(self, architecture: Architecture, neuron: Neuron, entrance: Input) -> None:
        self.architecture, self.neuron, self.entrance = architecture, neuron, entrance
        self.populations: list[Population] = []
        self.paths: dict[str, list[_Path]] = {}
        self.weights: dict[str, Weight] = {}
        self.known: dict[tuple[object, ...], str] = {}

    def network(self) -> Network:
        """Walks the whole architecture."""
        a = self.architecture
        channels, rows, columns = a.input_shape
        stem = Conv(a.stem_stride, a.stem_kernel // 2)
        current = [self.convolution("stem", INPUT, channels, a.channels, a.stem_kernel, stem)]
        rows, columns = ((size - 1) // a.stem_stride + 1 for size in (rows, columns))
        width = a.channels
        for index, cell in enumerate(a.parsed_cells, start=1):
            if index > 1:
                spikes = self.population(f"reduce{index}", (width, rows, columns), current)
                current = [self.convolution(f"reduce{index}", spikes, width, 2 * width, 3, Conv(2, 1))]
                width, rows, columns = 2 * width, (rows - 1) // 2 + 1, (columns - 1) // 2 + 1
            current = self.cell(f"cell{index}", cell, (width, rows, columns), current)
        self.classifier((width, rows, columns), current)
        populations = tuple(self.populations)
        connections, resolutions = self.connect()
        return Network(
            self.entrance,
            tuple(replace(p, resolution=resolutions[p.name]) for p in populations),
            connections,
            tuple(self.weights.values()),
            a.timesteps,
        )

    def cell(self, name: str, cell: Cell, shape: tuple[int, int, int], entering: Sequence[_Path]) -> list[_Path]:
        """The current of the cell's last node. One population per node and threshold serves all edges that leave with it."""
        if not cell.connected:
            raise ConfigurationError(f"{name}: nothing connects its input to its output", "give every cell a path")

        def node_and_threshold(edge: Edge) -> tuple[int, float]:
            return edge.source, edge.operation.theta

        def own_name(edge: Edge) -> str:
            threshold = "" if edge.operation.theta == 1 else f"@{edge.operation.theta:g}"
            return f"{name}.node{edge.source}{threshold}"

        currents: dict[int, list[_Path]] = {0: list(entering)}
        fired: dict[tuple[int, float], str] = {}
        for node in range(cell.nodes):
            current = currents.setdefault(node, [])
            for edge in (e for e in cell.edges if e.target == node):
                if edge.operation.kind == "skip":
                    current += currents[edge.source]
                else:
                    spikes = own_name(edge) if edge.feedback else fired[node_and_threshold(edge)]
                    current.append(self.edge(f"{name}.edge{edge.source}{node}", edge, spikes, shape[0]))
            for edge in (e for e in cell.edges if e.source == node and e.operation.kind != "skip"):
                if node_and_threshold(edge) not in fired:
                    must_exist = any(e.feedback and own_name(e) == own_name(edge) for e in cell.edges)
                    fired[node_and_threshold(edge)] = self.population(
                        own_name(edge), shape, current, edge.operation.theta, shared=not must_exist
                    )
        return currents[cell.output]

    def classifier(self, shape: tuple[int, int, int], current: Sequence[_Path]) -> None:
        """Spikes of the last cell, pooled if asked for, into the readout, through hidden neurons if asked for."""
        a, pool = self.architecture, self.architecture.head_pool
        spikes = self.population("head", shape, current)
        if pool > 1:
            shape = (shape[0], shape[1] // pool, shape[2] // pool)
            self.paths["pooled"] = [_Path(spikes, Pool(pool, pool), None)]
            # keep 0 and the lowest threshold: it fires where any spike is in the window
            self.populations.append(Population("pooled", shape, replace(self.neuron, keep=0), theta=0.5))
            spikes = "pooled"
        size = shape[0] * shape[1] * shape[2]
        if a.hidden:
            path = self.dense("hidden", spikes, size, a.hidden)
            spikes, size = self.population("hidden", (a.hidden,), [path]), a.hidden
        self.paths["readout"] = [self.dense("readout", spikes, size, a.classes)]
        self.populations.append(Population("readout", (a.classes,), READOUT, fires=False))

    def edge(self, label: str, edge: Edge, spikes: str, channels: int) -> _Path:
        """The path of an edge that fires: a convolution or an average pooling of its source's spikes."""
        kernel = edge.operation.kernel
        if edge.operation.kind == "conv":
            path = self.convolution(label, spikes, channels, channels, kernel, Conv(padding=kernel // 2))
        else:
            path = self.average(label, spikes, channels, kernel)
        return replace(path, delay=int(edge.feedback))

    def population(
        self, name: str, shape: tuple[int, ...], current: Sequence[_Path], theta: float = 1.0, shared: bool = True
    ) -> str:
        """The firing population that receives a current: an existing one that computes the same, else a new one."""
        same = (shape, theta, frozenset(Counter(current).items()))
        if shared and same in self.known:
            return self.known[same]
        self.known.setdefault(same, name)
        self.populations.append(Population(name, shape, self.neuron, theta=theta))
        self.paths[name] = list(current)
        return name

    def convolution(self, name: str, source: str, inner: int, outer: int, kernel: int, conv: Conv) -> _Path:
        """A convolution with weights of its own."""
        self.weights[name] = Weight(name, (outer, inner, kernel, kernel), self.architecture.weight_bits)
        return _Path(source, conv, name)

    def average(self, name: str, source: str, channels: int, kernel: int) -> _Path:
        """Average pooling: a depthwise convolution whose weights are all 1 / kernel**2."""
        shape, share = (channels, 1, kernel, kernel), 1 / kernel**2
        self.weights[name] = Weight(name, shape, self.architecture.weight_bits, constant=share)
        return _Path(source, Conv(padding=kernel // 2, groups=channels), name)

    def dense(self, name: str, source: str, inner: int, outer: int) -> _Path:
        """A dense layer with weights of its own."""
        self.weights[name] = Weight(name, (outer, inner), self.architecture.weight_bits)
        return _Path(source, Dense(), name)

    def connect(self) -> tuple[tuple[Connection, ...], dict[str, int]]:
        """Connections with multipliers, and the resolution of each population.

        Where pixels (up to `levels`, worth 1 / levels each) and spikes (worth 1) meet in one class of tied populations,
        the spikes' integers are multiplied by `levels`, so that both are steps of the same size.
        """
        connections: list[Connection] = []
        resolutions: dict[str, int] = {}
        levels = 1 if self.entrance.spiking else self.entrance.levels
        for tied in tied_populations(self.paths):
            sees_pixels = any(path.source == INPUT for name in tied for path in self.paths[name])
            resolution = levels if sees_pixels else 1
            for name in tied:
                resolutions[name] = resolution
                for path in dict.fromkeys(self.paths[name]):
                    step = 1 if path.source == INPUT else resolution
                    connections.append(path.into(name, step * self.paths[name].count(path)))
        order = {population.name: index for index, population in enumerate(self.populations)}
        return tuple(sorted(connections, key=lambda c: order[c.target])), resolutions


def tied_populations(paths: dict[str, list[_Path]]) -> Iterable[list[str]]:
    """Groups of populations that must share one scale, because they share a weight directly or through others."""
    groups: list[tuple[set[str], list[str]]] = []
    for name, incoming in paths.items():
        weights, names = {path.weight for path in incoming if path.weight}, [name]
        for group in [g for g in groups if g[0] & weights]:
            groups.remove(group)
            weights |= group[0]
            names = group[1] + names
        groups.append((weights, names))
    return [names for _, names in groups]
