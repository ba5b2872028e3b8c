"""Names whose meaning changes unseen, and plans that outlive what they were made for."""

from __future__ import annotations

import time

import pytest
from session_play import (
    ERROR,
    FIELDS,
    IDLE,
    SSN,
    TRANSACTION,
    Play,
    done,
    judge,
    kinds,
    row,
)

from hoopgate.actions import Decision
from hoopgate.errors import RemoteProtocolError
from hoopgate.events import StatementFacts
from hoopgate.plans import ColumnMask, MaskPlan, Method
from hoopgate.postgres import wire
from hoopgate.verdicts import Allow, Hold, Mask

REAL = b"123-45-6789"
PATIENTS = b"select id, ssn from patients"
SECRET_CURSOR = b"declare c cursor for " + PATIENTS


def masked(messages: list[bytes]) -> bool:
    rows = [message for message in messages if message[:1] == b"D"]
    return bool(rows) and all(wire.data_row_values(one)[1] == b"[SSN]" for one in rows)


def refused(play: Play) -> bool:
    """True when what was sent last is something that the server must refuse."""
    return b"hoopgate refused" in b"".join(play.sent())


def parsed(play: Play, name: bytes, text: bytes, status: bytes = IDLE) -> None:
    play.client(wire.parse(name, text, ()), wire.sync())
    play.server(wire.parse_complete(), status)
    play.shown(), play.sent()


@pytest.mark.parametrize(
    "text",
    [SECRET_CURSOR, b"prepare t as " + PATIENTS, b"deallocate t", b"copy t from stdin"],
    ids=["DECLARE", "PREPARE", "DEALLOCATE", "COPY"],
)
def test_sql_execute_does_not_run_what_changes_a_name(text: bytes) -> None:
    """The server would: then c is another cursor there than here, whose plan is for other rows."""
    play = Play()
    parsed(play, b"s", text)
    play.client(wire.query(b"execute s"))
    assert refused(play)


@pytest.mark.parametrize("text", ["explain analyze execute s", "create table u as execute s"])
@pytest.mark.parametrize("extended", [False, True])
def test_execute_inside_another_statement_is_refused(text: str, extended: bool) -> None:
    """It would run s without what an EXECUTE of s asks for."""

    def inside(text: str) -> Decision:
        if "execute" not in text:
            return judge(text)
        found = StatementFacts(frozenset({"execute", "explain"}))
        return Decision("req-1", Allow("test/allow"), facts=(found,))

    play = Play(judge=inside)
    parsed(play, b"s", b"bulk")
    if extended:
        play.client(
            wire.parse(b"", text.encode(), ()),
            wire.bind(b"p", b"", (), (), ()),
            wire.execute(b"p", 0),
            wire.sync(),
        )
        assert kinds(play.to_server and play.sent()) == "PBPS"
    else:
        play.client(wire.query(text.encode()))
        assert refused(play)


def bound(play: Play, portal: bytes, statement: bytes, *values: bytes) -> None:
    play.client(wire.bind(portal, statement, (), values, ()), wire.flush())
    play.server(wire.bind_complete())
    play.shown(), play.sent()


def test_a_suspended_execute_keeps_the_plan_of_what_it_ran() -> None:
    """The server made the rows at the first Execute, whatever s is prepared as after it."""
    play = Play()
    parsed(play, b"s", PATIENTS)
    parsed(play, b"u", b"execute s", TRANSACTION)
    bound(play, b"p", b"u")
    play.client(wire.execute(b"p", 1), wire.sync())
    assert masked(play.server(row(b"1", REAL), wire.portal_suspended(), TRANSACTION).shown())
    play.client(wire.query(b"deallocate s"))
    play.server(done(), TRANSACTION)
    parsed(play, b"s", b"select 1", TRANSACTION)
    play.client(wire.execute(b"p", 0), wire.sync())
    assert masked(play.server(row(b"2", REAL), done(), TRANSACTION).shown())


def test_a_suspended_fetch_keeps_the_plan_of_its_cursor() -> None:
    play = Play()
    play.client(wire.query(SECRET_CURSOR))
    play.server(done(), TRANSACTION)
    parsed(play, b"u", b"fetch all from c", TRANSACTION)
    bound(play, b"p", b"u")
    play.client(wire.execute(b"p", 1), wire.sync())
    assert masked(play.server(row(b"1", REAL), wire.portal_suspended(), TRANSACTION).shown())
    play.client(wire.query(b"close c"), wire.query(b"declare c cursor for select 1"))
    play.server(done(), TRANSACTION, done(), TRANSACTION)
    play.shown()
    play.client(wire.execute(b"p", 0), wire.sync())
    assert masked(play.server(row(b"2", REAL), done(), TRANSACTION).shown())


