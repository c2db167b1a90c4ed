"""Reads a pickled file of plain values without executing it: what the python version of CIFAR needs, and nothing more.

A pickle is a program for a small stack machine, and unpickling a foreign file runs foreign code. Here `pickletools.genops`
only splits the file into opcodes, and this module interprets the few that build dictionaries, lists, tuples, text, bytes, numbers
and NumPy arrays of numbers. A global name is never imported: it is compared with the few names through which NumPy (and
Python 3, for bytes) writes those values. Every other name and opcode is refused.

Source of the opcodes' meaning: `pickletools` in the standard library, protocols 2 to 5.
"""

from __future__ import annotations

import math
import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.data.files import damaged, read_bytes


class _RefusedError(Exception):
    """The pickle holds something else than plain values, or is damaged."""


@dataclass(frozen=True)
class _Name:
    """A global that the pickle names; it stands for itself and is never imported."""

    module: str
    name: str


@dataclass(eq=False)
class _EmptyArray:
    """What `_reconstruct` makes, before BUILD gives it shape, type and data."""


_RECONSTRUCT = {_Name(module, "_reconstruct") for module in ("numpy.core.multiarray", "numpy._core.multiarray")}
_NDARRAY = _Name("numpy", "ndarray")
_DTYPE = _Name("numpy", "dtype")
_ENCODE = _Name("_codecs", "encode")
_BYTES = _Name("__builtin__", "bytes")
_KNOWN = {*_RECONSTRUCT, _NDARRAY, _DTYPE, _ENCODE, _BYTES}
_NUMBERS = re.compile(r"b1|[iu][1248]|f[248]")
_MARK = object()

#: Opcodes whose argument is the value itself.
_VALUES = {
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_PUTS = {"BINPUT", "LONG_BINPUT"}
_GETS = {"BINGET", "LONG_BINGET"}
_IGNORED = {"PROTO", "FRAME", "STOP"}


def read_plain_pickle(path: Path) -> object:
    """The value in the file, of dict, list, tuple, str, bytes, int, float, bool, None and NumPy arrays of numbers.

    Text that Python 2 wrote as `str` comes out as bytes. Nothing in the file is executed or imported.

    Raises:
        ConfigurationError: the file is truncated, is no pickle, or holds anything else than such values.
    """
    content = read_bytes(path)
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(content):
            machine.step(opcode.name, argument)
        return machine.result()
    except _RefusedError as error:
        raise damaged(path, f"refused: {error}") from error
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, UnicodeError) as error:
        raise damaged(path, f"not a readable pickle, or truncated ({error})") from error


