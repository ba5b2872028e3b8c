"""HTML in which nothing is markup unless this module made it: every text is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Final

from hoopgate.recorder.render import inert

_VOID: Final = frozenset({"br", "hr", "img", "input", "link", "meta", "wbr"})
#: Longer texts than any that a request or a statement may have.
_WHOLE: Final = 2**31


class Markup(str):
    """HTML as it goes to the browser."""

    __slots__ = ()


Child = str | int | None | Markup | Iterable["Child"]


def shown(text: str) -> str:
    """``text`` with control, invisible and bidirectional characters written out, lines kept."""
    return "\n".join(inert(line, _WHOLE) for line in text.split("\n"))


def join(*children: Child) -> Markup:
    """Children one after the other."""
    return Markup("".join(_render(child) for child in children))


def tag(name: str, /, *children: Child, **attributes: str | int | bool | None) -> Markup:
    """One element.

    :param attributes: ``class_`` for ``class``, ``data_x`` for ``data-x``; True: the bare name;
        None and False: none.
    """
    written = "".join(
        f" {_name(key)}" if value is True else f' {_name(key)}="{_escaped(str(value))}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(*children)}</{name}>")


def _render(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, str | int):
        return _escaped(str(child))
    return "".join(_render(one) for one in child)


def _escaped(text: str) -> str:
    return html.escape(shown(text), quote=True)


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")
