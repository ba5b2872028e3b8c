"""docs/extending.md: the guard and the protocol that it shows are those of examples/, and work."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from testbed.certificates import Certificates
from testbed.clinic import AGENTS, Clinic, clients, running_clinic
from testbed.parts import CHECKOUT
from testbed.postgres import Postgres
from zope.interface.verify import verifyObject

from hoopgate.actions import Ask, Decision, Forward
from hoopgate.errors import RemoteProtocolError
from hoopgate.events import (
    Judged,
    Operation,
    OperationFacts,
    Principal,
    SessionFacts,
    Side,
    Statement,
)
from hoopgate.guardrails.pipeline import Pipeline, make_pipeline
from hoopgate.interfaces import IGuardrail, IProtocolSession
from hoopgate.settings.model import Match, Policy, Resource, Rule
from hoopgate.sql.analysis import analyze
from hoopgate.verdicts import Allow, Block, Mask

EXAMPLES = CHECKOUT / "examples"
PAGE = (CHECKOUT / "docs" / "extending.md").read_text()


def module(path: Path) -> ModuleType:
    """A module of an example, which is no package of the tests'."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


guards = module(EXAMPLES / "guard" / "clinic_guards.py")
lines = module(EXAMPLES / "protocol" / "lines.py")

POLICY = Policy((Rule("all", "allow", Match()),), (), (), "")
NOBODY = Principal("https://login.example.org", "a", frozenset(), 2e9)


def session(principal: Principal = NOBODY, protocol: str = "postgres") -> SessionFacts:
    return SessionFacts("ses-1", principal, "clinic", protocol, "clinic", "127.0.0.1:1", "it")


# --- the guard ------------------------------------------------------------------------------------


def code(text: str) -> str:
    """Without docstrings and comments."""
    text = re.sub(r' *"""(.|\n)*?"""\n', "", text)
    return "\n".join(line for line in text.splitlines() if line.strip() and line.strip()[0] != "#")


