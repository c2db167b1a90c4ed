"""Arrays of C whose every line carries a checksum that the compiler evaluates: damaged data does not build.

Comes in: 32-bit words. Goes out: C text. A wrong checksum gives a bit field named model_data_is_corrupted a negative width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_WORDS_PER_LINE = 8
_PRIME = 65521

CHECKED_LINE = """\
/* One line of data: the checksum covers the line's number, the values and their order. */
#define SNN_CHECK(n, a, b, c, d, e, f, g, h) \\
    ((1U * (n) + 3U * ((a) % 65521U) + 5U * ((b) % 65521U) + 7U * ((c) % 65521U) + 11U * ((d) % 65521U) + \\
      13U * ((e) % 65521U) + 17U * ((f) % 65521U) + 19U * ((g) % 65521U) + 23U * ((h) % 65521U) + \\
      29U * ((a) / 65521U + (b) / 65521U + (c) / 65521U + (d) / 65521U + (e) / 65521U + (f) / 65521U + \\
             (g) / 65521U + (h) / 65521U)) % 65521U)
#define SNN_INTACT(check) 0U * (uint32_t)sizeof(struct { int model_data_is_corrupted : (check) ? 1 : -1; })
#define SNN_LINE(n, a, b, c, d, e, f, g, h, sum) \\
    (a) + SNN_INTACT(SNN_CHECK(n, a, b, c, d, e, f, g, h) == (sum)), b, c, d, e, f, g, h,
"""


def checksum(line: int, words: Sequence[int]) -> int:
    """What SNN_CHECK computes."""
    factors = (3, 5, 7, 11, 13, 17, 19, 23)
    low = sum(factor * (word % _PRIME) for factor, word in zip(factors, words, strict=True))
    return (line + low + 29 * sum(word // _PRIME for word in words)) % _PRIME


def array(symbol: str, ctype: str, values: NDArray[np.unsignedinteger], comment: str) -> str:
    """C text of an array of words, eight to a line, each line with the checksum of its words (the last one filled up with 0)."""
    lines = []
    words = [int(value) for value in values]
    full = len(words) // _WORDS_PER_LINE * _WORDS_PER_LINE
    for line, start in enumerate(range(0, full, _WORDS_PER_LINE)):
        chunk = words[start : start + _WORDS_PER_LINE]
        lines.append(f"    SNN_LINE({line}U, {_literals(chunk)}, {checksum(line, chunk)}U)")
    rest = words[full:]
    if rest:
        padded = [*rest, *[0] * (_WORDS_PER_LINE - len(rest))]
        line = full // _WORDS_PER_LINE
        check = f"SNN_CHECK({line}U, {_literals(padded)}) == {checksum(line, padded)}U"
        guard = f" + SNN_INTACT({check})"
        lines.append(f"    {_literals(rest[:1])}{guard}, {_literals(rest[1:])}")
    body = "\n".join(lines)
    return f"/* {comment} */\nstatic const {ctype} {symbol}[{len(words)}] = {{\n{body}\n}};\n"


def _literals(words: Sequence[int]) -> str:
    return ", ".join(f"0x{word:X}U" for word in words)
