"""Sessions that run, with a way to end one."""

from __future__ import annotations

from typing import Any, Final

from hoopgate.approvals.model import check_reason
from hoopgate.console.html import Markup, tag
from hoopgate.console.layout import (
    announced,
    empty,
    heading,
    hidden,
    joined,
    part,
    span,
    table,
    verdict,
)
from hoopgate.console.visits import Page, Redirect, Visit
from hoopgate.errors import Refused

_PER_PAGE: Final = 100


async def live(visit: Visit, told: Markup | None = None, status: int = 200) -> Page:
    """``/live``: sessions that run now, the newest first.

    :raises Refused: ``console.role``.
    """
    visit.roles.demand("auditor", "operator")
    wanted = {name: visit.query.get(name, "").strip() for name in ("who", "resource")}
    running = sorted(visit.parts.node.sessions.values(), key=lambda one: -one.began)
    found = [one for one in running if _matches(one, wanted)] if any(wanted.values()) else running
    shown, pages = part(found, visit, _PER_PAGE, "/live")
    count = f"{len(found)} of {len(running)}" if found is not running else f"{len(running)}"
    nothing = "No session matches." if running else "Nobody is connected."
    body = joined(
        told,
        heading("Live sessions", "Who is connected through this gateway now."),
        _filters(visit, wanted) if len(running) > _PER_PAGE or any(wanted.values()) else None,
        tag(
            "section",
            [
                tag("p", "Running: ", tag("b", count), class_="count"),
                table(
                    ("Who", "Resource", "State", "For", "From", ""),
                    [_row(visit, one) for one in shown],
                ),
                pages,
            ]
            if shown
            else empty(nothing, "Sessions appear here by themselves."),
            id="live",
            data_live="live",
        ),
    )
    return Page("Live sessions", body, "/live", status)


def _matches(one: Any, wanted: dict[str, str]) -> bool:
    who = one.facts.principal
    names = (who.subject, who.owner, *who.actors)
    return (
        any(wanted["who"].casefold() in name.casefold() for name in names)
        and wanted["resource"].casefold() in one.facts.resource.casefold()
    )


def _filters(visit: Visit, wanted: dict[str, str]) -> Markup:
    def field(name: str, label: str, **more: bool) -> Markup:
        made = tag("input", name=name, id=name, value=wanted[name] or None, type="search", **more)
        return tag("div", tag("label", label, for_=name), made)

    return tag(
        "form",
        field("who", "Identity", data_search=True),
        field("resource", "Resource"),
        tag("div", tag("button", "Search"), class_="buttons"),
        method="get",
        action="/live",
        class_="filters",
        role="search",
    )


def _row(visit: Visit, one: Any) -> Markup:
    who = one.facts.principal
    name: Markup | str = who.subject
    if visit.roles.auditor:
        name = tag("a", who.subject, href=f"/sessions/{one.facts.id}#end")
    behind = [f"for {who.owner}"] if who.owner else []
    behind += [f"through {actor}" for actor in who.actors]
    lasted = span(visit.parts.now() - one.began)
    return tag(
        "tr",
        tag("td", name, tag("small", ", ".join(behind)) if behind else None),
        tag("td", one.facts.resource, tag("small", one.facts.protocol)),
        tag("td", verdict("busy" if one.relay.busy() else "idle")),
        tag("td", tag("span", lasted, data_since=int(one.began * 1000))),
        tag("td", one.facts.peer, tag("small", one.facts.application)),
        tag("td", _ending(visit, one.facts.id) if visit.roles.operator else None),
        data_entry=True,
    )


def _ending(visit: Visit, session: str) -> Markup:
    return tag(
        "details",
        tag("summary", "End…", class_="button danger"),
        tag(
            "form",
            hidden(visit),
            tag("label", "Reason", for_=f"r-{session}"),
            tag("input", id=f"r-{session}", name="reason", required=True, minlength=3,
                maxlength=500),
            tag("button", "End this session", class_="deny"),
            method="post",
            action=f"/live/{session}/end",
        ),
        class_="drop",
    )  # fmt: skip


async def end(visit: Visit, session: str) -> Page | Redirect:
    """``POST /live/ID/end``.

    :raises Refused: ``console.role``, ``session.unknown``.
    """
    visit.roles.demand("operator")
    try:
        reason = check_reason(visit.form.get("reason", ""))
    except Refused as refused:
        return await live(visit, announced(f"Not ended: {refused}.", bad=True), 422)
    await visit.parts.node.end_session(session, visit.who, reason)
    return Redirect("/live")