WORDS = MaskPlan((None, ColumnMask("DAY", Method.REDACT, 1082, True)), ("id", "day"))
DAYS = [wire.Field(b"id", 0, 0, 23, 4, -1, 0), wire.Field(b"day", 0, 0, 1082, 4, -1, 0)]


def in_words(text: str) -> Decision:
    """``select days`` has a date that comes as text."""
    if "days" in text:
        decision = judge(text)
        return Decision("req-2", Mask("test/mask", (WORDS,)), facts=decision.facts)
    return judge(text)


@pytest.mark.parametrize("text", [b"fetch all from c", b"execute c"])
@pytest.mark.parametrize("kind", [b"S", b"P"])
def test_what_runs_a_name_is_described_as_what_it_names(text: bytes, kind: bytes) -> None:
    play = Play(judge=in_words)
    parsed(play, b"c", b"select days")
    play.client(wire.query(b"declare c cursor for select days"))
    play.server(done(), TRANSACTION)
    parsed(play, b"u", text, TRANSACTION)
    bound(play, b"p", b"u")
    play.client(wire.describe(kind, b"u" if kind == b"S" else b"p"), wire.sync())
    (description, _) = play.server(wire.encode_row_description(DAYS), TRANSACTION).shown()
    assert [one.type_oid for one in wire.row_description(description)] == [23, 25]


def test_a_name_that_has_got_other_columns_does_not_end_the_session() -> None:
    """The server describes what the name meant when FETCH was parsed."""
    play = Play()
    play.client(wire.query(b"declare c cursor for select 1"))
    play.server(done(), TRANSACTION)
    parsed(play, b"u", b"fetch all from c", TRANSACTION)
    play.client(wire.query(b"close c"), wire.query(SECRET_CURSOR))
    play.server(done(), TRANSACTION, done(), TRANSACTION)
    play.shown()
    one = wire.encode_row_description(DAYS[:1])
    play.client(wire.describe(b"S", b"u"), wire.sync())
    assert play.server(one, TRANSACTION).shown()[0] == one
    # another statement's must fit
    parsed(play, b"v", PATIENTS, TRANSACTION)
    play.client(wire.describe(b"S", b"v"), wire.sync())
    with pytest.raises(RemoteProtocolError):
        play.server(one)


def new_label(text: str) -> Decision:
    """Rules by which ``select plain`` must be masked, too."""
    if "plain" in text:
        decision = judge(text)
        return Decision("req-2", Mask("test/mask", (SSN,)), facts=decision.facts)
    return judge(text)


def test_a_cursor_declared_by_a_statement_of_older_rules_has_the_new_plan() -> None:
    play = Play()
    parsed(play, b"s", b"declare c cursor for select plain")
    play.generation, play.judge = 1, new_label
    play.client(wire.bind(b"", b"s", (), (), ()), wire.execute(b"", 0), wire.sync())
    play.server(wire.bind_complete(), done(b"DECLARE CURSOR"), TRANSACTION)
    play.shown()
    play.client(wire.query(b"fetch all from c"))
    assert masked(play.server(FIELDS, row(b"1", REAL), done(), TRANSACTION).shown())


def test_an_open_cursor_is_judged_again_by_new_rules() -> None:
    play = Play()
    play.client(wire.query(b"declare c cursor for select plain"))
    play.server(done(), TRANSACTION)
    play.shown()
    play.generation, play.judge = 1, new_label
    play.client(wire.query(b"fetch all from c"))
    assert masked(play.server(FIELDS, row(b"1", REAL), done(), TRANSACTION).shown())
    play.client(wire.execute(b"c", 0), wire.sync())
    assert masked(play.server(row(b"1", REAL), done(), TRANSACTION).shown())


def test_a_suspended_portal_is_judged_again_by_new_rules() -> None:
    play = Play()
    parsed(play, b"s", b"select plain", TRANSACTION)
    bound(play, b"p", b"s")
    play.client(wire.execute(b"p", 1), wire.sync())
    play.server(row(b"1", REAL), wire.portal_suspended(), TRANSACTION)
    play.shown()
    play.generation, play.judge = 1, new_label
    play.client(wire.execute(b"p", 0), wire.sync())
    assert masked(play.server(row(b"2", REAL), done(), TRANSACTION).shown())
    play.generation, play.judge = 2, lambda _: judge("drop")
    play.client(wire.execute(b"p", 0), wire.sync())
    assert refused(play)


def no_label(text: str) -> Decision:
    """What names mean now is public."""
    return Decision("req-3", Allow("test/allow"), facts=judge(text).facts)


