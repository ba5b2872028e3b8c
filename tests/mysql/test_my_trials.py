"""A write that is tried, in MySQL's protocol: what the server is sent, and what the client sees."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.actions import Ask, Close, Decision, Forward, Reply
from hoopgate.events import Effect, Side, StatementFacts
from hoopgate.mysql import wire_commands as commands
from hoopgate.mysql.session import MysqlSession
from hoopgate.mysql.wire import PacketReader, Payload, Status, packets
from hoopgate.mysql.wire_results import Err, Ok, err_packet, ok_packet
from hoopgate.verdicts import Allow, Block, Hold, Verdict

UPDATE = b"UPDATE plans SET state = 'done'"
HOLD = Hold("test/effect", "effect", "Look.", frozenset({"r"}), 60.0, (None,), effect=True)
NO = Block("test/effect", "approval.denied", "Denied.")
IDLE, OPEN = Status.AUTOCOMMIT, Status.AUTOCOMMIT | Status.IN_TRANSACTION
CHECK = b"information_schema.TABLES"


def ok(status: int = IDLE, affected: int = 0) -> bytes:
    return packets(Ok(affected, 0, status, 0).encode(), 1)


def error(code: int = 1062) -> bytes:
    return packets(Err(code, b"23000", b"Duplicate entry '123-45-6789'").encode(), 1)


class Play:
    """One session; every verdict is given by the test."""

    def __init__(self) -> None:
        settings = {
            "sql_mode": "",
            "database": "clinic",
            "version": "8.0.40",
            "dialect": "mysql",
            "character_set": "utf8mb4",
            "character_set_results": "utf8mb4",
            "collation": "utf8mb4_general_ci",
            "lower_case_table_names": "0",
        }
        self.session = MysqlSession(
            protocol="mysql",
            phi=True,
            settings=settings,
            capabilities=0,
            resource="clinic",
            kill=lambda *_: None,  # type: ignore[arg-type]
            generation=lambda: 0,
            mint=lambda: "req-own",
            message_limit=4096,
            response_limit=65536,
        )
        self.asked: list[Ask] = []
        self.closed = ""
        self._to_client = b""
        self._to_server: list[bytes] = []

    def client(self, text: bytes) -> Play:
        return self._do(self.session.received(Side.CLIENT, packets(commands.query(text), 0)))

    def server(self, *answers: bytes) -> Play:
        """Answers, each to what was sent last."""
        for answer in answers:
            self._do(self.session.received(Side.BACKEND, answer))
        return self

    def decide(self, verdict: Verdict) -> Play:
        decision = Decision("req-1", verdict, facts=(StatementFacts(frozenset({"update"})),))
        return self._do(self.session.decided(self.asked.pop(0).ticket, decision))

    def _do(self, actions: Iterable[object]) -> Play:
        for action in actions:
            if isinstance(action, Reply):
                self._to_client += action.data
            elif isinstance(action, Forward) and action.data:
                self._to_server.append(action.data[5:])
            elif isinstance(action, Ask):
                self.asked.append(action)
            elif isinstance(action, Close):
                self.closed = action.reason
        return self

    def sent(self) -> list[bytes]:
        """Texts of the commands since the last look."""
        found, self._to_server = self._to_server, []
        return found

    def shown(self) -> list[bytes]:
        """Payloads that the client got since the last look."""
        data, self._to_client = self._to_client, b""
        reader = PacketReader(2**20)
        reader.feed(data)
        found = []
        while isinstance(payload := reader.next(), Payload):
            found.append(payload.data)
            reader = PacketReader(2**20)
            data = data[4 + len(payload.data) :]
            reader.feed(data)
        return found


def tried() -> Play:
    """An UPDATE of three rows that waits for a verdict on its effect."""
    play = Play().client(UPDATE).decide(HOLD)
    play.server(ok(), ok(OPEN), ok(OPEN, 3))
    return play


def test_each_step_waits_for_the_one_before() -> None:
    play = Play().client(UPDATE).decide(HOLD)
    (check,) = play.sent()
    assert CHECK in check
    play.server(ok())
    assert play.sent() == [b"START TRANSACTION"]
    play.server(ok(OPEN))
    assert play.sent() == [UPDATE]
    assert not play.asked
    play.server(ok(OPEN, 3))
    assert play.sent() == []
    (ask,) = play.asked
    assert isinstance(ask.event, Effect)
    assert ask.event.affected == 3
    assert play.shown() == []


def test_it_is_committed_and_then_shown() -> None:
    play = tried()
    play.sent()
    play.decide(Allow("test/effect"))
    assert play.sent() == [b"COMMIT AND NO CHAIN NO RELEASE"]
    assert play.shown() == []
    (shown,) = play.server(ok()).shown()
    assert ok_packet(shown, tracking=False).affected == 3
    assert play.session.idle()


def test_a_commit_that_fails_is_told() -> None:
    play = tried()
    play.decide(Allow("test/effect"))
    (shown,) = play.server(error(1180)).shown()
    assert err_packet(shown).code == 1180
    assert b"123-45-6789" not in shown


def test_what_is_denied_is_rolled_back() -> None:
    play = tried()
    play.sent()
    play.decide(NO)
    assert play.sent() == [b"ROLLBACK AND NO CHAIN NO RELEASE"]
    assert play.shown() == []
    (shown,) = play.server(ok()).shown()
    said = err_packet(shown).message.decode()
    assert json.loads(said[said.index("{") :])["reason"] == "approval.denied"
    assert play.session.idle()


def test_a_rollback_that_fails_ends_the_session() -> None:
    play = tried()
    play.decide(NO)
    play.server(error(1180))
    assert play.closed == "protocol.backend"


@pytest.mark.parametrize("step", [0, 1], ids=["tables", "begin"])
def test_what_cannot_be_tried_is_refused_unsent(step: int) -> None:
    """A table of another engine; a transaction that does not begin."""
    play = Play().client(UPDATE).decide(HOLD)
    play.server(*[ok()] * step, error(1242))
    assert UPDATE not in play.sent()
    (shown,) = play.shown()
    assert b"approval.effect" in shown
    assert play.session.idle()


def test_a_transaction_that_the_server_denies_to_be_in_is_none() -> None:
    play = Play().client(UPDATE).decide(HOLD)
    play.server(ok(), ok(IDLE))
    assert UPDATE not in play.sent()
    assert b"approval.effect" in play.shown()[0]


def test_a_statement_that_fails_is_rolled_back_and_nobody_is_asked() -> None:
    play = Play().client(UPDATE).decide(HOLD)
    play.server(ok(), ok(OPEN), error())
    assert not play.asked
    assert play.sent()[-1].startswith(b"ROLLBACK")
    (shown,) = play.server(ok()).shown()
    assert err_packet(shown).code == 1062
    assert b"123-45-6789" not in shown
    assert play.session.idle()


@pytest.mark.parametrize("status", [OPEN, 0], ids=["open", "no autocommit"])
def test_nothing_is_tried_in_a_transaction_of_the_clients(status: int) -> None:
    play = Play().client(b"SELECT 1")
    play.decide(Allow("test/allow")).server(ok(status))
    play.sent()
    play.shown()
    play.client(UPDATE).decide(HOLD)
    assert play.sent() == []
    assert b"approval.effect" in play.shown()[0]


@given(st.data())
def test_however_the_answers_are_cut(data: st.DataObject) -> None:
    play = Play().client(UPDATE).decide(HOLD)
    for answer in (ok(), ok(OPEN), ok(OPEN, 3)):
        cuts = sorted(data.draw(st.sets(st.integers(0, len(answer)), max_size=6)))
        for start, end in pairwise([0, *cuts, len(answer)]):
            play.server(answer[start:end])
            assert play.shown() == []
    play.decide(Allow("test/effect")).server(ok())
    assert ok_packet(play.shown()[0], tracking=False).affected == 3
