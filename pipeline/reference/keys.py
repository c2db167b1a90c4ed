"""The keys of a file format, read from the model that reads and writes it.

Comes in: a pydantic model or a dataclass, with the `#:` comments above its fields. Goes out: one Key per field, depth first.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from pipeline.sources import LAYERS

_WORDS = {str: "text", int: "integer", float: "number", bool: "true or false", type(None): "none", Any: "anything"}
_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
#: A longer list of choices stands under its own heading in the code.
_MOST_CHOICES = 8


@dataclass(frozen=True)
class Key:
    """One key of a file."""

    path: str
    kind: str
    #: Empty where it must be given.
    default: str
    words: str


def keys_of(model: type[Any], path: str = "") -> Iterator[Key]:
    """Every key of a model, depth first; `[]` stands for each item of a list, NAME for each name of a table."""
    comments = _comments(model)
    for name, (kind, default) in _fields(model).items():
        records, suffix = _records(kind)
        where, words = f"{path}{name}{suffix}", comments.get(name, "")
        yield Key(where, _kind(kind), default, words or " Or: ".join(map(_first_paragraph, records)))
        known = set[Key]()  # alternatives of a union share keys
        for record in records:
            inner = [key for key in keys_of(record, f"{where}.") if key not in known]
            known.update(inner)
            yield from inner


def _fields(model: type[Any]) -> dict[str, tuple[Any, str]]:
    """Type and default of each field."""
    hints = get_type_hints(model, include_extras=True)
    if issubclass(model, BaseModel):
        return {
            name: (Annotated[hints[name], *field.metadata] if field.metadata else hints[name], _default(field))
            for name, field in model.model_fields.items()
        }
    missing = dataclasses.MISSING
    return {
        field.name: (hints[field.name], "" if field.default is missing else _literal(field.default))
        for field in dataclasses.fields(model)
    }


def _default(field: Any) -> str:
    if field.is_required():
        return ""
    value = field.default_factory() if field.default is PydanticUndefined else field.default
    return _literal(value)


def _literal(value: Any) -> str:
    """A default as it would stand in JSON; an empty table where it is a model of its own."""
    if value is None:
        return "none"
    if isinstance(value, Path):
        return value.as_posix()
    return json.dumps(value, default=lambda _: {})


def _records(kind: Any) -> tuple[list[type[Any]], str]:
    """The models that a type holds, several for a union, and how their keys are reached."""
    kind = _bare(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and (issubclass(kind, BaseModel) or dataclasses.is_dataclass(kind)):
        return [kind], ""
    if origin in (Union, types.UnionType):
        found = [_records(each) for each in arguments]
        return [record for records, _ in found for record in records], max(suffix for _, suffix in found)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        records, suffix = _records(arguments[0])
        return (records, f"[]{suffix}") if records else ([], "")
    if isinstance(origin, type) and issubclass(origin, Mapping):
        records, suffix = _records(arguments[1])
        return records, f".NAME{suffix}"
    return [], ""


def _bare(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _kind(kind: Any) -> str:
    """A type in words."""
    if get_origin(kind) is Annotated:
        inner, *rest = get_args(kind)
        if any("parse_size" in repr(each) for each in rest):
            return "size"
        bounds = dict.fromkeys(
            f"{sign} {getattr(each, name)}" for each in rest for name, sign in _BOUNDS.items() if hasattr(each, name)
        )
        return " ".join([_kind(inner), *bounds])
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in _WORDS:
        return _WORDS[kind]
    if origin is Literal:
        shown = ", ".join(f"`{each}`" for each in arguments[:_MOST_CHOICES])
        return shown + (" ..." if len(arguments) > _MOST_CHOICES else "")
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_kind(each) for each in arguments))
    if origin is tuple:
        repeated = len(arguments) == 2 and arguments[1] is Ellipsis
        return f"list of {_kind(arguments[0])}" if repeated else f"[{', '.join(map(_kind, arguments))}]"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"table of {_kind(arguments[1])}".replace("table of table", "table")
    if kind is Path:
        return "path"
    return "table" if isinstance(kind, type) else str(kind)


def _comments(model: type[Any]) -> dict[str, str]:
    """The `#:` comment above each field, those of the model's bases included; a comment holds for the fields that follow on."""
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if each.__module__.split(".")[0] not in LAYERS:
            continue
        lines, _ = inspect.getsourcelines(each)
        source = inspect.cleandoc("\n" + "".join(lines))
        body = ast.parse(source).body[0]
        written = source.splitlines()
        for node in getattr(body, "body", ()):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found[node.target.id] = _above(written, node.lineno - 1)
    return found


def _above(lines: list[str], index: int) -> str:
    words: list[str] = []
    for line in reversed(lines[:index]):
        if not line.strip().startswith("#:"):
            break
        words.insert(0, line.strip().removeprefix("#:").strip())
    return " ".join(words)


def _first_paragraph(model: type[Any]) -> str:
    return (inspect.getdoc(model) or "").split("\n\n")[0].replace("\n", " ")


def table(keys: Iterator[Key]) -> str:
    """Keys as a Markdown table."""
    lines = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for key in keys:
        cells = (f"`{key.path}`", key.kind, f"`{key.default}`" if key.default else "", key.words)
        lines.append(f"| {' | '.join(map(_plain, cells))} |")
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Text that a Markdown table takes as it is."""
    return text.replace("|", "\\|")
