"""A small typed graph of runtime operators: what the exporter writes as ONNX and what the estimator executes in its head.

Goes in: operators added one after another. Comes out: an immutable list of nodes in order, every tensor with its shape and
type. Why: estimate and export read the same list, so they cannot drift apart. Nothing here imports onnx.

Equal computations become one node (hash-consing): connections that repeat an operation on the same source, weight and step
share its result, and a current of constant pixels is computed once for all steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from targets.errors import ConfigurationError

Type = Literal["bool", "uint8", "int32", "int64"]
ITEM_BYTES: Mapping[Type, int] = {"bool": 1, "uint8": 1, "int32": 4, "int64": 8}
Attribute = int | str | tuple[int, ...]
Attributes = tuple[tuple[str, Attribute], ...]


@dataclass(frozen=True)
class Tensor:
    """A value that flows along an edge: name, type and full shape, batch dimension included."""

    name: str
    type: Type
    shape: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of its elements."""
        return prod(self.shape) * ITEM_BYTES[self.type]


@dataclass(frozen=True, eq=False)
class Constant:
    """A tensor stored in the file. `values` computes its content and is called only when the file is written."""

    tensor: Tensor
    values: Callable[[], NDArray[Any]]


@dataclass(frozen=True)
class Node:
    """One operator. An empty input name is an optional input left out, as in ONNX."""

    operator: str
    inputs: tuple[str, ...]
    output: str
    attributes: Attributes = ()


@dataclass(frozen=True)
class Graph:
    """Nodes in an order that respects their inputs. Every output is the result of a node."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    constants: tuple[Constant, ...]
    nodes: tuple[Node, ...]
    tensors: Mapping[str, Tensor]
    #: Inner tensors that verification looks at: what they are, to the tensor's name.
    watched: Mapping[str, str]
    #: Classes, whose names the file holds.
    classes: int

    @property
    def constant_bytes(self) -> int:
        """Bytes of all stored tensors."""
        return sum(constant.tensor.size_bytes for constant in self.constants)


@dataclass
class Builder:
    """Collects a graph; `finish` drops what no output needs."""

    name: str
    classes: int
    inputs: list[Tensor] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    constants: dict[str, Constant] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    _known: dict[tuple[str, tuple[str, ...], Attributes], Tensor] = field(default_factory=dict)

    def input(self, name: str, type_: Type, shape: tuple[int, ...]) -> Tensor:
        """A graph input."""
        tensor = self._tensor(name, type_, shape)
        self.inputs.append(tensor)
        return tensor

    def constant(self, name: str, type_: Type, shape: tuple[int, ...], values: Callable[[], NDArray[Any]]) -> Tensor:
        """A stored tensor; the same name gives the same tensor."""
        if name not in self.constants:
            self.constants[name] = Constant(self._tensor(name, type_, shape), values)
        return self.constants[name].tensor

    def scalar(self, name: str, type_: Type, value: int) -> Tensor:
        """A stored number, named after what it is and its value."""
        return self.constant(f"{name}.{value}", type_, (), lambda: np.array(value, type_))

    def add(
        self,
        operator: str,
        inputs: Sequence[Tensor],
        result: tuple[str, Type, tuple[int, ...]],
        **attributes: Attribute,
    ) -> Tensor:
        """The result of an operator: a new node named `result`, or the one that computes the same already."""
        key = (operator, tuple(tensor.name for tensor in inputs), tuple(sorted(attributes.items())))
        if key not in self._known:
            tensor = self._known[key] = self._tensor(*result)
            self.nodes.append(Node(operator, key[1], tensor.name, key[2]))
        return self._known[key]

    def finish(self, outputs: Mapping[str, Tensor], watched: Mapping[str, Tensor]) -> Graph:
        """The graph whose outputs are these, under these names, without what neither they nor watched tensors depend on.

        Raises:
            ConfigurationError: an output's name is taken.
        """
        needed = {tensor.name for tensor in (*outputs.values(), *watched.values())}
        kept: list[Node] = []
        for node in reversed(self.nodes):
            if node.output in needed:
                kept.append(node)
                needed.update(node.inputs)
        called = {tensor.name: name for name, tensor in outputs.items()}
        for name in outputs.keys() & self.tensors.keys():
            raise _taken(name)
        tensors = [replace(self.tensors[name], name=called.get(name, name)) for name in self.tensors if name in needed]
        return Graph(
            self.name,
            tuple(tensor for tensor in self.inputs if tensor.name in needed),
            tuple(replace(tensor, name=name) for name, tensor in outputs.items()),
            tuple(constant for name, constant in self.constants.items() if name in needed),
            tuple(_renamed(node, called) for node in reversed(kept)),
            {tensor.name: tensor for tensor in tensors},
            {what: called.get(tensor.name, tensor.name) for what, tensor in watched.items()},
            self.classes,
        )

    def _tensor(self, name: str, type_: Type, shape: tuple[int, ...]) -> Tensor:
        if name in self.tensors:
            raise _taken(name)
        tensor = self.tensors[name] = Tensor(name, type_, shape)
        return tensor


def _taken(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"two tensors of the graph would be called {name!r}", "rename the population or weight that it is named after"
    )


def _renamed(node: Node, called: Mapping[str, str]) -> Node:
    inputs = tuple(called.get(name, name) for name in node.inputs)
    return replace(node, inputs=inputs, output=called.get(node.output, node.output))
