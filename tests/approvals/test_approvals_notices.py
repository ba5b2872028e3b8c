"""Notifications: what is in them, and that nobody can say more by the names he chose."""

from __future__ import annotations

import json
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from testbed.approvals import CANARY, World, hold, judged, principal, session

from hoopgate.approvals import notices
from hoopgate.approvals.states import Step
from hoopgate.events import Resolution
from hoopgate.settings.notifications import notifications
from hoopgate.settings.reader import Problems, Table


def told(world: World, subject: str = "agent-7", **more: Any) -> dict[str, Any]:
    resolution = Resolution(None, relations=frozenset({"public.patients"}))
    what = replace(judged(), resolutions=(resolution,))
    who = principal(subject, "agents", owner="alice")
    request_id = world.run(world.approvals.request("d1", what, session(who), hold(**more)))
    request = world.run(world.approvals.get(request_id))
    return notices.notice(request, Step.REQUEST, f"https://gw/approvals/{request_id}", "gw-1")


def test_nothing_of_the_statement_is_in_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    try:
        found = told(world)
    finally:
        world.stop()
    text = json.dumps(found) + notices.slack(found).decode()
    text += notices.mail(found, "gw@x.example", ("a@x.example",), "k").decode()
    assert CANARY not in text
    assert "COPY" not in text
    assert found["relations"] == ["public.patients"]  # not "patients", which the client wrote
    assert found["digest"] != "d1"


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(subject=names, owner=names, rule=names)
def test_names_are_names(subject: str, owner: str, rule: str) -> None:
    found: dict[str, Any] = {
        "request": "apr-00000000", "step": "request", "state": "pending", "node": "gw",
        "agent": subject, "owner": owner, "resource": "clinic", "rule": rule, "classes": [],
        "relations": [], "more_relations": 0, "digest": "d", "effect": False, "approvals": 0,
        "approvers": 1, "reviewers": [], "decided_by": "", "expires": 1.0, "link": "",
    }  # fmt: skip
    payload = json.loads(notices.slack(found))
    for text in (payload["text"], payload["blocks"][1]["text"]["text"]):
        assert "<" not in text
        assert ">" not in text
    raw = notices.mail(found, "gw@x.example", ("a@x.example",), "k")
    message = message_from_bytes(raw, policy=policy.default)
    assert message["To"] == "a@x.example"
    assert "Bcc" not in message
    assert len(message.get_all("Subject")) == 1


def read(**table: Any) -> list[str]:
    problems = Problems(Path("/etc/hoopgate.toml"))
    notifications([Table(table, "notifications[0]", problems)], check=False)
    return problems.lines


WEBHOOK = {"name": "n", "kind": "webhook", "url": "https://h.example/x", "secret": {"file": "/k"}}
SMTP = {
    "name": "n", "kind": "smtp", "host": "mail.example", "sender": "a@b.example",
    "recipients": ["c@d.example"],
}  # fmt: skip


@pytest.mark.parametrize("fine", [WEBHOOK, SMTP, {**SMTP, "host": "127.0.0.1", "tls": "none"}])
def test_what_is_taken(fine: dict[str, Any]) -> None:
    assert read(**fine) == []


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({**WEBHOOK, "url": "http://h.example/x"}, "url"),
        ({**WEBHOOK, "url": "https://user:pass@h.example/x"}, "url"),
        ({key: value for key, value in WEBHOOK.items() if key != "secret"}, "secret"),
        ({**WEBHOOK, "steps": ["request", "sneeze"]}, "steps"),
        ({**WEBHOOK, "host": "mail.example"}, "host"),
        ({**SMTP, "tls": "none"}, "tls"),
        ({**SMTP, "sender": "a@b\r\nBcc: x@y.example"}, "sender"),
        ({**SMTP, "recipients": ["nobody"]}, "recipients"),
        ({**SMTP, "user": "x"}, "user"),
        ({**SMTP, "port": 70000}, "port"),
        ({**SMTP, "kind": "pigeon"}, "kind"),
        ({**SMTP, "colour": "red"}, "colour"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not(wrong: dict[str, Any], named: str) -> None:
    lines = read(**wrong)
    assert any(f"notifications[0].{named}" in line for line in lines), lines
