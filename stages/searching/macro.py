"""Fills a budget: for given cells, the widest and most exact macro-architecture that a target and a compute limit allow.

Comes in: cells, the macro choices, an Evaluator for sizes. Goes out: architectures. Macro choices are compared by
`stages.scores.capacity`, which costs microseconds; memory is monotone in the channels, so the widest is found by bisection.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product
from math import log2

from stages.scores.capacity import WIDTH_POINTS, macro_points, maps
from stages.searching.candidates import Evaluator
from stages.snn.architecture import Architecture

#: Channels that are tried: every number where one more matters, then steps of at most 7 %, so that memory is really used.
LADDER = (*range(2, 32), *range(32, 64, 2), *range(64, 128, 4), *range(128, 256, 8), *range(256, 1025, 16))
#: 8-bit weights of four channels are a 32-bit word, which kernels load and multiply at once: on an emulated Cortex-M7 34 channels
#: took 26 % more instructions than 32, on an M0 31 %, and on both more than even 36. Up to `FEW` channels each one counts more.
WORD, FEW = 4, 16


@dataclass(frozen=True)
class MacroChoices:
    """What may be chosen around the cells."""

    input_shape: tuple[int, int, int]
    classes: int
    timesteps: int
    spiking_input: bool
    #: Channels of the first cell, rising.
    channels: tuple[int, ...]
    weight_bits: tuple[int, ...]
    head_pools: tuple[int, ...]
    stem_strides: tuple[int, ...]
    hidden: tuple[int, ...]
    #: Most synaptic operations of an inference.
    max_synaptic_operations: int
    #: Least points that a doubling of the channels has to gain.
    min_gain: float

    def variants(self, cells: tuple[str, ...]) -> list[Architecture]:
        """All macro-architectures around these cells at the fewest channels, the most capable first."""
        found = [
            self.architecture(cells, bits, pool, stride, hidden)
            for bits, pool, stride, hidden in product(self.weight_bits, self.head_pools, self.stem_strides, self.hidden)
        ]
        possible = [a for a in found if min(maps(a)[-1]) >= a.head_pool]
        return sorted(possible, key=macro_points, reverse=True)

    def architecture(self, cells: tuple[str, ...], bits: int, pool: int, stride: int, hidden: int) -> Architecture:
        """One macro-architecture at the fewest channels."""
        return Architecture(
            input_shape=self.input_shape,
            classes=self.classes,
            cells=cells,
            channels=self.channels[0],
            timesteps=self.timesteps,
            weight_bits=bits,
            spiking_input=self.spiking_input,
            stem_stride=stride,
            head_pool=pool,
            hidden=hidden,
        )

    def smallest(self, cells: tuple[str, ...]) -> Architecture:
        """The macro-architecture with the fewest weights and neurons around these cells."""
        choices = self.variants(cells)
        return min(choices, key=lambda a: (a.weight_bits, -a.stem_stride, -a.head_pool, a.hidden))

    @cached_property
    def worthwhile(self) -> tuple[int, ...]:
        """Channels up to where a doubling would gain less than `min_gain`."""
        kept = [self.channels[0]]
        for narrow, wide in zip(self.channels, self.channels[1:], strict=False):
            if gain_per_doubling(narrow, wide) < self.min_gain:
                break
            kept.append(wide)
        return tuple(kept)


def gain_per_doubling(narrow: int, wide: int) -> float:
    """Points that widening gains, brought to a doubling of the channels."""
    return float(WIDTH_POINTS * (narrow**-0.5 - wide**-0.5) / log2(wide / narrow))


def filled(cells: tuple[str, ...], choices: MacroChoices, evaluator: Evaluator) -> Architecture | None:
    """The macro-architecture with the most capacity around these cells; None where nothing fits.

    Each variant is sized first at the fewest channels that would beat the best one so far: most end there.
    """
    best: Architecture | None = None
    for variant in choices.variants(cells):
        channels = choices.worthwhile
        if best is not None:
            channels = channels[bisect_right(channels, macro_points(best), key=partial(_points_at, variant)) :]
        best = widest(variant, channels, choices.max_synaptic_operations, evaluator) or best
    return best


def widest(variant: Architecture, channels: Sequence[int], limit: int, evaluator: Evaluator) -> Architecture | None:
    """The variant at the last of rising channels that fits the target and the compute limit; None if not even the first does.

    The compute limit is bisected first, since counting operations is much cheaper than estimating memory. The width that it
    allows is estimated next: on targets with room to spare that is the only estimate, and there channels fill words. Where
    memory binds it is filled instead.
    """
    affordable = _last_true(channels, lambda c: evaluator.operations(at_width(variant, c)) <= limit)
    if affordable is None:
        return None
    within = channels[: affordable + 1]
    words = at_width(variant, next(filter(fills_words, reversed(within)), within[-1]))
    if evaluator.roomy(words) or evaluator.sized(at_width(variant, within[-1])).fits:
        return words
    fitting = _last_true(channels[:affordable], lambda c: evaluator.sized(at_width(variant, c)).fits)
    return None if fitting is None else at_width(variant, channels[fitting])


def fills_words(channels: int) -> bool:
    """Whether kernels leave no part of a word empty, or channels are so few that each one counts more."""
    return channels <= FEW or channels % WORD == 0


def at_width(variant: Architecture, channels: int) -> Architecture:
    """The architecture with so many channels in its first cell."""
    return variant.model_copy(update={"channels": channels})


def _points_at(variant: Architecture, channels: int) -> float:
    return macro_points(at_width(variant, channels))


def _last_true(items: Sequence[int], holds: Callable[[int], bool]) -> int | None:
    """Index of the last item for which a property holds that, once lost, stays lost; None if it never holds."""
    if not items or not holds(items[0]):
        return None
    low, high = 0, len(items)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(items[middle]) else (low, middle)
    return low
