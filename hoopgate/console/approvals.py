"""Requests that wait for a person: the list, one of them, the decision."""

from __future__ import annotations

from typing import Final

from twisted.logger import Logger

from hoopgate.approvals.model import Contents, Request, check_reviewer
from hoopgate.approvals.states import State
from hoopgate.console.decisions import decision, effect, estimated, standing, votes
from hoopgate.console.html import Markup, join, shown, tag
from hoopgate.console.layout import (
    announced,
    chips,
    empty,
    facts,
    heading,
    joined,
    moment,
    part,
    remaining,
    verdict,
)
from hoopgate.console.statements import Marks, marks, pretty
from hoopgate.console.visits import Page, Redirect, Visit
from hoopgate.errors import Refused
from hoopgate.gateway.logging import log_event

log = Logger()

#: Protocols whose statements PostgreSQL's scanner can lay out.
SQL: Final = ("postgres", "mariadb", "mysql")
_PER_PAGE: Final = 50
_PREVIEWED: Final = 30
_HISTORY: Final = 8
_CARD: Final = 2000  #: characters of a statement on a card
_DONE: Final = frozenset(State) - {State.PENDING}


async def waiting(visit: Visit) -> int:
    """How many requests this person may decide."""
    found = await visit.parts.approvals.requests({State.PENDING})
    return sum(_refusal(visit, one) is None for one in found)


async def listing(visit: Visit) -> Page:
    """``/approvals``: what is pending, what was decided last."""
    approvals = visit.parts.approvals
    pending = await approvals.requests({State.PENDING})
    recent = await approvals.requests(_DONE, 20)
    mine = [one for one in pending if _refusal(visit, one) is None]
    others = [one for one in pending if _refusal(visit, one) is not None]
    shown, pages = part(mine, visit, _PER_PAGE, "/approvals")
    cards = [await _card(visit, one, index < _PREVIEWED) for index, one in enumerate(shown)]
    body = joined(
        heading("Approvals", "Statements that wait for a person. The agent waits with them."),
        tag(
            "section",
            [tag("div", cards, class_="cards"), pages]
            if cards
            else empty("Nothing waits for you.", "This page tells when something does."),
            id="pending",
            data_live="approvals",
            aria_live="polite",
        ),
        tag(
            "section",
            [
                tag("h2", f"For other reviewers ({len(others)})"),
                tag(
                    "div",
                    [await _card(visit, one, False) for one in others[:_PER_PAGE]],
                    class_="cards",
                ),
            ]
            if others
            else None,
            id="others",
            data_live="approvals",
        ),
        tag(
            "section",
            tag("h2", "Decided lately"),
            _history(recent) if recent else empty("Nothing yet.", "Decisions will be listed here."),
            id="recent",
            data_live="approvals",
        ),
    )
    return Page("Approvals", body, "/approvals")


async def one(visit: Visit, request_id: str, told: Markup | None = None, status: int = 200) -> Page:
    """``/approvals/ID``: everything a reviewer needs to decide.

    :raises Refused: ``approval.unknown``.
    """
    approvals = visit.parts.approvals
    request = await approvals.get(request_id)
    refusal = _refusal(visit, request)
    member = bool(request.reviewers & visit.who.groups)
    contents = await _contents(visit, request) if member else None
    damaged = member and contents is None and request.state in (State.PENDING, State.APPROVED)
    reason = await approvals.reason(request_id) if member and not damaged else ""
    history = await approvals.history(request, _HISTORY)
    side = tag(
        "aside",
        decision(visit, request, refusal, damaged, reason),
        votes(visit, request, member and not damaged),
        _who(request),
        id="decide",
    )
    body = joined(
        tag("p", tag("a", "← All approvals", href="/approvals"), class_="crumb"),
        told,
        heading(
            join(tag("span", request.subject, class_="subject"), " → ", request.resource),
            join(verdict(request.state.value), " ", request.id),
            remaining(
                approvals.seconds_left(request), request.expires, request.expires - request.created
            )
            if request.state in (State.PENDING, State.APPROVED)
            else None,
        ),
        tag(
            "div",
            tag(
                "div",
                _statement(visit, request, contents, member),
                tag(
                    "section",
                    tag("h2", "This agent before"),
                    _history(history) if history else empty("Never asked.", "Its first request."),
                ),
                class_="content",
            ),
            side,
            class_="split",
        ),
        # Renews the page when somebody else decides it.
        tag(
            "span",
            id="state",
            data_watch="approvals",
            data_value=f"{request.state.value} {len(request.votes)} {request.uses}",
            hidden=True,
        ),
    )
    return Page(f"{request.subject} → {request.resource}", body, "/approvals", status)


async def decide(visit: Visit, request_id: str, step: str) -> Page | Redirect:
    """``POST /approvals/ID/approve``, ``deny`` or ``revoke``.

    :raises Refused: ``approval.unknown``.
    """
    approvals = visit.parts.approvals
    reason = visit.form.get("reason", "")
    try:
        if step == "revoke":
            await approvals.revoke(request_id, visit.who, reason)
        else:
            await approvals.decide(request_id, step == "approve", visit.who, reason)
    except Refused as refused:
        if refused.code == "approval.unknown":
            raise
        conflict = {"approval.reason": 422, "approval.self": 403, "approval.group": 403}
        told = announced(f"Not done: {refused}.", bad=True)
        return await one(visit, request_id, told, conflict.get(refused.code, 409))
    log_event(
        log,
        "approval.decided",
        approval=request_id,
        step=step,
        issuer=visit.who.issuer,
        subject=visit.who.subject,
    )
    return Redirect(f"/approvals/{request_id}")


