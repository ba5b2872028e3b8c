"""A write that is tried: every byte to the server, and what the client sees and when."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from session_play import ERROR, FAILED, FIELDS, IDLE, SSN, TRANSACTION, Play, done, kinds, row

from hoopgate.actions import Decision
from hoopgate.errors import RemoteProtocolError
from hoopgate.events import Effect, Side, StatementFacts
from hoopgate.postgres import wire
from hoopgate.verdicts import Allow, Block, Hold, Verdict

UPDATE = wire.query(b"update plans set state = 'done'")
FACTS = (StatementFacts(frozenset({"update"})),)
HOLD = Hold("test/effect", "effect", "Look.", frozenset({"r"}), 60.0, (None,), effect=True)
NO = Block("test/effect", "approval.denied", "Denied.")
#: What the server answers to a command of the gateway's own.
PARSED, BOUND, CLOSED = wire.parse_complete(), wire.bind_complete(), b"3\0\0\0\4"


def decision(verdict: Verdict, facts: tuple[StatementFacts, ...] = FACTS) -> Decision:
    return Decision("req-1", verdict, facts=facts)


def own(tag: bytes) -> list[bytes]:
    return [PARSED, BOUND, done(tag), CLOSED]


BEGUN = [*own(b"BEGIN"), *own(b"SET")]


def commands(messages: list[bytes]) -> list[bytes]:
    """Texts of Parse messages: what the gateway has run itself."""
    return [one[5:].split(b"\0")[1] for one in messages if one[:1] == b"P"]


def tried(verdict: Verdict = HOLD, *, message: bytes = UPDATE, phi: bool = True) -> Play:
    """A Query that is to be tried, and its first verdict."""
    play = Play(patient=True, phi=phi)
    play.client(message)
    return play.decide(decision(verdict))


def test_a_transaction_is_begun_before_the_statement_is_passed_on() -> None:
    play = tried()
    sent = play.sent()
    assert kinds(sent) == "PBECPBEC" + "Q"
    begin, limit = commands(sent)
    assert begin == b"BEGIN"
    # The server ends it by itself, later than the gateway would.
    assert limit == b"SET LOCAL idle_in_transaction_session_timeout = 70000"
    assert sent[-1] == UPDATE
    # The client's unnamed statement and portal stay what they are.
    assert all(one[5:6] != b"\0" for one in sent[:-1] if one[:1] in b"PB")


def test_nothing_is_shown_before_the_verdict() -> None:
    play = tried()
    play.server(*BEGUN, done(b"UPDATE 3"), TRANSACTION)
    assert play.shown() == []
    (ask,) = play.asked
    assert isinstance(ask.event, Effect)
    assert ask.event.affected == 3


def test_it_is_committed_and_then_shown() -> None:
    play = tried()
    play.sent()
    play.server(*BEGUN, done(b"UPDATE 3"), TRANSACTION)
    play.decide(decision(Allow("test/effect")))
    sent = play.sent()
    assert kinds(sent) == "PBECS"
    assert commands(sent) == [b"COMMIT"]
    assert play.shown() == []  # it may still fail
    play.server(*own(b"COMMIT"), IDLE)
    assert play.shown() == [done(b"UPDATE 3"), IDLE]
    # And the session is what it was.
    play.patient = False
    assert play.client(wire.query(b"select 1")).sent() == [wire.query(b"select 1")]


def test_a_commit_that_fails_is_told_and_nothing_of_the_answer() -> None:
    """A deferred constraint."""
    play = tried()
    play.server(*BEGUN, done(b"UPDATE 3"), TRANSACTION)
    play.decide(decision(Allow("test/effect")))
    play.server(PARSED, BOUND, ERROR, IDLE)
    shown = play.shown()
    assert kinds(shown) == "EZ"
    assert b"UPDATE 3" not in b"".join(shown)
    assert b"123-45-6789" not in b"".join(shown)


def test_what_is_denied_is_rolled_back() -> None:
    play = tried()
    play.sent()
    play.server(*BEGUN, done(b"UPDATE 3"), TRANSACTION)
    play.decide(decision(NO))
    sent = play.sent()
    assert commands(sent)[0] == b"ROLLBACK"
    assert kinds(sent)[:4] == "PBEC"
    assert kinds(sent)[-1] == "S"
    shown = play.server(*own(b"ROLLBACK"), ERROR, IDLE).shown()
    assert kinds(shown) == "EZ"
    said = json.loads(wire.error_fields(shown[0])[b"D"])
    assert (said["reason"], said["request"]) == ("approval.denied", "req-1")
    assert b"UPDATE" not in b"".join(shown)


def test_a_statement_that_fails_is_rolled_back_and_nobody_is_asked() -> None:
    play = tried()
    play.sent()
    play.server(*BEGUN, ERROR, FAILED)
    assert not play.asked
    sent = play.sent()
    assert commands(sent) == [b"ROLLBACK"]
    shown = play.server(*own(b"ROLLBACK"), IDLE).shown()
    assert kinds(shown) == "EZ"
    assert wire.error_fields(shown[0])[b"C"] == b"42601"


def test_a_transaction_that_does_not_begin_tries_nothing() -> None:
    play = tried()
    play.server(ERROR)
    assert not play.asked
    assert b"COMMIT" not in b"".join(play.sent())


def test_rows_that_it_returns_are_kept_and_masked() -> None:
    message = wire.query(b"update patients returning id, ssn")
    hold = Hold("test/effect", "effect", "Look.", frozenset({"r"}), 60.0, (SSN,), effect=True)
    play = tried(hold, message=message)
    play.server(*BEGUN, FIELDS, row(b"1", b"123-45-6789"), done(b"UPDATE 1"), TRANSACTION)
    assert play.shown() == []
    play.decide(decision(Allow("test/effect")))
    shown = play.server(*own(b"COMMIT"), IDLE).shown()
    assert kinds(shown) == "TDCZ"
    assert b"123-45-6789" not in b"".join(shown)
    assert wire.data_row_values(shown[1])[1] == b"[SSN]"


@pytest.mark.parametrize("status", [TRANSACTION, FAILED], ids=["open", "failed"])
def test_nothing_is_tried_in_a_transaction_of_the_clients(status: bytes) -> None:
    play = Play()
    play.client(wire.query(b"select 1"))
    play.server(done(), status).shown()
    play.patient = True
    play.sent()
    play.client(UPDATE).decide(decision(HOLD))
    assert UPDATE not in play.sent()
    assert b"approval.effect" in b"".join(play.server(ERROR, status).shown())


def test_a_client_that_goes_on_waits() -> None:
    play = tried()
    later = wire.query(b"select 2")
    play.client(later)
    play.server(*BEGUN, done(b"UPDATE 3"), TRANSACTION)
    play.client(later)
    assert later not in play.sent()
    play.patient = False
    ask = play.asked.pop()
    play._do(play.session.decided(ask.ticket, decision(Allow("test/effect"))))
    assert later not in play.sent()
    play.server(*own(b"COMMIT"), IDLE)
    assert play.sent().count(later) >= 1
    assert play.shown()[:2] == [done(b"UPDATE 3"), IDLE]


# --- by the extended protocol ---------------------------------------------------------------------


def prepared(play: Play, *after: bytes) -> Play:
    play.client(wire.parse(b"", b"update plans", ()), wire.bind(b"", b"", (), (), ()))
    while play.asked:
        play.decide(decision(HOLD))
    play.client(wire.execute(b"", 0), *after)
    while play.asked:
        play.decide(decision(HOLD))
    return play


def test_an_execute_is_tried_when_sync_follows() -> None:
    play = prepared(Play(patient=True), wire.sync())
    sent = play.sent()
    assert commands(sent)[1:] == [
        b"BEGIN",
        b"SET LOCAL idle_in_transaction_session_timeout = 70000",
    ]
    assert kinds(sent) == "PB" + "PBECPBEC" + "EH"  # its Sync waits here
    play.server(PARSED, BOUND, *BEGUN, done(b"UPDATE 2"))
    assert b"UPDATE" not in b"".join(play.shown())
    play.decide(decision(Allow("test/effect")))
    assert commands(play.sent()) == [b"COMMIT"]
    play.server(*own(b"COMMIT"))
    assert kinds(play.sent()) == "S"
    play.server(IDLE)
    assert play.shown()[-2:] == [done(b"UPDATE 2"), IDLE]


@pytest.mark.parametrize(
    "after",
    [
        (wire.execute(b"", 0), wire.sync()),
        (wire.parse(b"", b"select 1", ()), wire.sync()),
        (wire.query(b"select 1"),),
    ],
    ids=["execute", "parse", "query"],
)
def test_an_execute_that_is_not_alone_is_refused(after: tuple[bytes, ...]) -> None:
    play = prepared(Play(patient=True), *after)
    sent = play.sent()
    assert b"BEGIN" not in commands(sent)
    assert wire.execute(b"", 0) not in sent


@given(st.data())
def test_however_the_answers_are_cut(data: st.DataObject) -> None:
    play = tried()
    answer = b"".join([*BEGUN, done(b"UPDATE 3"), TRANSACTION])
    cuts = sorted(data.draw(st.sets(st.integers(0, len(answer)), max_size=12)))
    for start, end in pairwise([0, *cuts, len(answer)]):
        play.server(answer[start:end])
        assert play.shown() == []
    play.decide(decision(Allow("test/effect")))
    play.server(*own(b"COMMIT"), IDLE)
    assert play.shown() == [done(b"UPDATE 3"), IDLE]


def test_a_server_that_leaves_its_transaction_is_not_followed() -> None:
    """Its COMMIT came from somewhere: what was to be looked at is done."""
    play = tried()
    with pytest.raises(RemoteProtocolError):
        play.server(*BEGUN, done(b"UPDATE 3"), IDLE)
        play.decide(decision(Allow("test/effect")))
        play.session.received(Side.BACKEND, b"".join(own(b"ROLLBACK")) + IDLE)
