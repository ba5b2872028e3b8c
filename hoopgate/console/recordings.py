"""Recorded sessions: search and replay."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from hoopgate.console import opening
from hoopgate.console.archive import Found, Line, Recording
from hoopgate.console.html import Markup, join, tag
from hoopgate.console.layout import (
    chips,
    empty,
    facts,
    heading,
    joined,
    moment,
    span,
    table,
    verdict,
)
from hoopgate.console.visits import File, Page, Visit
from hoopgate.errors import Refused
from hoopgate.recorder.replay import Summary

_PER_PAGE: Final = 50
_LINES: Final = 1500
_VERDICTS: Final = ("allow", "mask", "block", "hold")
FILTERS: Final = ("who", "resource", "verdict", "text", "request", "from", "to", "before")


async def search(visit: Visit) -> Page:
    """``/sessions``: all recordings, or those that a search finds.

    :raises Refused: ``console.role``, ``log.bad``.
    """
    visit.roles.demand("auditor")
    wanted, found = await searched(visit, _PER_PAGE)
    filtered = any(wanted[name] for name in FILTERS[:-1])
    rows = [_row(one) for one in found.summaries]
    nothing = "Nothing is recorded yet.", "The first session will be here once it has begun."
    if found.older is not None:
        nothing = "Nothing so far.", "Older sessions were not looked at yet."
    elif filtered or wanted["before"]:
        nothing = "No session matches.", "Try fewer words."
    body = joined(
        heading("Recordings", "Every session that this node has recorded, the newest first."),
        _filters(visit, wanted),
        tag("p", _count(found), id="count", class_="count", aria_live="polite"),
        tag(
            "div",
            table(("Who", "Resource", "Began", "Lasted", "Requests"), rows)
            if rows
            else empty(*nothing),
            id="found",
        ),
        _pages(wanted, found, filtered),
    )
    return Page("Recordings", body, "/sessions")


async def searched(visit: Visit, most: int) -> tuple[dict[str, str], Found]:
    """What the query asks for, and at most so many sessions of it.

    :raises Refused: ``log.bad``, ``log.unreadable``.
    """
    wanted = {name: visit.query.get(name, "").strip() for name in FILTERS}
    before = wanted["before"]
    found = await visit.parts.archive.search(
        matching(wanted),
        text=wanted["text"],
        request=wanted["request"],
        before=int(before) if before.isdecimal() and len(before) < 19 else None,
        limit=most,
    )
    return wanted, found


def _count(found: Found) -> Markup:
    number = join("Found: ", tag("b", len(found.summaries), id="number"))
    if found.older is None:
        return number
    return join(number, ", back to ", moment(found.since / 1e6) if found.since else "now")


def matching(wanted: dict[str, str]) -> Callable[[Summary], bool]:
    """A test by identity, resource, verdict and time."""
    who, resource = wanted["who"].casefold(), wanted["resource"].casefold()
    since, until = _day(wanted["from"]), _day(wanted["to"])

    def match(one: Summary) -> bool:
        return (
            who in one.subject.casefold()
            and resource in one.resource.casefold()
            and (not wanted["verdict"] or wanted["verdict"] in one.verdicts)
            and (since is None or one.start >= since)
            and (until is None or one.start < until + 86_400_000_000)
        )

    return match


def _day(text: str) -> int | None:
    """Its start, µs since the epoch, UTC."""
    try:
        return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()) * 1_000_000
    except (ValueError, OverflowError):
        return None


def _filters(visit: Visit, wanted: dict[str, str]) -> Markup:
    def text(name: str, label: str, **more: str | bool | None) -> Markup:
        field = tag("input", name=name, id=name, value=wanted[name] or None, **more)
        return tag("div", tag("label", label, for_=name), field)

    options = [tag("option", "any", value="")] + [
        tag("option", name, value=name, selected=wanted["verdict"] == name) for name in _VERDICTS
    ]
    choice = tag("select", options, name="verdict", id="verdict")
    names = [tag("option", value=name) for name in visit.parts.settings.resources]
    return tag(
        "form",
        text("text", "Statement text", type="search", data_search=True),
        text("who", "Identity"),
        text("resource", "Resource", list="resources"),
        tag("datalist", names, id="resources"),
        tag("div", tag("label", "Verdict", for_="verdict"), choice),
        text("from", "From (UTC)", type="date"),
        text("to", "To (UTC)", type="date"),
        text("request", "Request id", placeholder="req-…"),
        tag("div", tag("button", "Search"), class_="buttons"),
        method="get",
        action="/sessions",
        class_="filters",
        role="search",
    )


def _row(one: Summary) -> Markup:
    ended = (
        verdict("running")
        if one.end is None
        else join(span((one.end - one.start) / 1e6), tag("small", one.reason))
    )
    return tag(
        "tr",
        tag("td", tag("a", one.subject or "(node)", href=f"/sessions/{one.id}"),
            tag("small", one.id)),
        tag("td", one.resource, tag("small", one.protocol)),
        tag("td", moment(one.start / 1e6)),
        tag("td", ended),
        tag("td", tag("span", one.requests, class_="number"), " ",
            [verdict(name, count) for name, count in sorted(one.verdicts.items())]),
        data_entry=True,
    )  # fmt: skip


def _pages(wanted: dict[str, str], found: Found, filtered: bool) -> Markup | None:
    """:param filtered: what was looked for may be far: the browser may go on by itself."""
    if found.older is None and not wanted["before"]:
        return None
    fields = {name: value for name, value in wanted.items() if value and name != "before"}
    more = urlencode(fields | {"before": str(found.older)})
    return tag(
        "nav",
        tag("a", "Newest", href=f"/sessions?{urlencode(fields)}") if wanted["before"] else None,
        tag(
            "a",
            "Older →",
            href=f"/sessions?{more}",
            data_more=filtered and len(found.summaries) < _PER_PAGE,
        )
        if found.older is not None
        else tag("span", "No older ones"),
        id="pages",
        class_="pages",
        aria_label="Results",
    )


async def replay(visit: Visit, session: str) -> Page:
    """``/sessions/ID``: what happened, as a timeline. That it was looked at is recorded first.
    Where it is sealed to auditors: how to open it.

    :raises Refused: ``console.role``, ``log.bad``, ``session.unknown``.
    """
    visit.roles.demand("auditor")
    parts = visit.parts
    running = session in parts.node.sessions
    if not visit.passive:
        await _viewed(visit, session)
    try:
        recording = await parts.archive.replay(session, opening.opened(visit, session))
    except Refused as refused:
        if refused.code != "recording.sealed":
            raise
        return opening.sealed(visit, session)
    lines = recording.lines
    first = 0
    if running:
        first = max(0, len(lines) - _LINES)
    elif visit.query.get("from", "").isdecimal():
        first = min(int(visit.query["from"]), max(0, len(lines) - 1))
    page = lines[first : first + _LINES]
    summary = recording.summary
    body = joined(
        tag("p", tag("a", "← Recordings", href="/sessions"), class_="crumb"),
        heading(
            join(tag("span", summary.subject or "(node)", class_="subject"), " → ",
                 summary.resource),
            join(_verified(recording), " ", summary.id),
            verdict("running") if running else None,
        ),
        tag(
            "div",
            tag(
                "div",
                tag(
                    "div",
                    tag("label", "Find in this session", for_="find"),
                    tag("input", id="find", type="search", data_search=True,
                        data_filter="timeline"),
                    class_="find",
                ),
                _earlier(session, first, len(lines)) if not running else None,
                tag(
                    "ol",
                    [_line(one, first + index, summary) for index, one in enumerate(page)],
                    id="timeline",
                    class_="timeline",
                    data_live="log" if running else None,
                    data_follow=running,
                    tabindex="0",
                ),
                tag("span", id="end"),
                class_="content",
            ),
            tag("aside", _about(recording), _jumps(page, first)),
            class_="split",
        ),
        tag("span", id="running", data_watch="live", data_value=str(running), hidden=True),
    )  # fmt: skip
    return Page(f"{summary.subject} → {summary.resource}", body, "/sessions")


async def _viewed(visit: Visit, session: str) -> None:
    """Record that somebody looks, before he does."""
    detail = {
        "session": session,
        "issuer": visit.who.issuer[:200],
        "subject": visit.who.subject[:200],
    }
    await visit.parts.recorder.append("replay.view", detail)


async def cast(visit: Visit, session: str) -> File:
    """``/sessions/ID/cast``: for a player of asciicasts, as ``hoopgate replay --cast``.

    :raises Refused: ``console.role``, ``log.bad``, ``session.unknown``.
    """
    visit.roles.demand("auditor")
    await _viewed(visit, session)
    content = await visit.parts.archive.cast(session, opening.opened(visit, session))
    return File(f"{session}.cast", "application/x-asciicast", content)


async def terminal(visit: Visit, session: str) -> Page:
    """``/sessions/ID/terminal``: the session as it was seen. That it is looked at is recorded when
    the player fetches it.

    :raises Refused: ``console.role``, ``log.bad``, ``session.unknown``.
    """
    visit.roles.demand("auditor")
    summary = await visit.parts.archive.summary(session)
    body = joined(
        tag("p", tag("a", "← Timeline", href=f"/sessions/{session}"), class_="crumb"),
        heading(
            join(tag("span", summary.subject or "(node)", class_="subject"), " → ",
                 summary.resource),
            summary.id,
        ),
        tag("p", id="terminal-told", class_="notice bad", role="alert", hidden=True),
        tag("div", id="terminal", class_="terminal", data_cast=f"/sessions/{session}/cast"),
        tag("p", "Space plays and pauses, ", tag("kbd", "."), " steps, ", tag("kbd", "f"),
            " fills the screen. Pauses are shortened to two seconds.", class_="about"),
    )  # fmt: skip
    return Page(f"{summary.subject} → {summary.resource}", body, "/sessions", plays=True)


def _verified(recording: Recording) -> Markup:
    return tag(
        "span",
        "✓ verified",
        class_="verdict good",
        title=f"Every line is proven by the checkpoint of {recording.checkpoint.size} leaves.",
    )


def _about(recording: Recording) -> Markup:
    summary, known = recording.summary, recording.facts
    ended = None if summary.end is None else moment(summary.end / 1e6)
    return tag(
        "section",
        tag("h2", "Session"),
        facts(
            ("Agent", summary.subject),
            ("On behalf of", str(known.get("owner", ""))),
            ("Through", ", ".join(map(str, known.get("actors", ())))),
            ("Groups", chips(*map(str, known.get("groups", ()))) if known.get("groups") else None),
            ("Resource", f"{summary.resource} ({summary.protocol})"),
            ("From", summary.peer),
            ("Began", moment(summary.start / 1e6)),
            ("Ended", join(ended, " ", summary.reason) if ended else "still running"),
            (
                "Requests",
                join(
                    tag("span", summary.requests),
                    " ",
                    [verdict(name, count) for name, count in sorted(summary.verdicts.items())],
                ),
            ),
        ),
        tag(
            "p",
            tag(
                "a", "Play as a terminal", href=f"/sessions/{summary.id}/terminal", class_="button"
            ),
            " ",
            tag("a", "Download for asciinema", href=f"/sessions/{summary.id}/cast", download=True),
            class_="about",
        ),
    )


def _jumps(lines: Sequence[Line], first: int) -> Markup | None:
    """Links to the requests of this page."""
    found = [
        tag("li", tag("a", one.text[:120].removeprefix("→ "), href=f"#l{first + index}"))
        for index, one in enumerate(lines)
        if one.kind == "request"
    ]
    if not found:
        return None
    return tag("section", tag("h2", "Statements"), tag("ol", found, class_="jumps"))


_WORDS: Final = re.compile(r"\s*(allow|mask|block|hold) (.*)", re.DOTALL)


def _line(one: Line, number: int, summary: Summary) -> Markup:
    text: Markup | str = one.text.removeprefix("→ ").removeprefix("← ")
    match = _WORDS.fullmatch(one.text) if one.kind == "decision" else None
    if match is not None:
        text = join(verdict(match[1]), " ", match[2])
    return tag(
        "li",
        tag("a", f"+{(one.time - summary.start) / 1e6:.3f}", href=f"#l{number}",
            title=f"leaf {one.leaf} of the log"),
        tag("span", text),
        id=f"l{number}",
        class_=one.kind,
    )  # fmt: skip


def _earlier(session: str, first: int, count: int) -> Markup | None:
    if count <= _LINES:
        return None
    steps = range(0, count, _LINES)
    return tag(
        "nav",
        [
            tag(
                "a",
                f"{start + 1}–{min(count, start + _LINES)}",
                href=f"/sessions/{session}?from={start}",
                aria_current="page" if start == first else None,
            )
            for start in steps
        ],
        class_="pages",
        aria_label="Parts of this recording",
    )