def _refusal(visit: Visit, request: Request) -> Refused | None:
    """Why this person may not decide it."""
    try:
        check_reviewer(request, visit.who)
    except Refused as refused:
        return refused
    return None


async def _contents(visit: Visit, request: Request) -> Contents | None:
    try:
        return await visit.parts.approvals.contents(request.id)
    except Refused:
        return None  # it cannot be read back as it was filed


def _lines(visit: Visit, request: Request, contents: Contents) -> Markup:
    """The statement in lines, where it is SQL."""
    if request.protocol not in SQL:
        return join(contents.text)
    return pretty(contents.text, _marks(visit, request, contents))


def _preview(visit: Visit, request: Request, contents: Contents) -> Markup:
    """As much as a card shows: laying out whole long statements would keep the reactor busy."""
    if len(contents.text) > _CARD:
        return join(contents.text[:_CARD], "…")
    return _lines(visit, request, contents)


def _marks(visit: Visit, request: Request, contents: Contents) -> Marks:
    labels = visit.parts.rules.pipeline.policy.labels
    return marks(labels, request.resource, contents.relations)


async def _card(visit: Visit, request: Request, preview: bool) -> Markup:
    contents = await _contents(visit, request) if preview else None
    approvals = visit.parts.approvals
    behind = [f"for {request.owner}"] if request.owner else []
    behind += [f"through {actor}" for actor in request.actors]
    return tag(
        "article",
        tag(
            "header",
            tag(
                "h3",
                tag(
                    "a",
                    tag("span", request.subject, class_="subject"),
                    " → ",
                    request.resource,
                    href=f"/approvals/{request.id}",
                ),
            ),
            remaining(
                approvals.seconds_left(request), request.expires, request.expires - request.created
            ),
        ),
        tag("p", contents.message, class_="message") if contents and contents.message else None,
        tag("pre", _preview(visit, request, contents), class_="sql clipped") if contents else None,
        tag(
            "footer",
            chips(*behind, request.rule, *standing(request)),
            tag("span", request.id, class_="id"),
        ),
        class_="card",
        data_entry=True,
    )


def _statement(visit: Visit, request: Request, contents: Contents | None, member: bool) -> Markup:
    if contents is None:
        why = (
            "It was erased, or cannot be read back as it was filed."
            if member
            else f"Only its reviewers see it: {', '.join(sorted(request.reviewers)) or 'nobody'}."
        )
        return tag("section", tag("h2", "Statement"), empty("Not shown.", why))
    marked = _marks(visit, request, contents)
    labelled = sorted({label.kind for label in marked.columns.values()})
    values = [
        tag("tr", tag("th", f"${number}", scope="row"), tag("td", _value(code, value)))
        for number, (_, code, value) in enumerate(contents.parameters, 1)
    ]
    settings = [join(name, " = ", value) for name, value in contents.settings if value]
    return tag(
        "section",
        tag("p", contents.message, class_="message") if contents.message else None,
        effect(request, contents),
        tag("h2", "Statement"),
        tag("pre", _lines(visit, request, contents), class_="sql", tabindex="0"),
        tag(
            "details",
            tag("summary", "As it was sent"),
            tag("pre", shown(contents.text), class_="sql"),
        ),
        [tag("h2", "Values"), tag("table", tag("tbody", values), class_="values")]
        if values
        else None,
        facts(
            ("Reads or writes", chips(*_resolved(contents)) if contents.relations else None),
            ("Labelled there", chips(*labelled, kind="label") if labelled else None),
            ("Calls", chips(*contents.functions) if contents.functions else None),
            ("Settings", tag("span", settings) if settings else None),
            ("Estimated", estimated(request, contents)),
            ("Digest", tag("code", contents.digest, class_="digest")),
        ),
    )


def _resolved(contents: Contents) -> list[str]:
    """Relations, without the bare names of those that are there with their schema."""
    full = {name.rpartition(".")[2] for name in contents.relations if "." in name}
    return [name for name in contents.relations if "." in name or name not in full]


def _value(code: int, value: bytes | None) -> Markup:
    if value is None:
        return tag("i", "NULL")
    if code == 0:
        try:
            return tag("code", value.decode())
        except UnicodeDecodeError:
            pass
    return tag("code", f"0x{value.hex()}")


def _who(request: Request) -> Markup:
    return tag(
        "section",
        tag("h2", "Who asks"),
        facts(
            ("Agent", request.subject),
            ("On behalf of", request.owner),
            ("Through", ", ".join(request.actors)),
            ("Issuer", request.issuer),
            ("Resource", f"{request.resource} ({request.protocol} {request.database})"),
            ("Rule", request.rule),
            ("Classes", chips(*request.classes)),
            ("Asked", moment(request.created)),
            ("From", request.peer),
            ("Session", tag("code", request.session) if request.session else None),
            ("Reviewers", ", ".join(sorted(request.reviewers))),
        ),
    )


def _history(requests: list[Request]) -> Markup:
    rows = [
        tag(
            "tr",
            tag("td", verdict(request.state.value)),
            tag("td", tag("a", request.subject, " → ", request.resource,
                          href=f"/approvals/{request.id}")),
            tag("td", request.rule),
            tag("td", moment(request.decided or request.created)),
            tag("td", request.reviewer[1] if request.reviewer else ""),
            data_entry=True,
        )
        for request in requests
    ]  # fmt: skip
    head = tag("tr", [tag("th", name, scope="col") for name in ("State", "Who", "Rule", "When",
                                                               "By")])  # fmt: skip
    return tag("div", tag("table", tag("thead", head), tag("tbody", rows)), class_="scroll")
