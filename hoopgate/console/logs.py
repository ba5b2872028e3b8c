"""The state of the log: its signed head, and whether every byte is still what was signed."""

from __future__ import annotations

from base64 import b64encode

from hoopgate.console.archive import Verification
from hoopgate.console.html import Markup, join, tag
from hoopgate.console.layout import announced, facts, heading, hidden, joined, moment, verdict
from hoopgate.console.visits import Page, Redirect, Visit


async def status(visit: Visit) -> Page:
    """``/log``.

    :raises Refused: ``console.role``, ``log.bad``, ``log.unreadable``.
    """
    visit.roles.demand("auditor", "operator")
    recorder, archive = visit.parts.recorder, visit.parts.archive
    checkpoint, written, key = await archive.checkpoint()
    behind = max(0, recorder.size - checkpoint.size)
    state = "failed" if recorder.failed() else "full" if recorder.full() else "good"
    body = joined(
        heading("Log", "One Merkle log holds every session of this node. Its head is signed."),
        tag(
            "section",
            tag("h2", "Head"),
            facts(
                ("Recorder", verdict(state)),
                ("Origin", tag("code", checkpoint.origin)),
                ("Signed leaves", tag("b", f"{checkpoint.size:,}")),
                ("Not signed yet", f"{behind:,}" if behind else "none"),
                ("Signed", moment(written)),
                ("Root hash", tag("code", b64encode(checkpoint.root).decode(), class_="digest")),
                ("Key", tag("code", key, class_="digest")),
                ("Last commit", f"{recorder.last_commit_seconds * 1000:.1f} ms"),
            ),
            id="head",
            data_live="log",
        ),
        tag(
            "section",
            tag("h2", "Verification"),
            _verification(archive.verification, archive.verifying),
            id="verification",
            data_live="log",
        ),
        tag(
            "form",
            hidden(visit),
            tag("button", "Verify every byte now"),
            tag("p", "It reads the whole log, beside the sessions.", class_="about"),
            method="post",
            action="/log/verify",
        )
        if visit.roles.auditor
        else None,
        tag(
            "details",
            tag("summary", "Verify it elsewhere"),
            tag("p", "With the key above, from a source that you trust, on any machine:"),
            tag("pre", f"hoopgate audit verify --directory … --vkey '{key}'", class_="sql"),
        ),
    )
    return Page("Log", body, "/log")


def _verification(last: Verification | None, running: bool) -> Markup:
    now = announced("Verifying…") if running else None
    if last is None:
        return join(now, None if running else tag("p", "Not since this node started."))
    if last.problem:
        return join(now, announced(f"The log is not what was signed: {last.problem}", bad=True))
    return join(
        now,
        tag(
            "p",
            verdict("good"),
            f" {last.leaves:,} leaves and everything they name, in {last.seconds:.1f} s, ",
            moment(last.at),
        ),
    )


async def verify(visit: Visit) -> Redirect:
    """``POST /log/verify``: begin; the page tells how it went.

    :raises Refused: ``console.role``, ``log.busy``.
    """
    visit.roles.demand("auditor")
    archive = visit.parts.archive
    checking = archive.verify()
    checking.addErrback(archive.not_verified)
    detail = {
        "action": "log.verify",
        "issuer": visit.who.issuer[:200],
        "subject": visit.who.subject[:200],
    }
    await visit.parts.recorder.append("admin", detail)
    return Redirect("/log")
