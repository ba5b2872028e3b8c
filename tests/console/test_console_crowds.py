"""Many at once: requests, running sessions, identities, labels. A page has a part of them."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from testbed.approvals import BOB, CAROL, World, hold, judged, principal, session
from twisted.internet.defer import Deferred, succeed

from hoopgate.approvals.bounds import Bounds
from hoopgate.console import approvals, people, running
from hoopgate.console.archive import Seen
from hoopgate.console.visits import Page, Roles, Visit
from hoopgate.settings.model import FileDirectory, Label, Policy

LABELS = tuple(Label("clinic", f"public.t{number}.ssn", "SSN") for number in range(650))
POLICY = Policy((), (), LABELS, "ab")
ALL = Roles(True, True, True)


def visit(who: Any = BOB, query: dict[str, str] | None = None, **parts: Any) -> Visit:
    policy = SimpleNamespace(pipeline=SimpleNamespace(policy=POLICY))
    given = SimpleNamespace(rules=policy, now=lambda: 100.0, **parts)
    return Visit(given, who, ALL, "/", query=query or {})  # type: ignore[arg-type]


def page(made: Any) -> Page:
    found: list[Any] = []
    Deferred.fromCoroutine(made).addBoth(found.append)
    assert isinstance(found[0], Page), found
    return found[0]


def count(body: str, what: str) -> int:
    return len(re.findall(what, body))


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> World:
    """130 requests that wait, each of another agent; one is a long statement."""
    directory: Path = tmp_path_factory.mktemp("crowd")
    world = World(directory, Bounds(pending=500, hourly=500))
    for number in range(130):
        text = f"COPY t{number} TO STDOUT" + " -- and so on" * (500 if number == 129 else 0)
        agent = principal(f"agent-{number}", "agents")
        facts = session(agent, number)
        world.run(world.approvals.request(f"{number:064x}", judged(text), facts, hold(900.0)))
    return world


def listing(world: World, who: Any, **query: str) -> str:
    coroutine = approvals.listing(visit(who, query, approvals=world.approvals))
    made = world.run(Deferred.fromCoroutine(coroutine))
    return str(made.body)


def test_requests(crowd: World) -> None:
    first, last = listing(crowd, BOB), listing(crowd, BOB, page="3")
    assert count(first, '<article class="card"') == 50
    assert count(last, '<article class="card"') == 30
    assert "1 of 3" in first
    assert 'href="/approvals?page=2"' in first
    # A card has the beginning of a statement, no more.
    assert count(first, "and so on") < 200
    for odd in ("0", "-1", "x", "99999999999", "4", "٣"):
        assert count(listing(crowd, BOB, page=odd), '<article class="card"') in (30, 50)
    others = listing(crowd, CAROL)
    assert "For other reviewers (130)" in others
    assert count(others, '<article class="card"') == 50
    assert "COPY" not in others


def lives(number: int) -> dict[str, Any]:
    return {
        f"ses-{at}": SimpleNamespace(
            facts=session(principal(f"agent-{at}", owner="olga" if at == 7 else ""), at),
            began=float(at),
            relay=SimpleNamespace(busy=lambda: False),
        )
        for at in range(number)
    }


def test_running_sessions() -> None:
    node = SimpleNamespace(sessions=lives(1234))

    def live(**query: str) -> str:
        return str(page(running.live(visit(query=query, node=node))).body)

    assert count(live(), "<tr data-entry") == 100
    assert "1 of 13" in live()
    assert count(live(page="13"), "<tr data-entry") == 34
    found = live(who="AGENT-99", page="1")
    assert count(found, "<tr data-entry") == 11
    assert "11 of 1234" in found
    assert count(live(who="OLGA"), "<tr data-entry") == 1
    assert "No session matches." in live(resource="nowhere")
    assert 'href="/live?who=agent&amp;page=2"' in live(who="agent")


def test_identities() -> None:
    seen = {f"agent-{number} <b>&": Seen(number, 1) for number in range(200)}
    archive = SimpleNamespace(seen=lambda: succeed((seen, None)))
    parts = {
        "archive": archive,
        "node": SimpleNamespace(sessions={}),
        "settings": SimpleNamespace(directory=FileDirectory({})),
    }
    first = str(page(people.identities(visit(**parts))).body)
    assert count(first, '<article class="card"') == 60
    assert "<b>200</b>" in first
    assert "<b>&" not in first
    assert 'href="/sessions?who=agent-199+%3Cb%3E%26"' in first
    found = str(page(people.identities(visit(query={"who": "T-19"}, **parts))).body)
    assert count(found, '<article class="card"') == 11


def test_labels() -> None:
    assert count(str(page(people.rules(visit())).body), "<tr") >= 300
    assert "1 of 3" in str(page(people.rules(visit())).body)
    assert "public.t649.ssn" in str(page(people.rules(visit(query={"page": "3"}))).body)