def test_the_page_shows_the_example() -> None:
    (shown,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert code(shown) in code((EXAMPLES / "guard" / "clinic_guards.py").read_text())


@pytest.mark.parametrize(
    ("sql", "owner", "blocked"),
    [
        ("SELECT * FROM encounters", "", False),
        ("UPDATE encounters SET department = 'ICU' WHERE id = 5", "", True),
        ("UPDATE encounters SET department = 'ICU' WHERE id = 5", "olga", False),
        ("WITH gone AS (DELETE FROM codes WHERE dx = 'E1' RETURNING *) TABLE gone", "", True),
        ("SELECT 1; INSERT INTO codes VALUES ('E1', 'x')", "", True),
        ("BEGIN", "", False),
    ],
)
def test_the_guard(sql: str, owner: str, blocked: bool) -> None:
    guard = guards.accountable(POLICY, {})
    assert verifyObject(IGuardrail, guard)
    facts = analyze(sql)
    judged = Judged(Statement(sql), facts, (None,) * len(facts))
    verdict = guard.judge(judged, session(replace(NOBODY, owner=owner)), 0.0)
    assert isinstance(verdict, Block) == blocked
    assert blocked or verdict is None


def test_the_guard_is_asked_of_other_protocols_too() -> None:
    facts = (OperationFacts(frozenset({"fhir.update"})),)
    verdict = guards.accountable(POLICY, {}).judge(
        Judged(Operation("PUT", facts), facts), session(protocol="http"), 0.0
    )
    assert verdict.reason == "accountable.nobody"


@pytest.fixture(scope="module")
def clinic(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, postgres15: Postgres
) -> Iterator[Clinic]:
    """A node with the guard; the planner runs for olga, the executor for nobody."""
    table = clients()
    table["planner"]["claims"] = {"owner": "olga"}

    def adjust(settings: dict[str, Any]) -> None:
        settings["issuers"][0]["owner_claim"] = "owner"
        settings["policy"]["guards"] = ["clinic_guards:accountable"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(EXAMPLES / "guard"))
        with running_clinic(
            tmp_path_factory.mktemp("guarded"),
            certificates,
            postgres15,
            database="clinic_guarded",
            issuer_clients=table,
            adjust=adjust,
        ) as running:
            yield running


def test_a_node_asks_the_guard(clinic: Clinic) -> None:
    assert set(AGENTS) >= {"planner", "executor"}
    update = "UPDATE encounters SET department = 'ICU' WHERE id = 5"
    with psycopg.connect(clinic.dsn("executor"), autocommit=True) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            connection.execute(update)
        detail = json.loads(caught.value.diag.message_detail or "")
        shown = json.loads(re.findall(r'DETAIL:  (\{"rule": "accountable.*)', PAGE)[0])
        assert detail == {**shown, "request": detail["request"]}
        assert f"hoopgate: {caught.value.diag.message_primary}".split(" (rule")[0].endswith(
            "An agent that runs for nobody may not change data."
        )
        assert connection.execute("SELECT count(*) FROM encounters").fetchone() == (1000,)
    with psycopg.connect(clinic.dsn("planner"), autocommit=True) as connection:
        assert connection.execute(update).rowcount == 1


# --- the protocol ---------------------------------------------------------------------------------


RULES = (
    Rule("read", "allow", Match(classes=frozenset({"kv.read"}))),
    Rule("own", "allow", Match(classes=frozenset({"kv.write"}), relations=("draft.*",))),
)


def pipeline(*, phi: bool) -> Pipeline:
    resource = Resource("clinic", "lines", "tcp:x:1", "x", "clinic", "s", "u", phi=phi)
    return make_pipeline(Policy(RULES, (), (), ""), {"clinic": resource})


class Peers:
    """A session between a client, the rules, and a server that answers each line with its length.

    :ivar sent: what went on to the server; ``seen``: what the client was told; ``logged``: what the
        log has of requests.
    """

    def __init__(self, *, phi: bool = False) -> None:
        numbers = count(1)
        self.session = lines.Lines(lambda: f"req-{next(numbers)}")
        self.sent, self.seen, self.logged = b"", b"", b""
        self._pipeline = pipeline(phi=phi)
        self._numbers = numbers

    def client(self, data: bytes) -> None:
        self._perform(self.session.received(Side.CLIENT, data))

    def _perform(self, actions: list[Any]) -> None:
        for action in actions:
            if isinstance(action, Ask):
                self._perform(self.session.decided(action.ticket, self._decide(action.event)))
            elif isinstance(action, Forward):
                self.logged += action.data if action.received is None else action.received
                self.sent += action.data
                if action.data:
                    answer = b"%d\n" % len(action.data)
                    self._perform(self.session.received(Side.BACKEND, answer))
            else:
                self.seen += getattr(action, "data", b"")

    def _decide(self, event: Operation) -> Decision:
        facts = event.facts
        judged = Judged(event, facts, (None,) * len(facts or ()), parse_error=event.problem)
        outcome = self._pipeline.judge(judged, session(protocol="lines"), 0.0)
        return Decision(f"req-{next(self._numbers)}", outcome.verdict, facts=facts or ())


REQUESTS = b"GET a\nSET draft.x 1\nSET a 1\nDEL a\nHELO\nGET  a\nGET \xff\nGET b\n"


def test_the_session_provides_what_a_protocol_has_to() -> None:
    assert verifyObject(IProtocolSession, lines.Lines(lambda: "req-1"))


def test_requests_are_judged_and_refusals_can_be_read() -> None:
    peers = Peers()
    peers.client(REQUESTS)
    assert peers.sent == b"GET a\nSET draft.x 1\nGET b\n"
    assert peers.logged == REQUESTS
    answers = peers.seen.decode().splitlines()
    assert len(answers) == 8
    reasons = [json.loads(one[one.index("{") :])["reason"] for one in answers if one[0] == "-"]
    assert reasons == ["rule.none", "rule.none", *["command.unknown"] * 3]


@given(st.lists(st.integers(0, len(REQUESTS))))
def test_any_chunking_does_the_same(cuts: list[int]) -> None:
    whole, cut = Peers(), Peers()
    whole.client(REQUESTS)
    places = [0, *sorted(cuts), len(REQUESTS)]
    for start, end in pairwise(places):
        cut.client(REQUESTS[start:end])
    assert (cut.sent, cut.logged) == (whole.sent, whole.logged)
    assert re.sub(rb"req-\d+", b"", cut.seen) == re.sub(rb"req-\d+", b"", whole.seen)


@given(st.lists(st.binary(max_size=2 * lines.LIMIT), max_size=4))
def test_any_bytes_are_refused_or_understood(data: list[bytes]) -> None:
    peers = Peers()
    try:
        for one in data:
            peers.client(one)
            assert peers.session.buffered <= sum(map(len, data))
    except RemoteProtocolError:
        pass
    assert all(line.split(b" ")[0] in lines.COMMANDS for line in peers.sent.splitlines())


def test_what_it_cannot_mask_it_does_not_answer() -> None:
    """On a resource with PHI an operation that is allowed comes with a plan, in any protocol."""
    facts = (OperationFacts(frozenset({"kv.read"}), relations=("a",)),)
    judged = Judged(Operation("GET a", facts), facts, (None,))
    verdict = pipeline(phi=True).judge(judged, session(protocol="lines"), 0.0).verdict
    assert isinstance(verdict, Mask)
    plain = pipeline(phi=False).judge(judged, session(protocol="lines"), 0.0).verdict
    assert isinstance(plain, Allow)
    peers = Peers(phi=True)
    peers.client(b"GET a\n")
    assert peers.sent == b""
    assert b"cannot mask" in peers.seen
