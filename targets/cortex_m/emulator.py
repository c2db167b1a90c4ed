"""Runs a linked firmware on an emulated Cortex-M core (Unicorn, which is QEMU's processor model as a library).

Comes in: an ELF file and inputs as bytes. Goes out: scores, traces, instructions and the deepest stack. The firmware stops at
firmware_exchange, where inputs are put in place; nothing in it knows that it is emulated.
"""

from __future__ import annotations

import ctypes
import importlib
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from targets.cortex_m.cores import CORES
from targets.cortex_m.firmware import Firmware
from targets.cortex_m.settings import CoreName
from targets.errors import InternalError, ToolMissingError, VerificationError
from targets.host_library import host_library

TRACE_BASE = 0xA0000000
_PAGE = 4096
_PAINT = 0xA5
#: More than any single inference; a firmware that runs longer hangs.
_TIMEOUT_MICROSECONDS = 120_000_000


@dataclass(frozen=True)
class Memory:
    """An address range of the emulated machine."""

    base: int
    size: int


class Emulator:
    """One firmware on one core. Construction loads it and runs it to where it asks for its first input.

    Raises:
        ToolMissingError: Unicorn is not installed.
        VerificationError: the firmware faults or hangs.
    """

    def __init__(self, firmware: Firmware, core: CoreName, memories: list[Memory], trace_words: int = 0) -> None:
        self.firmware = firmware
        self._engine = _engine(core)
        for memory in memories:
            first = memory.base // _PAGE * _PAGE
            end = -(-(memory.base + memory.size) // _PAGE) * _PAGE
            self._engine.mem_map(first, end - first)
        for address, content in firmware.loaded:
            self._engine.mem_write(address, content)
        self._trace_words = trace_words
        if trace_words:
            self._engine.mem_map(TRACE_BASE, -(-4 * trace_words // _PAGE) * _PAGE)
        self._exchange = firmware.address("firmware_exchange")
        top, entry = struct.unpack("<II", self._engine.mem_read(firmware.address("firmware_vectors"), 8))
        self._stack_top = top
        self._write_register("SP", top)
        self._resume(entry)

    def infer(self, frames: Sequence[bytes], streamed: bool) -> NDArray[np.int32]:
        """The scores of one input; `streamed`: the firmware asks for its frames one by one, and once more at the end."""
        if self._trace_words:
            self._engine.mem_write(self.firmware.address("snn_trace_cursor"), struct.pack("<I", TRACE_BASE))
        for frame in frames:
            self._engine.mem_write(self.firmware.address("firmware_input"), frame)
            self._leave_exchange()
        if streamed:
            self._leave_exchange()
        address, size = self.firmware.symbols["snn_scores"]
        return np.frombuffer(bytes(self._engine.mem_read(address, size)), "<i4")

    def trace(self) -> NDArray[np.int32]:
        """What the last inference recorded."""
        cursor = self.firmware.address("snn_trace_cursor")
        (end,) = struct.unpack("<I", self._engine.mem_read(cursor, 4))
        if not 0 <= end - TRACE_BASE <= 4 * self._trace_words:
            raise InternalError(f"the trace has {(end - TRACE_BASE) // 4} words, expected {self._trace_words}")
        return np.frombuffer(bytes(self._engine.mem_read(TRACE_BASE, end - TRACE_BASE)), "<i4")

    def paint(self, low: int) -> None:
        """Fills the stack from address `low` up to the stack pointer."""
        self._engine.mem_write(low, bytes([_PAINT]) * (self._stack_pointer() - low))

    def painted_over(self, low: int) -> int:
        """Bytes from the top of the stack down to the lowest that was written since `paint`."""
        content = bytes(self._engine.mem_read(low, self._stack_top - low))
        return len(content.lstrip(bytes([_PAINT])))

    @contextmanager
    def watch(self) -> Iterator[Counters]:
        """Counters of everything that runs inside the `with`; slow, for one inference."""
        counters, instructions = Counters(0, self._stack_top), dict[tuple[int, int], int]()

        def enter_block(engine: Any, address: int, size: int, _: object) -> None:
            if (address, size) not in instructions:
                instructions[address, size] = count_instructions(bytes(engine.mem_read(address, size)))
            counters.instructions += instructions[address, size]
            counters.lowest_stack_pointer = min(counters.lowest_stack_pointer, self._stack_pointer())

        hook = self._engine.hook_add(_unicorn().UC_HOOK_BLOCK, enter_block)
        try:
            yield counters
        finally:
            self._engine.hook_del(hook)

    @contextmanager
    def watch_entries(self) -> Iterator[dict[int, int]]:
        """The lowest stack pointer at the entry of each function that is called, by its address; fast."""
        lowest: dict[int, int] = {}

        def enter(engine: Any, address: int, *_: object) -> None:
            lowest[address] = min(lowest.get(address, self._stack_top), self._stack_pointer())

        kind = _unicorn().UC_HOOK_CODE
        hooks = [self._engine.hook_add(kind, enter, begin=a, end=a) for a in self.firmware.frames]
        try:
            yield lowest
        finally:
            for hook in hooks:
                self._engine.hook_del(hook)

    def count(self, frames: Sequence[bytes], streamed: bool) -> int:
        """Instructions that one input takes, as the emulator executes them; those that a condition skips do not count.

        Raises:
            ToolMissingError: the counter cannot be compiled, or this Unicorn does not let C code be called.
        """
        counter, handle = ctypes.c_uint64(0), ctypes.c_size_t(0)
        library, engine = _unicorn_library(), self._engine._uch
        callback = ctypes.cast(ctypes.CDLL(str(_counter_library())).count_instruction, ctypes.c_void_p)
        kind, everywhere = _unicorn().UC_HOOK_CODE, (ctypes.c_uint64(1), ctypes.c_uint64(0))
        address = ctypes.cast(ctypes.byref(counter), ctypes.c_void_p)
        if library.uc_hook_add(engine, ctypes.byref(handle), kind, callback, address, *everywhere):
            raise InternalError("the emulator refuses the instruction counter")
        try:
            self.infer(frames, streamed)
        finally:
            library.uc_hook_del(engine, handle)
        return counter.value

    @property
    def stack_top(self) -> int:
        """Initial stack pointer."""
        return int(self._stack_top)

    def _leave_exchange(self) -> None:
        from unicorn import arm_const

        self._resume(self._engine.reg_read(arm_const.UC_ARM_REG_LR))

    def _resume(self, address: int) -> None:
        try:
            self._engine.emu_start(address | 1, self._exchange, timeout=_TIMEOUT_MICROSECONDS)
        except _unicorn().UcError as error:
            raise VerificationError(f"the firmware faults at 0x{self._counter():08X}: {error}") from error
        if self._counter() != self._exchange:
            raise VerificationError(f"the firmware hangs at 0x{self._counter():08X}")

    def _counter(self) -> int:
        from unicorn import arm_const

        return int(self._engine.reg_read(arm_const.UC_ARM_REG_PC)) & ~1

    def _stack_pointer(self) -> int:
        from unicorn import arm_const

        return int(self._engine.reg_read(arm_const.UC_ARM_REG_SP))

    def _write_register(self, name: str, value: int) -> None:
        from unicorn import arm_const

        self._engine.reg_write(getattr(arm_const, f"UC_ARM_REG_{name}"), value)


@dataclass
class Counters:
    """What `Emulator.watch` counts."""

    instructions: int
    lowest_stack_pointer: int


def count_instructions(code: bytes) -> int:
    """Thumb instructions in whole code, those that a condition skips included (as QEMU counts).

    A first halfword from 0b11101 on begins an instruction of 32 bits.
    """
    halfwords, count, index = np.frombuffer(code, "<u2"), 0, 0
    while index < len(halfwords):
        index += 2 if int(halfwords[index]) >> 11 >= 0b11101 else 1
        count += 1
    return count


def unicorn_version() -> str:
    """Raises:
    ToolMissingError: it is not installed.
    """
    return str(_unicorn().__version__)


def _unicorn() -> Any:
    """The emulator, imported when it is first used."""
    try:
        return importlib.import_module("unicorn")
    except ImportError as error:
        raise ToolMissingError("the emulator Unicorn is not installed", "pip install unicorn") from error


def _unicorn_library() -> Any:
    """The C library behind the Python package, for a hook that is C itself."""
    library = getattr(importlib.import_module("unicorn.unicorn_py3.unicorn"), "uclib", None)
    if library is None:
        raise ToolMissingError("this version of Unicorn cannot count instructions", "pip install 'unicorn>=2.1'")
    return library


@cache
def _counter_library() -> Path:
    return host_library(Path(__file__).parent / "instruction_counter.c", ["-O2"], "the instruction counter")


def _engine(core: CoreName) -> Any:
    unicorn = _unicorn()
    from unicorn import arm_const

    engine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
    engine.ctl_set_cpu_model(getattr(arm_const, f"UC_CPU_ARM_{CORES[core].unicorn}"))
    return engine