def test_what_is_open_is_not_unmasked_by_another_meaning_of_its_names() -> None:
    """The server has read them when it was opened, and goes on with what they meant."""
    play = Play()
    play.client(wire.query(b"declare c cursor for select id, ssn from patients"))
    play.server(done(), TRANSACTION)
    parsed(play, b"s", b"select id, ssn from patients", TRANSACTION)
    bound(play, b"p", b"s")
    play.client(wire.execute(b"p", 1), wire.sync())
    play.server(row(b"1", REAL), wire.portal_suspended(), TRANSACTION)
    bound(play, b"q", b"s")
    play.generation, play.judge = 1, no_label
    for again in (
        wire.query(b"fetch all from c"),
        wire.execute(b"c", 0) + wire.sync(),
        wire.execute(b"p", 0) + wire.sync(),
        wire.execute(b"q", 0) + wire.sync(),
    ):
        play.shown()
        play.client(again)
        assert refused(play)
        error = play.server(ERROR, TRANSACTION).shown()[0]
        assert b"portal.stale" in wire.error_fields(error)[b"D"]


def test_what_is_open_cannot_be_held_any_more() -> None:
    """Its values are gone, and a person would approve something that has begun."""
    play = Play(patient=True)
    play.client(wire.parse(b"s", b"select", ()), wire.bind(b"p", b"s", (), (b"1",), ()))
    play.decide(judge("select"))
    play.client(wire.flush())
    play.server(wire.parse_complete(), wire.bind_complete())
    play.sent()
    play.generation = 1
    play.client(wire.execute(b"p", 0), wire.sync())
    (ask,) = play.asked
    assert ask.event.executes is False
    hold = Hold("test/bulk", "bulk", "Bulk.", frozenset({"reviewers"}), 60.0)
    play.decide(Decision("req-2", hold, facts=judge("select").facts))
    assert refused(play)
    error, _ = play.server(ERROR, IDLE).shown()[-2:]
    assert b"portal.stale" in wire.error_fields(error)[b"D"]


def approved(text: str, rule: str = "test/bulk") -> Decision:
    return Decision("req-1", Mask(rule, (SSN,)), approval="apr-1", facts=judge(text).facts)


@pytest.mark.parametrize(("rule", "stands"), [("test/bulk", True), ("test/other", False)])
def test_what_was_approved_stands_while_the_same_rule_holds_it(rule: str, stands: bool) -> None:
    """A cursor that was approved is read for longer than the schema is known to be the same."""
    play = Play(patient=True)
    play.client(wire.query(b"declare c cursor for bulk"))
    play.decide(approved("declare c cursor for bulk"))
    play.server(done(), TRANSACTION)
    for again in (wire.query(b"fetch 1 from c"), wire.execute(b"c", 1) + wire.sync()):
        play.generation += 1
        play.sent()
        play.client(again)
        if again[:1] == b"Q":
            play.decide(judge("fetch 1 from c"))
        (ask,) = play.asked
        assert (ask.event.text, ask.event.executes) == ("bulk", False)
        hold = Hold(rule, "bulk", "Bulk.", frozenset({"reviewers"}), 60.0, (SSN,))
        play.decide(Decision("req-2", hold, facts=judge("bulk").facts))
        assert refused(play) is not stands
        ended = done() if again[:1] == b"Q" else wire.portal_suspended()
        head = FIELDS if again[:1] == b"Q" else b""
        if stands:
            assert masked(play.server(head, row(b"1", REAL), ended, TRANSACTION).shown())
        else:
            play.server(ERROR, TRANSACTION)


def test_an_approved_execution_is_not_asked_for_again_when_it_goes_on() -> None:
    play = Play(patient=True)
    play.client(wire.parse(b"s", b"bulk", ()), wire.sync())
    play.decide(judge("bulk"))
    play.server(wire.parse_complete(), IDLE)
    play.client(wire.bind(b"p", b"s", (), (b"1",), ()), wire.execute(b"p", 1), wire.sync())
    play.decide(approved("bulk"))
    assert masked(
        play.server(
            wire.bind_complete(), row(b"1", REAL), wire.portal_suspended(), TRANSACTION
        ).shown()[2:]
    )
    play.client(wire.execute(b"p", 1), wire.sync())
    assert play.asked == []
    assert masked(play.server(row(b"2", REAL), done(), TRANSACTION).shown())
    play.client(wire.bind(b"p2", b"s", (), (b"1",), ()), wire.execute(b"p2", 1), wire.sync())
    assert play.asked[0].event.executes


def test_a_cursor_dies_with_its_transaction_unless_it_is_held() -> None:
    def holdable(text: str) -> Decision:
        (found,) = judge(text).facts
        flagged = StatementFacts(found.classes, kind=found.kind, name=found.name, inner=found.inner)
        if found.kind == "declare":
            flagged = StatementFacts(
                found.classes,
                kind=found.kind,
                name=found.name,
                inner=found.inner,
                flags=frozenset({"with_hold"}),
            )
        return Decision("req-1", Allow("test"), facts=(flagged,))

    for play, known in ((Play(), False), (Play(judge=holdable), True)):
        play.client(wire.query(b"declare c cursor for select 1"))
        play.server(done(), TRANSACTION)
        play.client(wire.query(b"commit"))
        play.server(done(), IDLE)
        play.sent()
        play.client(wire.query(b"fetch all from c"))
        assert refused(play) is not known


