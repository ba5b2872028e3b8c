"""Properties of a session over arbitrary programs, chunkings and bytes."""

from __future__ import annotations

import itertools

from hypothesis import example, given, settings
from hypothesis import strategies as st
from model_server import REAL, ModelServer
from session_play import Play

from hoopgate.actions import Ask, Close, Forward, Reply
from hoopgate.errors import RemoteProtocolError
from hoopgate.events import Side
from hoopgate.postgres import wire

names = st.sampled_from([b"", b"s", b"t"])
reads = st.sampled_from([b"select 1", b"select id, ssn from patients"])
texts = st.one_of(reads, st.sampled_from([b"drop table patients", b"insert", b"fail"]))
named = st.sampled_from([b"s", b"t"])
sql = st.one_of(
    texts,
    st.builds(lambda n, t: b"prepare " + n + b" as " + t, named, texts),
    st.builds(lambda n, t: b"declare " + n + b" cursor for " + t, named, reads),
    st.builds(
        lambda w, n: w + n,
        st.sampled_from([b"execute ", b"deallocate ", b"fetch all from ", b"close "]),
        named,
    ),
    st.sampled_from([b"begin", b"commit", b"copy t from stdin"]),
)
messages = st.one_of(
    sql.map(wire.query),
    st.builds(lambda n, t: wire.parse(n, t, ()), names, sql),
    st.builds(lambda p, n: wire.bind(p, n, (), (), ()), names, names),
    st.builds(lambda p: wire.describe(b"P", p), names),
    st.builds(lambda p, limit: wire.execute(p, limit), names, st.integers(0, 2)),
    st.builds(lambda k, n: wire.close(k, n), st.sampled_from([b"S", b"P"]), names),
    st.just(wire.sync()),
    st.just(wire.flush()),
    st.just(wire.copy_data(b"1\t2\n")),
    st.just(wire.copy_done()),
    st.just(wire.query(b"x" * 5000)),
    st.just(b"B\0\0\0\5\xff"),
)
#: A Sync ends every program: without it a client would rightly wait.
programs = st.lists(messages, max_size=14).map(lambda parts: b"".join(parts) + wire.sync())


class Slow(Play):
    """Whose server takes its time, and whose answers come in pieces."""

    def server(self, *messages: bytes) -> Play:
        data = b"".join(messages)
        for start in range(0, len(data), 7):
            self.stamp += 10.0
            super().server(data[start : start + 7])
        return self


def converse(
    program: bytes, cuts: list[int], play: Play | None = None
) -> tuple[bytes, bytes, ModelServer, str]:
    """Play a program in the given pieces against the model; what each side got to see."""
    play, server = play or Play(), ModelServer()
    seen = sent = b""
    edges = sorted({0, len(program), *(cut % (len(program) + 1) for cut in cuts)})
    failed = ""
    try:
        for start, end in itertools.pairwise(edges):
            play.client(program[start:end])
            while play.to_server:
                data, play.to_server = play.to_server, b""
                sent += data
                play.server(server.received(data))
    except RemoteProtocolError as error:
        failed = str(error)
    seen += play.to_client
    return seen, sent, server, failed


#: What once gave a name two meanings.
RENAMED = b"".join(
    (
        wire.query(b"prepare t as select 1"),
        wire.parse(b"d", b"deallocate t"),
        wire.parse(b"p", b"prepare t as select id, ssn from patients"),
        wire.sync(),
        wire.query(b"execute d"),
        wire.query(b"execute p"),
        wire.bind(b"", b"t"),
        wire.execute(b"", 0),
        wire.sync(),
    )
)
REDECLARED = b"".join(
    (
        wire.query(b"begin"),
        wire.query(b"declare s cursor for select 1"),
        wire.parse(b"c", b"close s"),
        wire.parse(b"d", b"declare s cursor for select id, ssn from patients"),
        wire.sync(),
        wire.query(b"execute c"),
        wire.query(b"execute d"),
        wire.query(b"fetch all from s"),
    )
)


@given(programs, st.lists(st.integers(0, 2000), max_size=12))
@example(RENAMED, [])
@example(REDECLARED, [])
@settings(max_examples=400)
def test_nothing_refused_is_run_and_nothing_labelled_is_shown(
    program: bytes, cuts: list[int]
) -> None:
    seen, sent, server, _ = converse(program, cuts)
    assert REAL not in seen
    assert b"drop" not in sent
    assert all(b"drop" not in text for text in server.ran)


@given(programs, st.lists(st.integers(0, 2000), max_size=12))
@settings(max_examples=300)
def test_any_chunking_gives_the_same_answers_and_effects(program: bytes, cuts: list[int]) -> None:
    whole = converse(program, [])
    pieces = converse(program, cuts)
    assert whole[3] == pieces[3]
    if not whole[3]:  # a broken client's session ends, and what was under way with it
        assert whole[0] == pieces[0]
        assert whole[2].ran == pieces[2].ran


@given(programs)
@example(RENAMED)
@example(REDECLARED)
@settings(max_examples=300)
def test_what_is_vouched_for_is_what_would_have_been_shown(program: bytes) -> None:
    whole, slow = converse(program, []), converse(program, [], Slow())
    assert whole[3] == slow[3]
    if not whole[3]:
        assert whole[0] == slow[0]
        assert whole[2].ran == slow[2].ran


@given(programs)
@settings(max_examples=300)
def test_every_forwarded_byte_was_recorded_with_what_it_came_from(program: bytes) -> None:
    play, server = Play(), ModelServer()
    try:
        play.client(program)
        while play.to_server:
            data, play.to_server = play.to_server, b""
            play.server(server.received(data))
    except RemoteProtocolError:
        return
    recorded = b"".join(
        forward.data if forward.received is None else forward.received for forward in play.forwards
    )
    oversized = wire.query(b"x" * 5000)
    assert recorded == program.replace(oversized, oversized[:5])


@given(st.binary(max_size=300), st.binary(max_size=300))
@example(b"X\x00\x00\x00\x04", b"")
@settings(max_examples=300)
def test_arbitrary_bytes_raise_only_protocol_errors_and_stay_bounded(
    client: bytes, server: bytes
) -> None:
    play = Play()
    for side, data in ((Side.CLIENT, client), (Side.BACKEND, server)):
        try:
            actions = play.session.received(side, data)
        except RemoteProtocolError:
            break
        # A Terminate among the bytes closes the session as it should.
        kinds = Ask | Close | Forward | Reply
        assert all(isinstance(action, kinds) for action in actions)
    assert play.session.buffered <= 4096 + 65536
