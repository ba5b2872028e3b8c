"""What a notification says of a request. Pure.

It leaves the gateway for places that were not made for PHI, so it holds nothing of a statement but
what cannot be a value: classes, relations that the backend itself has named, and the keyed digest
that the log has. Statement, values and reasons are behind the link, for reviewers.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, formatdate
from typing import Any

from hoopgate.approvals.model import Request
from hoopgate.approvals.states import Step

_WORDS: Mapping[str, str] = {
    "request": "waits for approval",
    "endorse": "has one more approval",
    "approve": "was approved",
    "deny": "was denied",
    "revoke": "had its approval taken back",
    "expire": "has expired",
    "abandon": "was withdrawn",
}
_NAMED = 10


def notice(request: Request, step: Step, link: str, node: str) -> dict[str, Any]:
    """Everything that is told, as JSON.

    :param link: page of the request; empty where there is no console.
    """
    return {
        "request": request.id,
        "step": step.value,
        "state": request.state.value,
        "node": node,
        "agent": request.subject,
        "owner": request.owner,
        "resource": request.resource,
        "rule": request.rule,
        "classes": list(request.classes),
        "relations": list(request.relations[:_NAMED]),
        "more_relations": max(0, len(request.relations) - _NAMED),
        "digest": request.digest,
        "effect": request.effect,
        "approvals": len(request.votes),
        "approvers": request.approvers,
        "reviewers": sorted(request.reviewers),
        "decided_by": request.reviewer[1] if request.reviewer else "",
        "expires": request.expires,
        "link": link,
    }


def headline(found: Mapping[str, Any]) -> str:
    """One line."""
    words = _WORDS.get(found["step"], found["step"])
    behind = f" for {found['owner']}" if found["owner"] else ""
    return _line(f"{found['agent']}{behind} → {found['resource']}: {found['request']} {words}")


def _facts(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    more = f" and {found['more_relations']} more" if found["more_relations"] else ""
    counted = f"{found['approvals']} of {found['approvers']}"
    expires = format_datetime(datetime.fromtimestamp(found["expires"], UTC))
    facts = [
        ("Rule", found["rule"]),
        ("What", ", ".join(found["classes"])),
        ("Relations", ", ".join(found["relations"]) + more),
        ("Effect", "done, and waits to be committed" if found["effect"] else ""),
        ("Approvals", counted if found["approvers"] > 1 else ""),
        ("By", found["decided_by"]),
        ("Reviewers", ", ".join(found["reviewers"])),
        ("Until", expires if found["state"] == "pending" else ""),
        ("Digest", found["digest"]),
        ("Gateway", found["node"]),
    ]
    return [(name, _line(value)) for name, value in facts if value]


def slack(found: Mapping[str, Any]) -> bytes:
    """Body of a webhook: a message with blocks as Slack takes it; programs read ``metadata``."""
    lines = [f"*{name}*  {_escaped(value)}" for name, value in _facts(found)]
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": headline(found)[:150]}},
        {"type": "section", "text": {"type": "mrkdwn", "text": "\n".join(lines)[:3000]}},
    ]
    if found["link"]:
        button = {"type": "plain_text", "text": "Look at it"}
        blocks.append(
            {
                "type": "actions",
                "elements": [{"type": "button", "text": button, "url": found["link"]}],
            }
        )
    payload = {
        "text": _escaped(headline(found)),
        "blocks": blocks,
        "metadata": {"event_type": "hoopgate_approval", "event_payload": dict(found)},
    }
    return json.dumps(payload).encode()


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """``v1=`` and HMAC-SHA-256 (hex) over ``TIMESTAMP.BODY``."""
    signed = b"%d." % timestamp + body
    return "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def mail(found: Mapping[str, Any], sender: str, recipients: tuple[str, ...], key: str) -> bytes:
    """A message, ready to be sent.

    :param key: makes its Message-ID: the same for every attempt, so that a second copy is known.
    """
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    message["Subject"] = f"[hoopgate] {headline(found)}"
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{key}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answering machine answers
    lines = [headline(found), ""]
    lines += [f"{name + ':':<12}{value}" for name, value in _facts(found)]
    if found["link"]:
        lines += ["", found["link"]]
    else:
        lines += ["", f"hoopgate approvals show {found['request']}"]
    message.set_content("\n".join(lines) + "\n")
    return message.as_bytes()


def _line(text: str) -> str:
    """One line of visible characters: names are their owners' to choose."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)


def _escaped(text: str) -> str:
    """As Slack wants it: no mention, no link can be made of a name."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
