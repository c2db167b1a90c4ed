"""Saves and loads an integer network as one safe file: safetensors with the structure as JSON in its header.

Nothing is unpickled, equal networks give equal bytes, and a damaged file is refused with one clear line.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from targets.errors import ConfigurationError
from targets.network import (
    Connection,
    Conv,
    Dense,
    Identity,
    Input,
    Network,
    Neuron,
    Operation,
    Pool,
    Population,
    Weight,
)

FORMAT = 1
_OPERATIONS = {"conv": Conv, "dense": Dense, "pool": Pool, "identity": Identity}
_ARRAYS = ("values", "threshold", "bias")
_HEADER = "spikeport.network"
_count = TypeAdapter(Annotated[int, Field(strict=True)])


def to_bytes(network: Network) -> bytes:
    """The file's content."""
    tensors: dict[str, np.ndarray[Any, Any]] = {}
    for weight in network.weights:
        if weight.values is not None:
            tensors[f"weight.{weight.name}"] = weight.values
    for population in network.populations:
        if population.threshold is not None:
            tensors[f"threshold.{population.name}"] = population.threshold
        if population.bias is not None:
            tensors[f"bias.{population.name}"] = population.bias
    header = json.dumps(_structure(network), sort_keys=True, separators=(",", ":"))
    return save(tensors, metadata={_HEADER: header})


def digest(network: Network) -> str:
    """SHA-256 of the file's content: equal for equal networks."""
    return hashlib.sha256(to_bytes(network)).hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a whole file or nothing: readers see the old or the new content, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def save_network(network: Network, path: Path) -> None:
    """Writes the network atomically."""
    write_atomically(path, to_bytes(network))


def load_network(path: Path) -> Network:
    """Reads a network back.

    Raises:
        ConfigurationError: the file is missing, truncated, of another format, or describes an impossible network.
    """
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        structure = json.loads(metadata[_HEADER])
        if structure["format"] != FORMAT:
            raise ConfigurationError(f"{path}: network format {structure['format']}, this version reads {FORMAT}")
        return _network(structure, tensors)
    except FileNotFoundError as error:
        raise ConfigurationError(f"{path}: no such file") from error
    except (SafetensorError, KeyError, TypeError, ValueError, ValidationError, OSError) as error:
        raise ConfigurationError(
            f"{path}: not a readable network file ({error})", "remove it and run the stage again"
        ) from error


def _structure(network: Network) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "timesteps": network.timesteps,
        "input": _plain(network.input),
        "weights": [_plain(weight) for weight in network.weights],
        "populations": [{**_plain(p), "neuron": _plain(p.neuron)} for p in network.populations],
        "connections": [
            {**_plain(c), "operation": {"kind": _kind(c.operation), **_plain(c.operation)}} for c in network.connections
        ],
    }


def _plain(value: Any) -> dict[str, Any]:
    return {key: item for key, item in vars(value).items() if key not in _ARRAYS}


def _kind(operation: Operation) -> str:
    return next(kind for kind, type_ in _OPERATIONS.items() if isinstance(operation, type_))


def _network(structure: dict[str, Any], tensors: dict[str, np.ndarray[Any, Any]]) -> Network:
    def shape(value: Any) -> tuple[int, ...]:
        return tuple(_count.validate_python(item) for item in value)

    def operation(value: dict[str, Any]) -> Operation:
        fields = dict(value)
        result: Operation = _OPERATIONS[fields.pop("kind")](**fields)
        return result

    return Network(
        input=Input(**{**structure["input"], "shape": shape(structure["input"]["shape"])}),
        populations=tuple(
            Population(
                **{**p, "shape": shape(p["shape"]), "neuron": Neuron(**p["neuron"])},
                threshold=tensors.get(f"threshold.{p['name']}"),
                bias=tensors.get(f"bias.{p['name']}"),
            )
            for p in structure["populations"]
        ),
        connections=tuple(
            Connection(**{**c, "operation": operation(c["operation"])}) for c in structure["connections"]
        ),
        weights=tuple(
            Weight(**{**w, "shape": shape(w["shape"])}, values=tensors.get(f"weight.{w['name']}"))
            for w in structure["weights"]
        ),
        timesteps=_count.validate_python(structure["timesteps"]),
    )
