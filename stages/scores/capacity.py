"""What the sizes around the cells are worth: channels, cells, weight bits, the classifier's view.

Comes in: an architecture. Goes out: points (0 is an unlimited network), comparable to percent of accuracy.

The forms are known. The constants are decisions, read off published figures and not fitted to anything trained here:

- Error falls about with the square root of the width, so each doubling of the channels is worth less than the one before.
- Quantization noise falls with 4**-bits: 8 and 4 bits train to the same accuracy, 2 bits lose about a point.
- Every halving of the image costs positions: a last cell that sees 4 rows costs twice what one that sees 8 rows costs.
- A further cell doubles the channels and the context; the second one pays, others less.
"""

from __future__ import annotations

from math import log2, sqrt

from stages.scores.subject import Subject
from stages.snn.architecture import Architecture

WIDTH_POINTS = 14.0
QUANTIZATION_POINTS = 19.0
RESOLUTION_POINTS = 8.0
POOLING_POINTS = 0.4
CELL_POINTS = 6.0


def capacity(subject: Subject) -> float:
    """Points for the macro-architecture of a subject."""
    return macro_points(subject.architecture)


def macro_points(a: Architecture) -> float:
    """Points for a macro-architecture, whatever its cells are."""
    width = -WIDTH_POINTS / sqrt(a.channels)
    quantization = -QUANTIZATION_POINTS * 2.0 ** (-2 * a.weight_bits)
    resolution = -RESOLUTION_POINTS / min(maps(a)[-1])
    pooling = -POOLING_POINTS * log2(a.head_pool)
    depth = -CELL_POINTS * 2.0 ** (-2 * len(a.cells))
    return width + quantization + resolution + pooling + depth


def maps(a: Architecture) -> list[tuple[int, int]]:
    """Rows and columns that each cell sees."""
    rows, columns = ((size - 1) // a.stem_stride + 1 for size in a.input_shape[1:])
    seen = [(rows, columns)]
    for _ in a.cells[1:]:
        rows, columns = (rows - 1) // 2 + 1, (columns - 1) // 2 + 1
        seen.append((rows, columns))
    return seen
