"""The names of the classes as one text of a length that depends on their number alone.

Comes in: names. Goes out: a JSON list for the metadata of a file, padded with blanks. A session keeps its file's metadata on the
heap, and search estimates that heap before anybody knows the names; so every class has its share of bytes, and names that
need more are shortened, the longest first.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from targets.errors import ConfigurationError

#: Of the text, on average: enough for the names of all shipped datasets.
BYTES_PER_CLASS = 24
#: Ends a name that was shortened.
_CUT = "~"


def text_bytes(classes: int) -> int:
    """Length of the text."""
    return BYTES_PER_CLASS * classes


def to_text(names: Sequence[str], classes: int) -> str:
    """The names in the order of the scores; numbers where none are given.

    Raises:
        ConfigurationError: there are more or fewer names than classes.
    """
    names = names or [str(index) for index in range(classes)]
    if len(names) != classes:
        raise ConfigurationError(f"{len(names)} names for {classes} classes", "a name for each class, or none at all")
    longest = max(1, *(len(name) for name in names))
    # one character always fits: with quotes and comma at most 15 bytes
    fitting = (text for limit in range(longest, 0, -1) if len(text := _text(names, limit)) <= text_bytes(classes))
    return next(fitting).ljust(text_bytes(classes))


def _text(names: Sequence[str], limit: int) -> str:
    short = [name if len(name) <= limit else name[: limit - 1] + _CUT for name in names]
    return json.dumps(short, separators=(",", ":"))