class _Machine:
    """Stack and memo of the pickle machine, restricted to plain values."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._steps: dict[str, Callable[[], None]] = {
            "EMPTY_DICT": lambda: self._stack.append({}),
            "EMPTY_LIST": lambda: self._stack.append([]),
            "MARK": lambda: self._stack.append(_MARK),
            "TUPLE": lambda: self._stack.append(tuple(self._to_mark())),
            "APPEND": lambda: self._extend([self._stack.pop()]),
            "APPENDS": lambda: self._extend(self._to_mark()),
            "SETITEM": lambda: self._set_items([self._stack.pop() for _ in range(2)][::-1]),
            "SETITEMS": lambda: self._set_items(self._to_mark()),
            "REDUCE": self._reduce,
            "BUILD": self._build,
            "STACK_GLOBAL": lambda: self._global(*[self._stack.pop() for _ in range(2)][::-1]),
        }

    def step(self, opcode: str, argument: Any) -> None:
        """Executes one opcode."""
        if opcode in _VALUES:
            self._stack.append(argument)
        elif opcode in ("BINSTRING", "SHORT_BINSTRING"):  # genops decodes Python 2's str as latin-1
            self._stack.append(argument.encode("latin-1"))
        elif opcode in _PUTS:
            self._memo[argument] = self._stack[-1]
        elif opcode == "MEMOIZE":
            self._memo[len(self._memo)] = self._stack[-1]
        elif opcode in _GETS:
            self._stack.append(self._memo[argument])
        elif opcode in _CONSTANTS:
            self._stack.append(_CONSTANTS[opcode])
        elif opcode in _TUPLES:
            count = _TUPLES[opcode]
            self._stack[-count:] = [tuple(self._popped(count))]
        elif opcode == "GLOBAL":
            self._global(*argument.split(" ", 1))
        elif opcode in self._steps:
            self._steps[opcode]()
        elif opcode not in _IGNORED:
            raise _RefusedError(f"opcode {opcode} is not among those of plain values")

    def result(self) -> object:
        """The value left on the stack, made of plain values all the way down."""
        (value,) = self._stack
        pending, seen = [value], set()
        while pending:
            item = pending.pop()
            if id(item) in seen:
                continue
            seen.add(id(item))
            if isinstance(item, dict):
                pending += [*item.keys(), *item.values()]
            elif isinstance(item, list | tuple):
                pending += item
            elif item is _MARK or isinstance(item, _Name | _EmptyArray | np.dtype):
                raise _RefusedError("it holds a value that is not plain")
        return value

    def _popped(self, count: int) -> list[Any]:
        values = self._stack[-count:]
        if len(values) != count or any(value is _MARK for value in values):
            raise _RefusedError("a tuple is taken from too short a stack")
        return values

    def _to_mark(self) -> list[Any]:
        for position in range(len(self._stack) - 1, -1, -1):
            if self._stack[position] is _MARK:
                values = self._stack[position + 1 :]
                del self._stack[position:]
                return values
        raise _RefusedError("a mark is missing")

    def _extend(self, values: list[Any]) -> None:
        if type(self._stack[-1]) is not list:
            raise _RefusedError("items are appended to something that is not a list")
        self._stack[-1].extend(values)

    def _set_items(self, values: list[Any]) -> None:
        keys = values[::2]
        # Keys are scalars: hashing a tuple of tuples of tuples could take forever.
        if type(self._stack[-1]) is not dict or not all(isinstance(key, str | bytes | int) for key in keys):
            raise _RefusedError("items are set in something that is not a dictionary of plain keys")
        self._stack[-1].update(zip(keys, values[1::2], strict=True))

    def _global(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise _RefusedError("it would import something")
        if _Name(module, name) not in _KNOWN:
            raise _RefusedError(f"it would import {module}.{name}")
        self._stack.append(_Name(module, name))

    def _reduce(self) -> None:
        arguments, called = self._stack.pop(), self._stack.pop()
        if called == _BYTES and arguments == ():  # how Python 3 writes b"" in protocol 2
            self._stack.append(b"")
        elif called in _RECONSTRUCT and arguments[0] == _NDARRAY:
            self._stack.append(_EmptyArray())
        elif called == _DTYPE and isinstance(arguments[0], str | bytes):
            kind = arguments[0] if isinstance(arguments[0], str) else arguments[0].decode("ascii")
            if not _NUMBERS.fullmatch(kind):
                raise _RefusedError(f"an array of type {kind!r}")
            self._stack.append(np.dtype(kind))
        elif called == _ENCODE and isinstance(arguments[0], str) and arguments[1:] == ("latin1",):
            self._stack.append(arguments[0].encode("latin-1"))
        else:
            raise _RefusedError("it calls something")

    def _build(self) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        built: NDArray[Any] | np.dtype[Any]
        if isinstance(target, np.dtype):
            built = target.newbyteorder(_text(state[1]))
        elif isinstance(target, _EmptyArray):
            built = _array(state)
        else:
            raise _RefusedError("it sets the state of an object")
        self._stack[-1] = built
        for key, value in self._memo.items():
            if value is target:
                self._memo[key] = built


def _array(state: Any) -> NDArray[Any]:
    """The array of an ndarray's pickled state: version, shape, dtype, column-major or not, bytes."""
    _, shape, dtype, column_major, data = state
    if not isinstance(dtype, np.dtype) or not isinstance(data, bytes) or not isinstance(shape, tuple):
        raise _RefusedError("an array without type, shape or bytes")
    if any(type(size) is not int or size < 0 for size in shape) or len(data) != math.prod(shape) * dtype.itemsize:
        raise _RefusedError(f"an array whose shape does not match its {len(data)} bytes")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if column_major else "C")


def _text(value: Any) -> Any:
    return value.decode("ascii") if isinstance(value, bytes) else value
