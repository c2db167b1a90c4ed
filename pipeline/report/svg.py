"""A few SVG elements as text.

Colours come from the page's style sheet by class, so that one drawing serves light, dark and print.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from markupsafe import Markup


def element(name: str, *children: str, **attributes: object) -> str:
    """One element; `class_` becomes class, an underscore a hyphen, and None leaves an attribute out. Children are markup."""
    written = "".join(
        f' {_ATTRIBUTES.get(key, key.rstrip("_").replace("_", "-"))}="{escape(_text(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{written}>{''.join(children)}</{name}>" if children else f"<{name}{written}/>"


#: Names that SVG writes in camel case.
_ATTRIBUTES = {"viewBox": "viewBox", "marker_end": "marker-end"}


def text(x: float, y: float, content: str, class_: str = "", anchor: str = "start", turn: int | None = None) -> str:
    """Text at its baseline, turned by degrees about that point if asked for."""
    turned = None if turn is None else f"rotate({turn} {x:.1f} {y:.1f})"
    return element("text", escape(content), x=x, y=y, class_=class_ or None, text_anchor=anchor, transform=turned)


def title(content: str) -> str:
    """What a pointer over the surrounding element, or a screen reader, tells."""
    return element("title", escape(content))


def drawing(width: float, height: float, label: str, parts: Iterable[str], class_: str = "") -> Markup:
    """A whole drawing that scales with its place; `label` says for those who cannot see it what it shows."""
    svg = element(
        "svg",
        title(label),
        *parts,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=label,
        class_=class_ or None,
        style=f"max-width:{1.2 * width:g}px",
    )
    return Markup(svg)  # noqa: S704 - all text in it has passed through `escape`


def _text(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
