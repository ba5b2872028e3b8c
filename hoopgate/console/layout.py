"""The frame of every page, and the few forms that pages have in common."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from importlib.resources import files
from typing import Final, TypeVar
from urllib.parse import urlencode

from hoopgate.console.html import Child, Markup, join, tag
from hoopgate.console.visits import Page, Roles, Visit

T = TypeVar("T")

_STATIC = files("hoopgate.console") / "static"


class Asset:
    """A file that browsers keep: its address changes with its content."""

    def __init__(self, name: str, kind: str) -> None:
        self.content = (_STATIC / name).read_bytes()
        self.kind = kind
        stem, _, ending = name.rpartition(".")
        self.path = f"/static/{stem}.{hashlib.sha256(self.content).hexdigest()[:16]}.{ending}"


CSS: Final = Asset("console.css", "text/css; charset=utf-8")
SCRIPT: Final = Asset("console.js", "text/javascript; charset=utf-8")
ICON: Final = Asset("icon.svg", "image/svg+xml")
#: https://github.com/asciinema/asciinema-player, 3.18.0, Apache-2.0: asciinema-player.LICENSE.
PLAYER: Final = Asset("asciinema-player.js", "text/javascript; charset=utf-8")
PLAYER_CSS: Final = Asset("asciinema-player.css", "text/css; charset=utf-8")
TERMINAL: Final = Asset("terminal.js", "text/javascript; charset=utf-8")
ASSETS: Final = {asset.path: asset for asset in (CSS, SCRIPT, ICON, PLAYER, PLAYER_CSS, TERMINAL)}

#: Path, name, and the roles of which one is needed.
_PLACES: Final = (
    ("/approvals", "Approvals", ("reviewer", "auditor", "operator")),
    ("/live", "Live", ("auditor", "operator")),
    ("/sessions", "Recordings", ("auditor",)),
    ("/log", "Log", ("auditor", "operator")),
    ("/identities", "Identities", ("auditor", "operator")),
    ("/rules", "Rules", ("reviewer", "auditor", "operator")),
)


def document(page: Page, visit: Visit | None, waiting: int = 0, news: str = "") -> bytes:
    """The whole page.

    :param visit: None: nobody is logged in.
    :param waiting: requests that this person may decide.
    :param news: :meth:`hoopgate.console.live.Streams.position` from before the page was made.
    """
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"({waiting}) " if waiting else "", page.title, " · hoopgate"),
        tag("link", rel="stylesheet", href=CSS.path),
        tag("link", rel="stylesheet", href=PLAYER_CSS.path) if page.plays else None,
        tag("link", rel="icon", href=ICON.path),
        tag("script", src=SCRIPT.path, defer=True) if visit is not None else None,
        [tag("script", src=one.path, defer=True) for one in (PLAYER, TERMINAL)]
        if page.plays
        else None,
    )
    body = tag(
        "body",
        tag("a", "Skip to the content", href="#main", class_="skip"),
        _header(page, visit, waiting),
        tag("main", page.body, id="main", tabindex="-1"),
        _keys() if visit is not None else None,
        data_live="on" if visit is not None else None,
        data_news=news or None,
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n".encode()


def _header(page: Page, visit: Visit | None, waiting: int) -> Markup:
    brand = tag("a", tag("img", src=ICON.path, alt="", width=28, height=28), "hoopgate", href="/",
                class_="brand")  # fmt: skip
    if visit is None:
        return tag("header", brand, class_="bar")
    links = [
        tag(
            "a",
            name,
            _badge(waiting) if path == "/approvals" else None,
            href=path,
            aria_current="page" if page.at == path else None,
        )
        for path, name, roles in _PLACES
        if any(getattr(visit.roles, role) for role in roles)
    ]
    return tag(
        "header",
        brand,
        tag("nav", links, aria_label="Pages"),
        tag(
            "form",
            hidden(visit),
            tag("span", visit.who.subject, class_="me", title=described(visit.roles)),
            tag("button", "Log out", class_="quiet"),
            method="post",
            action="/logout",
        ),
        class_="bar",
    )


def _badge(waiting: int) -> Markup:
    return tag(
        "span",
        waiting or "",
        class_="badge",
        id="waiting",
        data_live="approvals",
        hidden=not waiting,
        aria_label=f"{waiting} to decide",
    )


def _keys() -> Markup:
    rows = (
        ("j  k", "next, previous entry"),
        ("Enter", "open it"),
        ("a  d", "approve, deny: to the reason first"),
        ("/", "search"),
        ("g", "then a approvals, l live, r recordings, o log, i identities, u rules"),
        ("?", "this list"),
    )
    return tag(
        "dialog",
        tag("h2", "Keys"),
        tag("dl", [[tag("dt", [tag("kbd", key) for key in keys.split()]), tag("dd", what)]
                   for keys, what in rows]),
        tag("form", tag("button", "Close"), method="dialog"),
        id="keys",
    )  # fmt: skip


def described(roles: Roles) -> str:
    """``reviewer, auditor``."""
    names = ("reviewer", "auditor", "operator")
    return ", ".join(name for name in names if getattr(roles, name))


def hidden(visit: Visit) -> Markup:
    """The field without which no form is taken."""
    return tag("input", type="hidden", name="csrf", value=visit.csrf)


def heading(title: Child, about: Child = None, *more: Child) -> Markup:
    """The top of a page."""
    told = tag("p", about, class_="about") if about else None
    return tag("div", tag("div", tag("h1", title), told), *more, class_="heading")


def facts(*rows: tuple[str, Child]) -> Markup:
    """Names and values, those without a value left out."""
    return tag(
        "dl", [[tag("dt", name), tag("dd", value)] for name, value in rows if value], class_="facts"
    )


def chips(*words: str, kind: str = "") -> Markup:
    """Short words beside each other."""
    return tag("span", [tag("span", word, class_=f"chip {kind}".strip()) for word in words],
               class_="chips")  # fmt: skip


def verdict(word: str, count: int | None = None) -> Markup:
    """A verdict or a state, in its colour."""
    return tag("span", word, f" {count}" if count is not None else "", class_=f"verdict {word}")


def empty(title: str, about: str) -> Markup:
    """What stands where there is nothing."""
    return tag("div", tag("p", title), tag("p", about), class_="empty")


def moment(seconds: float) -> Markup:
    """A time; a script shows it in the reader's zone."""
    utc = time.gmtime(max(0.0, min(seconds, 2.5e11)))
    return tag(
        "time",
        time.strftime("%Y-%m-%d %H:%M:%S UTC", utc),
        datetime=time.strftime("%Y-%m-%dT%H:%M:%SZ", utc),
    )


