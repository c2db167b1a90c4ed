"""The templates of this folder, ready to be filled: strict about names, escaped where they are HTML."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from targets.sizes import format_size

if TYPE_CHECKING:
    from jinja2 import Environment


def templates(**filters: Callable[..., Any]) -> Environment:
    """An environment with these filters, and `size` for bytes. Only `.html.j2` is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader("pipeline.report"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        lstrip_blocks=True,
    )
    environment.filters.update(size=format_size, **filters)
    return environment


def style() -> Markup:
    """The style sheet that all pages share."""
    return Markup(files("pipeline.report").joinpath("templates/style.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
