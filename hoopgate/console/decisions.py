"""What stands beside a request: the form to decide by, who has approved, what it has done."""

from __future__ import annotations

from hoopgate.approvals.model import Contents, Request, names_of
from hoopgate.approvals.states import State
from hoopgate.console.html import Markup, join, tag
from hoopgate.console.layout import announced, facts, hidden, moment, verdict
from hoopgate.console.visits import Visit
from hoopgate.errors import Refused
from hoopgate.settings.units import show_duration


def standing(request: Request) -> list[str]:
    """Words for the card of a request."""
    found = []
    if request.approvers > 1:
        found.append(f"{len(request.votes)} of {request.approvers} approvals")
    if request.window:
        found.append(f"for {show_duration(request.window)}")
    if request.effect:
        found.append("effect")
    return found


def effect(request: Request, contents: Contents) -> Markup | None:
    """What the statement did in the transaction that waits."""
    if not request.effect or contents.affected is None:
        return None
    rows = _rows(contents.affected)
    then = {
        State.PENDING: "It is done and waits to be committed: approve to keep it, deny to undo it.",
        State.USED: "It was committed.",
        State.APPROVED: "It is being committed.",
    }.get(request.state, "It was rolled back.")
    return tag(
        "section",
        tag("h2", "Effect"),
        tag("p", tag("strong", f"{rows} changed"), class_="effect"),
        tag("p", then, class_="about"),
    )


def estimated(request: Request, contents: Contents) -> str | None:
    """What the planner of the database expects."""
    if contents.estimated is None:
        return None
    before = ", before grouping and LIMIT" if request.protocol in ("mariadb", "mysql") else ""
    return f"about {_rows(contents.estimated)}{before}, by the database's statistics"


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def votes(visit: Visit, request: Request, reasons: bool) -> Markup | None:
    """Who has approved, of how many; and for how long it will be good.

    :param reasons: may be shown.
    """
    good = show_duration(request.window) if request.window else None
    if request.approvers == 1 and not good:
        return None
    given = visit.parts.approvals.reasons(request) if reasons else [
        (vote, "") for vote in request.votes
    ]  # fmt: skip
    entries = [
        tag("li", tag("strong", vote.subject), " ", moment(vote.at), tag("p", why) if why else None)
        for vote, why in given
    ]
    return tag(
        "section",
        tag("h2", "Approvals"),
        facts(
            ("So far", f"{len(request.votes)} of {request.approvers} persons"),
            ("Good for", f"{good} once approved, for the same statement" if good else None),
        ),
        tag("ol", entries, class_="votes") if entries else None,
    )


def decision(
    visit: Visit, request: Request, refusal: Refused | None, damaged: bool, reason: str
) -> Markup | None:
    mine = any(vote.names & names_of(visit.who) for vote in request.votes)
    if request.state is State.PENDING and refusal is None and not damaged:
        if mine:
            deny = _form(visit, request, ("deny", "Deny after all"))
            return join(announced("You have approved; it takes another person."), deny)
        return _form(visit, request, ("approve", "Approve"), ("deny", "Deny"))
    if request.state is State.PENDING:
        why = str(refusal) if refusal is not None else "it cannot be read back as it was filed"
        return announced(f"Not yours to decide: {why}.")
    by = request.reviewer
    decided = tag(
        "section",
        tag("h2", "Decision"),
        facts(
            ("State", verdict(request.state.value)),
            ("By", by[1] if by else None),
            ("At", moment(request.decided) if request.decided else None),
            ("Reason", reason),
            ("Used", f"{request.uses} times" if request.window and request.uses else None),
        ),
    )
    if request.state is State.APPROVED and refusal is None:
        return join(decided, _form(visit, request, ("revoke", "Take it back")))
    return decided


def _form(visit: Visit, request: Request, *steps: tuple[str, str]) -> Markup:
    return tag(
        "form",
        tag("h2", "Decide"),
        hidden(visit),
        tag("label", "Reason", for_="reason"),
        tag(
            "textarea",
            visit.form.get("reason", ""),
            id="reason",
            name="reason",
            rows=3,
            maxlength=500,
            required=True,
            minlength=3,
            placeholder="Why, for the record",
        ),
        tag(
            "div",
            [
                tag(
                    "button",
                    name,
                    class_=step,
                    formaction=f"/approvals/{request.id}/{step}",
                    data_key=step[0],
                )
                for step, name in steps
            ],
            class_="buttons",
        ),
        method="post",
        action=f"/approvals/{request.id}/{steps[-1][0]}",
        class_="decide",
    )