def remaining(seconds: float, until: float, whole: float = 0.0) -> Markup:
    """Time left, counted down by a script."""
    bar = (
        tag("progress", value=int(max(0, seconds)), max=max(1, int(whole)), aria_hidden="true")
        if whole
        else None
    )
    return tag(
        "span",
        tag("span", span(seconds), class_="left"),
        bar,
        class_="remaining soon" if seconds < 60 else "remaining",
        data_until=int(until * 1000),
    )


def span(seconds: float) -> str:
    """``1:05`` or ``2:01:05``."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def announced(text: str, *, bad: bool = False) -> Markup:
    """What came of what was just done."""
    return tag("p", text, class_="notice bad" if bad else "notice", role="alert")


def joined(*children: Child) -> Markup:
    """A page's body."""
    return join(*children)


def table(names: Sequence[str], rows: list[Markup]) -> Markup:
    """Rows under the names of their columns."""
    head = tag("tr", [tag("th", name, scope="col") for name in names])
    return tag("div", tag("table", tag("thead", head), tag("tbody", rows)), class_="scroll")


def part(
    entries: Sequence[T], visit: Visit, most: int, path: str
) -> tuple[Sequence[T], Markup | None]:
    """The entries of the page that is asked for (``page``), and the way to the others."""
    last = max(1, -(-len(entries) // most))
    asked = visit.query.get("page", "")
    number = min(last, max(1, int(asked))) if asked.isdecimal() and len(asked) < 10 else 1
    shown = entries[(number - 1) * most : number * most]
    if last == 1:
        return shown, None

    def link(to: int, text: str) -> Markup:
        if not 1 <= to <= last:
            return tag("span", text)
        return tag("a", text, href=f"{path}?{urlencode({**visit.query, 'page': to})}")

    pages = link(number - 1, "← Before"), tag("span", f"{number} of {last}")
    return shown, tag("nav", *pages, link(number + 1, "Next →"), class_="pages", aria_label="Pages")
