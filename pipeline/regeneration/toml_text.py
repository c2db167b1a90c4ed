"""JSON-like values as TOML text, always the same bytes for equal values: keys sorted, one key a line.

The standard library reads TOML and does not write it; this is the part that a lock file needs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(table: Mapping[str, Any]) -> str:
    """The document of a table. None is left out, as TOML has no word for it; lists hold no tables.

    Raises:
        TypeError: a value that TOML, or this writer, cannot express.
    """
    return "\n".join(_lines(table, ())).strip() + "\n"


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    leaves = {name: value for name, value in table.items() if value is not None and not _is_table(value)}
    tables = {name: value for name, value in table.items() if _is_table(value)}
    if path and (leaves or not tables):
        yield ""
        yield f"[{'.'.join(map(_key, path))}]"
    for name in sorted(leaves):
        yield f"{_key(name)} = {_value(leaves[name])}"
    for name in sorted(tables):
        yield from _lines(tables[name], (*path, name))


def _is_table(value: Any) -> bool:
    """Whether a value gets a header of its own; two numbers that belong together stay on one line."""
    if not isinstance(value, Mapping):
        return False
    pair = 1 <= len(value) <= 2 and all(isinstance(item, (int, float)) for item in value.values())
    return not pair


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _string(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(name)} = {_value(value[name])}" for name in sorted(value)) + "}"
    raise TypeError(f"{type(value).__name__} has no place in a lock file")


def _string(text: str) -> str:
    """JSON's escapes are TOML's, but for DEL, which JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
