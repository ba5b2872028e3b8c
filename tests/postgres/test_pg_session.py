"""Transcripts of PostgreSQL sessions: each is a rule of ``session.py`` or a case of PROTOCOLS A."""

from __future__ import annotations

import json

import pytest
from session_play import (
    ERROR,
    FAILED,
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
from hoopgate.events import Side
from hoopgate.postgres import wire
from hoopgate.verdicts import Block, Mask

REAL = b"123-45-6789"
PATIENTS = wire.query(b"select id, ssn from patients")


def masked(messages: list[bytes]) -> bool:
    rows = [message for message in messages if message[:1] == b"D"]
    return bool(rows) and all(wire.data_row_values(one)[1] == b"[SSN]" for one in rows)


def test_a_query_is_forwarded_as_it_came_and_its_rows_are_masked() -> None:
    play = Play()
    assert play.client(PATIENTS).sent() == [PATIENTS]
    shown = play.server(FIELDS, row(b"1", REAL), row(b"2", None), done(), IDLE).shown()
    assert kinds(shown) == "TDDCZ"
    assert masked(shown)


def test_a_refused_query_is_answered_and_the_session_goes_on() -> None:
    play = Play()
    (poison,) = play.client(wire.query(b"drop table patients")).sent()
    assert b"drop" not in poison
    error, ready = play.server(ERROR, IDLE).shown()
    fields = wire.error_fields(error)
    assert fields[b"C"] == b"42501"
    assert b"test/ddl" in fields[b"M"]
    assert json.loads(fields[b"D"])["request"] == "req-1"
    assert ready == IDLE
    assert play.client(PATIENTS).sent() == [PATIENTS]


def test_what_was_refused_is_recorded_as_the_client_sent_it() -> None:
    play = Play()
    play.client(wire.query(b"drop table patients"))
    (forward,) = play.forwards
    assert forward.received == wire.query(b"drop table patients")
    assert isinstance(forward.decisions[0].verdict, Block)


def test_a_server_that_runs_what_was_refused_ends_the_session() -> None:
    play = Play()
    play.client(wire.query(b"drop table patients"))
    with pytest.raises(RemoteProtocolError):
        play.server(done(b"DROP TABLE"), IDLE)


def pipeline(text: bytes, name: bytes = b"", portal: bytes = b"") -> bytes:
    return b"".join(
        (
            wire.parse(name, text, ()),
            wire.bind(portal, name, (), (), ()),
            wire.execute(portal, 0),
        )
    )


ANSWER = (wire.parse_complete(), wire.bind_complete())


def test_a_refusal_in_a_pipeline_fails_all_of_it() -> None:
    """A19: the statement before it must not commit, the one behind it must not run."""
    play = Play()
    play.client(pipeline(b"insert"), pipeline(b"drop"), pipeline(b"select"), wire.sync())
    sent = play.sent()
    assert kinds(sent) == "PBEPS"
    assert b"drop" not in b"".join(sent)
    assert b"select" not in b"".join(sent)
    shown = play.server(*ANSWER, done(b"INSERT 0 1"), ERROR, IDLE).shown()
    assert kinds(shown) == "12CEZ"
    assert b"test/ddl" in shown[3]
    assert play.client(PATIENTS).sent() == [PATIENTS]


def test_the_first_error_of_a_pipeline_is_the_one_shown() -> None:
    play = Play()
    play.client(pipeline(b"insert"), pipeline(b"drop"), wire.sync())
    shown = play.server(wire.parse_complete(), ERROR, FAILED).shown()
    assert kinds(shown) == "1EZ"
    assert b"test/ddl" not in shown[1]


def test_masking_belongs_to_the_portal_and_survives_suspension() -> None:
    play = Play()
    play.client(
        wire.parse(b"s", b"select id, ssn from patients", ()),
        wire.bind(b"p", b"s", (), (), ()),
        wire.execute(b"p", 1),
        wire.flush(),
    )
    shown = play.server(*ANSWER, row(b"1", REAL), wire.portal_suspended()).shown()
    assert masked(shown)
    play.client(wire.execute(b"p", 0), wire.sync())
    shown = play.server(row(b"2", REAL), done(), IDLE).shown()
    assert masked(shown)


def test_every_execution_of_a_prepared_statement_is_masked() -> None:
    play = Play()
    play.client(wire.parse(b"s", b"select id, ssn from patients", ()), wire.sync())
    play.server(wire.parse_complete(), IDLE).shown()
    for _ in range(3):
        play.client(wire.bind(b"", b"s", (), (), ()), wire.execute(b"", 0), wire.sync())
        assert masked(play.server(wire.bind_complete(), row(b"1", REAL), done(), IDLE).shown())


def test_sql_prepare_is_bound_by_the_protocol() -> None:
    """A14."""
    play = Play()
    play.client(wire.query(b"prepare s as select id, ssn from patients"))
    play.server(done(b"PREPARE"), IDLE).shown()
    play.client(wire.bind(b"", b"s", (), (), ()), wire.execute(b"", 0), wire.sync())
    assert masked(play.server(wire.bind_complete(), row(b"1", REAL), done(), IDLE).shown())


def test_a_protocol_statement_is_run_by_sql_execute() -> None:
    """A14, the other way."""
    play = Play()
    play.client(wire.parse(b"s", b"select id, ssn from patients", ()), wire.sync())
    play.server(wire.parse_complete(), IDLE).shown()
    play.client(wire.query(b"execute s"))
    assert masked(play.server(FIELDS, row(b"1", REAL), done(), IDLE).shown())


def test_a_declared_cursor_is_executed_by_the_protocol_and_fetched() -> None:
    """A15, both ways."""
    play = Play()
    play.client(wire.query(b"declare c cursor for select id, ssn from patients"))
    play.server(done(b"DECLARE CURSOR"), TRANSACTION).shown()
    play.client(wire.execute(b"c", 1), wire.sync())
    assert masked(play.server(row(b"1", REAL), wire.portal_suspended(), TRANSACTION).shown())
    play.client(wire.query(b"fetch all from c"))
    assert masked(play.server(FIELDS, row(b"2", REAL), done(), TRANSACTION).shown())


def test_a_name_that_failed_to_change_keeps_its_meaning() -> None:
    play = Play()
    play.client(wire.parse(b"s", b"select id, ssn from patients", ()), wire.sync())
    play.server(wire.parse_complete(), IDLE).shown()
    play.client(wire.parse(b"s", b"select 1", ()), wire.sync())
    play.server(wire.error_response("ERROR", "42P05", "exists"), IDLE).shown()
    play.client(wire.bind(b"", b"s", (), (), ()), wire.execute(b"", 0), wire.sync())
    assert masked(play.server(wire.bind_complete(), row(b"1", REAL), done(), IDLE).shown())


def test_a_name_in_flight_is_waited_for() -> None:
    """The Bind is of a later segment: which s it will meet, only the server knows."""
    play = Play()
    play.client(wire.parse(b"s", b"select id, ssn from patients", ()), wire.sync())
    play.server(wire.parse_complete(), IDLE).shown()
    play.sent()
    play.client(
        wire.parse(b"s", b"select 1", ()),
        wire.sync(),
        wire.bind(b"", b"s", (), (), ()),
        wire.execute(b"", 0),
        wire.sync(),
    )
    assert kinds(play.sent()) == "PS"
    play.server(wire.error_response("ERROR", "42P05", "exists"), IDLE)
    assert kinds(play.sent()) == "BES"
    play.shown()
    assert masked(play.server(wire.bind_complete(), row(b"1", REAL), done(), IDLE).shown())


def test_an_unknown_name_is_refused() -> None:
    play = Play()
    play.client(wire.bind(b"", b"nothing", (), (), ()), wire.execute(b"", 0), wire.sync())
    assert kinds(play.sent()) == "PS"
    error, _ = play.server(ERROR, IDLE).shown()
    assert wire.error_fields(error)[b"C"] == b"26000"
    play.client(wire.query(b"execute nothing"))
    error, _ = play.server(ERROR, IDLE).shown()
    assert wire.error_fields(error)[b"C"] == b"26000"


def test_a_statement_that_needs_approval_is_asked_for_at_every_execution() -> None:
    play = Play(patient=True)
    play.client(wire.parse(b"s", b"bulk", ()), wire.sync())
    assert play.asked[0].event.executes is False
    play.decide(judge("bulk"))
    play.server(wire.parse_complete(), IDLE).shown()
    assert kinds(play.sent()) == "PS"
    for value in (b"1", b"2"):
        play.client(wire.bind(b"", b"s", (), (value,), ()), wire.execute(b"", 0), wire.sync())
        (ask,) = play.asked
        assert ask.event.executes
        assert ask.event.parameters == ((0, value),)
        assert play.sent() == []
        play.decide(Decision("req-2", Mask("test/bulk", (SSN,)), facts=judge("bulk").facts))
        assert kinds(play.sent()) == "BES"
        assert masked(play.server(wire.bind_complete(), row(b"1", REAL), done(), IDLE).shown())


def test_sql_execute_of_a_statement_that_needs_approval_asks() -> None:
    play = Play(patient=True)
    play.client(wire.parse(b"s", b"bulk", ()), wire.sync())
    play.decide(judge("bulk"))
    play.server(wire.parse_complete(), IDLE)
    play.sent()
    play.client(wire.query(b"execute s"))
    play.decide(judge("execute s"))
    assert play.asked[0].event.text == "bulk"
    assert play.sent() == []
    play.decide(Decision("req-2", Block("test/bulk", "approval.refused", "No.")))
    assert b"hoopgate refused" in play.sent()[0]


def test_new_rules_judge_a_prepared_statement_again() -> None:
    play = Play()
    play.client(wire.parse(b"s", b"select", ()), wire.sync())
    play.server(wire.parse_complete(), IDLE).shown()
    play.generation += 1
    play.judge = lambda text: judge("drop")
    play.sent()
    play.client(wire.bind(b"", b"s", (), (), ()), wire.execute(b"", 0), wire.sync())
    assert kinds(play.sent()) == "BPS"


def test_a_multi_statement_query_is_masked_statement_by_statement() -> None:
    """A17."""
    play = Play()
    play.client(wire.query(b"select 1;select id, ssn from patients"))
    shown = play.server(
        FIELDS, row(b"1", b"x"), done(), FIELDS, row(b"1", REAL), done(), IDLE
    ).shown()
    assert wire.data_row_values(shown[1])[1] == b"x"
    assert masked([shown[4]])


def test_a_result_that_does_not_fit_its_plan_ends_the_session() -> None:
    play = Play()
    play.client(PATIENTS)
    one = wire.encode_row_description([wire.Field(b"ssn", 0, 0, 25, -1, -1, 0)])
    with pytest.raises(RemoteProtocolError):
        play.server(one, row(REAL))
    play = Play()
    play.client(pipeline(b"select id, ssn from patients"), wire.sync())
    with pytest.raises(RemoteProtocolError):
        play.server(*ANSWER, row(REAL))


def test_errors_and_notices_are_scrubbed_on_phi() -> None:
    play = Play()
    play.client(PATIENTS)
    shown = play.server(wire.notice_response("NOTICE", "00000", REAL.decode()), ERROR, IDLE).shown()
    assert kinds(shown) == "NEZ"
    assert REAL not in b"".join(shown)
    assert wire.error_fields(shown[1])[b"C"] == b"42601"


def test_copy_in_and_its_syncs() -> None:
    """Sync in the middle of COPY FROM STDIN is ignored by the server; it is not forwarded."""
    play = Play()
    play.client(pipeline(b"copy t from stdin"), wire.sync(), wire.copy_data(b"1\tx\n"))
    assert kinds(play.sent()) == "PBE"
    copy_in = b"G" + (7 + 2).to_bytes(4, "big") + b"\0\0\1\0\0"
    play.server(*ANSWER, copy_in)
    play.client(wire.copy_done(), wire.sync())
    assert kinds(play.sent()) == "dcS"
    shown = play.server(done(b"COPY 1"), IDLE).shown()
    assert kinds(shown) == "12GCZ"


def test_a_failed_copy_drops_what_the_client_still_sends() -> None:
    play = Play()
    play.client(wire.query(b"copy t from stdin"))
    copy_in = b"G" + (7 + 2).to_bytes(4, "big") + b"\0\0\1\0\0"
    play.server(copy_in)
    play.server(ERROR, IDLE)
    play.sent()
    play.client(wire.copy_data(b"1\tx\n"), wire.copy_done())
    assert play.sent() == []
    assert play.client(PATIENTS).sent() == [PATIENTS]


def test_function_call_is_refused() -> None:
    """A20."""
    play = Play()
    play.client(wire.function_call(b"\0\0\0\1\0\0\0\0\0\0"))
    assert kinds(play.sent()) == "Q"
    error, ready = play.server(ERROR, IDLE).shown()
    assert b"function_call" in wire.error_fields(error)[b"D"]
    assert ready == IDLE


@pytest.mark.parametrize(
    "message",
    [wire.query(b"x" * 5000), b"Q\0\0\0\6\xff\0"],
    ids=["oversized", "not UTF-8"],
)
def test_a_bad_query_is_refused_and_the_session_goes_on(message: bytes) -> None:
    play = Play()
    for byte in message:
        play.client(bytes([byte]))
    assert kinds(play.sent()) == "Q"
    assert kinds(play.server(ERROR, IDLE).shown()) == "EZ"
    assert play.client(PATIENTS).sent() == [PATIENTS]


def test_an_oversized_bind_fails_its_pipeline_only() -> None:
    play = Play()
    play.client(
        wire.parse(b"", b"select", ()), wire.bind(b"", b"", (), (b"x" * 5000,), ()), wire.sync()
    )
    assert kinds(play.sent()) == "PPS"
    shown = play.server(wire.parse_complete(), ERROR, IDLE).shown()
    assert wire.error_fields(shown[1])[b"C"] == b"54000"


def test_a_changed_encoding_ends_the_session() -> None:
    play = Play()
    play.client(wire.query(b"select set_config()"))
    with pytest.raises(RemoteProtocolError):
        play.server(wire.parameter_status(b"client_encoding", b"SJIS"))


def test_parameters_set_by_statements_are_not_reported_on_phi() -> None:
    play = Play()
    play.client(wire.query(b"select set_config()"))
    shown = play.server(wire.parameter_status(b"application_name", REAL), IDLE).shown()
    assert kinds(shown) == "Z"


def test_terminate_and_lost_connections() -> None:
    play = Play()
    play.client(wire.terminate())
    assert play.closed == "client.terminate"
    assert play.sent() == [wire.terminate()]
    play = Play()
    play._do(play.session.lost(Side.BACKEND))
    assert play.closed == "backend.gone"
    assert b"08006" in play.to_client


def test_the_client_is_read_while_it_waits_and_nothing_is_forwarded() -> None:
    play = Play(patient=True)
    play.client(PATIENTS)
    play.client(wire.query(b"drop"), wire.query(b"select"))
    assert play.sent() == []
    assert len(play.asked) == 1
    assert play.session.buffered > 0


def test_deallocate_forgets() -> None:
    play = Play()
    play.client(wire.query(b"prepare s as select id, ssn from patients"))
    play.server(done(b"PREPARE"), IDLE)
    play.client(wire.query(b"deallocate all"))
    play.server(done(b"DEALLOCATE"), IDLE)
    play.sent()
    play.client(wire.query(b"execute s"))
    assert b"hoopgate refused" in play.sent()[0]


def test_fetch_does_not_get_around_an_approval() -> None:
    """FETCH would run a portal of a held statement without the Execute that asks."""
    play = Play(patient=True)
    play.client(wire.parse(b"s", b"bulk", ()), wire.bind(b"p", b"s", (), (), ()))
    play.decide(judge("bulk"))
    play.sent()
    play.client(wire.query(b"fetch all from p"))
    play.decide(judge("fetch all from p"))
    assert b"hoopgate refused" in play.sent()[0]


def test_fetch_does_not_get_around_a_name() -> None:
    """The portal's statement is itself an EXECUTE: its plan is another statement's."""
    play = Play()
    play.client(
        wire.parse(b"s", b"select id, ssn from patients", ()),
        wire.parse(b"u", b"execute s", ()),
        wire.bind(b"p", b"u", (), (), ()),
    )
    play.sent()
    play.client(wire.query(b"fetch all from p"))
    assert b"hoopgate refused" in play.sent()[0]


#: A message of each type a server has, with a body that is well formed.
SAID: dict[str, bytes] = {
    "R": b"\0\0\0\3",
    "K": b"\0\0\0\1\0\0\0\2",
    "S": b"is_superuser\0on\0",
    "Z": b"I",
    "T": b"\0\1a\0" + bytes(18),
    "D": b"\0\1\xff\xff\xff\xff",
    "C": b"SELECT 1\0",
    "E": b"SERROR\0C42601\0Mx\0\0",
    "N": b"SNOTICE\0C00000\0Mx\0\0",
    "A": b"\0\0\0\1c\0secret\0",
    "G": bytes(3),
    "H": bytes(3),
    "W": bytes(3),
    "V": b"\xff\xff\xff\xff",
    "d": b"x\n",
    "t": b"\0\0",
    "v": b"\0\3\0\0\0\0\0\0",
    **dict.fromkeys("Ins123c", b""),
}


@pytest.mark.parametrize(
    ("asked", "answered", "passes"),
    [
        ([], [], "SENA"),
        ([wire.query(b"select id, ssn from patients")], [], "SZCENAIGc"),
        (
            [wire.query(b"select id, ssn from patients")],
            [FIELDS, row(b"1", b"123-45-6789")],
            "SZCENAIGc",
        ),
        (
            [
                wire.parse(b"", b"select id, ssn from patients", ()),
                wire.bind(b"", b"", (), (), ()),
                wire.execute(b""),
                wire.sync(),
            ],
            [],
            "SENA1",
        ),
    ],
    ids=["idle", "query", "rows", "pipeline"],
)
@pytest.mark.parametrize("kind", SAID)
def test_a_server_that_says_anything(
    asked: list[bytes], answered: list[bytes], passes: str, kind: str
) -> None:
    """A hostile one: no request for a password, no key, no row or COPY that was not described."""
    play = Play()
    if asked:
        play.client(*asked)
    if answered:
        play.server(*answered)
    play.shown()
    body = SAID[kind]
    message = kind.encode() + (len(body) + 4).to_bytes(4, "big") + body
    if kind in passes:
        play.server(message)
        shown = b"".join(play.shown())
        assert shown[:1] == kind.encode()
        assert b"secret" not in shown
    else:
        with pytest.raises(RemoteProtocolError):
            play.server(message)


# --- a server that has waited ---------------------------------------------------------------------


def test_an_answer_that_took_its_time_is_vouched_for_before_anything_of_it_leaves() -> None:
    play = Play(doubting=True)
    play.client(PATIENTS)
    play.stamp = 0.3
    answer = FIELDS + row(b"1", REAL) + done() + IDLE
    for one in range(len(answer)):
        play.server(answer[one : one + 1])
    assert play.shown() == []
    (doubt,) = play.doubts
    assert (doubt.event.text, doubt.index, doubt.plan) == ("select id, ssn from patients", 0, SSN)
    shown = play.vouch().shown()
    assert kinds(shown) == "TDCZ"
    assert masked(shown)
    assert len(play.doubts) == 1


@pytest.mark.parametrize("answered", [0.2, 0.3, 1e6, -1.0])
def test_what_is_answered_at_once_is_not_doubted(answered: float) -> None:
    """But while somebody changes the schema, or behind a change."""
    play = Play()
    play.client(PATIENTS)
    play.stamp = answered
    play.server(FIELDS, row(b"1", REAL), done(), IDLE)
    assert len(play.doubts) == (answered != 0.2)
    assert masked(play.shown())


def test_what_was_judged_while_the_schema_changed_is_doubted() -> None:
    play = Play(stamp=-1.0)
    play.client(PATIENTS).server(FIELDS)
    assert len(play.doubts) == 1


def test_each_statement_of_a_query_is_vouched_for_by_itself() -> None:
    play = Play()
    play.client(wire.query(b"select id, ssn from patients; select 1; select id, ssn from patients"))
    play.server(FIELDS, row(b"1", REAL), done())
    assert play.doubts == []
    play.stamp = 5.0
    one = wire.encode_row_description([wire.Field(b"?column?", 0, 0, 23, 4, -1, 0)])
    play.server(one, row(b"1"), done(), FIELDS, row(b"1", REAL), done(), IDLE)
    assert [(doubt.index, doubt.plan) for doubt in play.doubts] == [(1, None), (2, SSN)]
    assert kinds(play.shown()) == "TDCTDCTDCZ"


def test_a_portal_is_vouched_for_once() -> None:
    play = Play()
    play.client(
        wire.parse(b"", b"select id, ssn from patients", ()),
        wire.bind(b"", b""),
        wire.execute(b"", 1),
        wire.flush(),
    )
    play.stamp = 1.0
    play.server(wire.parse_complete(), wire.bind_complete(), row(b"1", REAL))
    assert [doubt.plan for doubt in play.doubts] == [SSN]
    play.server(wire.portal_suspended())
    play.client(wire.execute(b"", 1), wire.sync())
    play.stamp = 2.0
    play.server(row(b"2", REAL), done(), IDLE)
    assert len(play.doubts) == 1  # its meaning was settled when it was opened


def test_a_failure_tells_something_too_and_a_notice_comes_by_itself() -> None:
    play = Play(doubting=True)
    play.client(PATIENTS)
    play.stamp = 1.0
    play.server(wire.notice_response("NOTICE", "00000", "x"))
    assert play.doubts == []
    play.server(ERROR, IDLE)
    assert kinds(play.shown()) == "N"
    assert kinds(play.vouch().shown()) == "EZ"