# --- results that were not announced -----------------------------------------------------------


def test_rows_that_were_not_described_end_the_session() -> None:
    play = Play()
    play.client(wire.query(b"select 1"))
    with pytest.raises(RemoteProtocolError):
        play.server(row(b"1", REAL))
    play = Play()
    play.client(wire.query(b"select 1; select 2"))
    play.server(FIELDS, row(b"1", b"x"), done())
    with pytest.raises(RemoteProtocolError):
        play.server(row(b"1", REAL))


@pytest.mark.parametrize("before", [b"", FIELDS + row(b"1", b"x") + done()])
def test_copy_data_that_was_not_announced_ends_the_session(before: bytes) -> None:
    play = Play()
    play.client(wire.query(b"select 1; select 2"))
    play.server(before)
    with pytest.raises(RemoteProtocolError):
        play.server(wire.copy_data(REAL + b"\n"))


def test_two_copies_in_one_query_are_refused() -> None:
    play = Play()
    play.client(wire.query(b"copy t from stdin; copy u from stdin"))
    assert refused(play)


def test_a_failed_query_that_prepared_leaves_the_names_in_order() -> None:
    play = Play()
    play.client(wire.query(b"prepare s as select 1; prepare t as " + PATIENTS))
    play.server(done(), ERROR, IDLE)
    play.client(wire.query(b"execute t"))
    assert refused(play)
    assert kinds(play.server(ERROR, IDLE).shown()) == "CEZEZ"
    play.client(wire.query(b"execute s"))
    assert play.sent() == [wire.query(b"execute s")]


# --- bounds ------------------------------------------------------------------------------------


def test_thousands_of_names_in_flight_fail_in_no_time() -> None:
    """One error ends them all; each was looked for in all of them."""
    count = 15_000
    play = Play()
    started = time.process_time()
    for n in range(0, count, 100):
        names = range(n, n + 100)
        play.client(*(wire.parse(b"s%d" % one, b"select", ()) for one in names))
    play.client(*(wire.describe(b"S", b"s%d" % n) for n in range(count)), wire.sync())
    play.server(ERROR, IDLE)
    assert time.process_time() - started < 10
    play.sent()
    play.client(wire.bind(b"", b"s7", (), (), ()), wire.sync())
    assert refused(play)


def test_names_keep_only_so_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hoopgate.postgres.names.MOST_BYTES", 10_000)
    text = b"select " + b"1" * 993
    play = Play()
    for _ in range(50):  # each takes the place of the one before
        parsed(play, b"", text)
    for n in range(9):
        parsed(play, b"s%d" % n, text)
    for n in range(9):
        play.client(wire.close(b"S", b"s%d" % n), wire.sync())
        play.server(wire.close_complete(), IDLE)
    with pytest.raises(RemoteProtocolError, match="too many"):
        for n in range(10):
            parsed(play, b"s%d" % n, text)


def test_the_unnamed_statement_outlives_deallocate_all() -> None:
    """It is none of those that SQL has names for (``DropAllPreparedStatements``)."""
    play = Play()
    parsed(play, b"", PATIENTS)
    parsed(play, b"s", PATIENTS)
    deallocated = wire.parse(b"t", b"deallocate all", ()) + wire.bind(b"", b"t", (), (), ())
    play.client(deallocated, wire.execute(b""), wire.bind(b"p", b"", (), (), ()), wire.sync())
    assert not refused(play)
    play.server(wire.parse_complete(), wire.bind_complete(), done(b"DONE"), wire.bind_complete())
    play.server(IDLE)
    play.client(wire.bind(b"", b"", (), (), ()), wire.execute(b""), wire.sync())
    assert not refused(play)
    play.server(wire.bind_complete(), row(b"1", REAL), done(b"SELECT 1"), IDLE)
    assert masked(play.shown())
    play.client(wire.bind(b"", b"s", (), (), ()), wire.sync())
    assert refused(play)


def test_a_refused_parse_drops_the_unnamed_statement() -> None:
    """As one that fails does: its name is free, whatever the text."""
    play = Play()
    parsed(play, b"", PATIENTS)
    for name in (b"", b"s"):
        play.client(wire.parse(name, b"drop table t", ()), wire.sync())
        sent = play.sent()[0]
        assert b"hoopgate refused" in sent
        assert sent[:1] == b"P"
        assert (sent[5:6] == b"\0") == (name == b"")
        play.server(ERROR, IDLE)
