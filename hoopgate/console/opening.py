"""Recordings that are sealed to auditors, opened by an auditor for as long as he is logged in.

The node cannot open them. What it is given here is the key of one session, made where the auditor's
key is (``hoopgate audit unseal``); or the auditor's key itself, of which it keeps that session's.
"""

from __future__ import annotations

from typing import Final

from hoopgate.console.html import Child, tag
from hoopgate.console.layout import announced, heading, hidden, joined
from hoopgate.console.visits import File, Page, Redirect, Visit
from hoopgate.errors import Refused
from hoopgate.recorder.sealing import OpenedKey

#: Recordings that one log-in has open.
_MOST: Final = 32


def opened(visit: Visit, session: str) -> OpenedKey | None:
    """The key that this log-in has been given for a session."""
    return None if visit.login is None else visit.login.opened.get(session)


def sealed(visit: Visit, session: str, notice: Child = None, status: int = 409) -> Page:
    """What stands where the recording would."""
    body = joined(
        tag("p", tag("a", "← Recordings", href="/sessions"), class_="crumb"),
        heading("This recording is sealed", session),
        notice,
        tag("p", "It is sealed to the auditors' keys, which this node does not have. Where such a "
            "key is, open this session's, and hand over what is printed: it opens no other."),
        tag("p", tag("a", "Download the sealed key", href=f"/sessions/{session}/wrap",
                     download=True, class_="button")),
        tag("pre", f"hoopgate audit unseal {session}.json --key auditor.key"),
        tag(
            "form",
            hidden(visit),
            tag("label", "Key of this session", for_="key"),
            tag("textarea", name="key", id="key", rows=4, required=True, autocomplete="off",
                spellcheck="false", autocapitalize="off"),
            tag("p", "An auditor's private key (PEM) is taken, too: it is used once and not kept. "
                "Who has taken over this node could keep it, and open every recording sealed to "
                "it.", class_="about"),
            tag("div", tag("button", "Open"), class_="buttons"),
            method="post",
            action=f"/sessions/{session}",
        ),
        tag("p", "Or without this console: ", tag("code", f"hoopgate replay {session} --key FILE"),
            class_="about"),
    )  # fmt: skip
    return Page("Sealed recording", body, "/sessions", status=status)


async def hand_over(visit: Visit, session: str) -> Page | Redirect:
    """``POST /sessions/ID``: a key for it.

    :raises Refused: ``console.role``, ``session.unknown``, ``log.bad``.
    """
    visit.roles.demand("auditor")
    assert visit.login is not None
    try:
        key = await visit.parts.archive.unseal(session, visit.form.get("key", ""))
    except Refused as refused:
        if refused.code != "recording.key":
            raise
        return sealed(visit, session, announced(f"Not opened: {refused}.", bad=True), 422)
    known = visit.login.opened
    known[session] = key
    while len(known) > _MOST:
        known.pop(next(iter(known)))
    return Redirect(f"/sessions/{session}")


async def wrap(visit: Visit, session: str) -> File:
    """``/sessions/ID/wrap``: its key, sealed to the auditors.

    :raises Refused: ``console.role``, ``session.unknown``.
    """
    visit.roles.demand("auditor")
    content = await visit.parts.archive.wrap(session)
    return File(f"{session}.json", "application/json", content)
