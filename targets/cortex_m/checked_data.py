"""Arrays of C whose every line carries a checksum that the compiler evaluates: damaged data does not build.

Comes in: 32-bit words. Goes out: C text. A wrong checksum gives a bit field named model_data_is_corrupted a negative width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_WORDS_PER_LINE = 8
_PRIME = 65521

_CHECK = """\
/* One line of data: the checksum covers the line's number, the values and their order. */
#define SNN_CHECK(n, a, b, c, d, e, f, g, h) \\
    ((1U * (n) + 3U * ((a) % 65521U) + 5U * ((b) % 65521U) + 7U * ((c) % 65521U) + 11U * ((d) % 65521U) + \\
      13U * ((e) % 65521U) + 17U * ((f) % 65521U) + 19U * ((g) % 65521U) + 23U * ((h) % 65521U) + \\
      29U * ((a) / 65521U + (b) / 65521U + (c) / 65521U + (d) / 65521U + (e) / 65521U + (f) / 65521U + \\
             (g) / 65521U + (h) / 65521U)) % 65521U)
#define SNN_INTACT(check) 0U * (uint32_t)sizeof(struct { int model_data_is_corrupted : (check) ? 1 : -1; })
"""
_NAMES = "abcdefgh"


def _line_macro(count: int) -> str:
    """SNN_LINE_count: that many words; the checksum takes 0 for the others."""
    names = list(_NAMES[:count])
    filled = ", ".join([*names, *["0U"] * (_WORDS_PER_LINE - count)])
    rest = "".join(f" {name}," for name in names[1:])
    arguments = ", ".join(names)
    head = f"#define SNN_LINE_{count}(n, {arguments}, sum) "
    return head + f"\\\n    (a) + SNN_INTACT(SNN_CHECK(n, {filled}) == (sum)),{rest}\n"


MACROS = _CHECK + "".join(_line_macro(count) for count in range(1, _WORDS_PER_LINE + 1))
"""C macros in front of all arrays."""


def checksum(line: int, words: Sequence[int]) -> int:
    """What SNN_CHECK computes."""
    factors = (3, 5, 7, 11, 13, 17, 19, 23)
    low = sum(factor * (word % _PRIME) for factor, word in zip(factors, words, strict=True))
    return (line + low + 29 * sum(word // _PRIME for word in words)) % _PRIME


def array(symbol: str, values: NDArray[np.unsignedinteger], comment: str) -> str:
    """C text of an array of 32-bit words, eight to a line, each line with its checksum, and an assertion of its length."""
    words = [int(value) for value in values]
    lines = []
    for line, start in enumerate(range(0, len(words), _WORDS_PER_LINE)):
        chunk = words[start : start + _WORDS_PER_LINE]
        padded = [*chunk, *[0] * (_WORDS_PER_LINE - len(chunk))]
        literals = ", ".join(f"0x{word:X}U" for word in chunk)
        lines.append(f"    SNN_LINE_{len(chunk)}({line}U, {literals}, {checksum(line, padded)}U)")
    body = "\n".join(lines)
    length = f'_Static_assert(sizeof {symbol} == {4 * len(words)}U, "{symbol} has lost or gained data");\n'
    return f"/* {comment} */\nstatic const uint32_t {symbol}[] = {{\n{body}\n}};\n{length}"
