"""The codec: chunking, identity of decode∘encode, hostile lengths and bodies, both directions."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.errors import LimitExceeded, LocalProtocolError, RemoteProtocolError
from hoopgate.postgres import wire

LIMIT = 2000

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30).map(
    str.encode
)
oids = st.integers(0, 2**32 - 1)
values = st.none() | st.binary(max_size=40)
kinds = st.sampled_from([b"S", b"P"])
codes = st.integers(0, 1)


@st.composite
def binds(draw: st.DrawFn) -> wire.Bind:
    parameters = tuple(draw(st.lists(values, max_size=5)))
    count = draw(st.sampled_from(sorted({0, 1, len(parameters)})))
    formats = tuple(draw(st.lists(codes, min_size=count, max_size=count)))
    results = tuple(draw(st.lists(codes, max_size=4)))
    return wire.Bind(draw(texts), draw(texts), formats, parameters, results)


messages = st.one_of(
    st.builds(wire.Query, texts),
    st.builds(wire.Parse, texts, texts, st.lists(oids, max_size=5).map(tuple)),
    binds(),
    st.builds(wire.Describe, kinds, texts),
    st.builds(wire.Execute, texts, st.integers(-(2**31), 2**31 - 1)),
    st.builds(wire.CloseMessage, kinds, texts),
    st.builds(wire.CopyFail, texts),
    st.builds(wire.PasswordMessage, st.binary(max_size=50)),
    st.sampled_from(
        [wire.Sync(), wire.Flush(), wire.CopyDone(), wire.Terminate(), wire.FunctionCall()]
    ),
)


def encode(message: wire.FrontendMessage) -> bytes:
    match message:
        case wire.Query(text):
            return wire.query(text)
        case wire.Parse(name, text, types):
            return wire.parse(name, text, types)
        case wire.Bind(portal, statement, formats, parameters, results):
            return wire.bind(portal, statement, formats, parameters, results)
        case wire.Describe(kind, name):
            return wire.describe(kind, name)
        case wire.Execute(portal, limit):
            return wire.execute(portal, limit)
        case wire.CloseMessage(kind, name):
            return wire.close(kind, name)
        case wire.CopyFail(reason):
            return wire.copy_fail(reason)
        case wire.PasswordMessage(body):
            return wire.password(body)
        case wire.FunctionCall():
            return wire.function_call(b"")
        case wire.Sync():
            return wire.sync()
        case wire.Flush():
            return wire.flush()
        case wire.CopyDone():
            return wire.copy_done()
        case wire.Terminate():
            return wire.terminate()
    raise AssertionError(message)


def chunked(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return (data[a:b] for a, b in pairwise(edges))


def read_all(reader: wire.FrontendReader) -> list[wire.FrontendMessage]:
    return list(iter(reader.next, None))


def read(data: bytes, cuts: list[int] | None = None) -> list[wire.FrontendMessage]:
    reader = wire.FrontendReader(LIMIT)
    out = []
    for chunk in chunked(data, cuts or []):
        reader.feed(chunk)
        out += read_all(reader)
    return out


def one(data: bytes) -> wire.FrontendMessage:
    [message] = read(data)
    return message


def framed(type_: bytes, body: bytes) -> bytes:
    return type_ + struct.pack(">I", len(body) + 4) + body


# --- frontend ----------------------------------------------------------------------------------


@given(st.lists(messages, max_size=6), st.lists(st.integers(0, 10_000), max_size=12))
def test_decoding_what_was_encoded_gives_it_back_however_it_is_cut(
    sent: list[wire.FrontendMessage], cuts: list[int]
) -> None:
    for message in sent:
        message.raw = encode(message)
    assert read(b"".join(message.raw for message in sent), cuts) == sent


@given(st.lists(messages, max_size=6), st.lists(st.integers(0, 10_000), max_size=12))
def test_reading_late_gives_the_same_messages(
    sent: list[wire.FrontendMessage], cuts: list[int]
) -> None:
    """A session that waits for a verdict feeds on without reading; nothing may get stuck."""
    data = b"".join(map(encode, sent))
    reader = wire.FrontendReader(LIMIT)
    first = []
    for number, chunk in enumerate(chunked(data, cuts)):
        reader.feed(chunk)
        if number % 3 == 0 and (message := reader.next()) is not None:
            first.append(message)
    assert first + read_all(reader) == read(data)
    assert reader.buffered == 0


def test_a_big_message_that_was_waited_for_does_not_hold_up_those_behind_it() -> None:
    reader = wire.FrontendReader(LIMIT)
    big = wire.query(b"x" * 1500)
    reader.feed(big[:100])
    assert reader.next() is None
    reader.feed(big[100:] + wire.sync() + wire.query(b"y")[:3])
    assert isinstance(reader.next(), wire.Query)
    reader.feed(wire.query(b"y")[3:])
    assert [type(m) for m in read_all(reader)] == [wire.Sync, wire.Query]


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=6))
def test_arbitrary_bytes_from_a_client_raise_nothing_but_protocol_errors(
    data: bytes, cuts: list[int]
) -> None:
    reader = wire.FrontendReader(100)
    try:
        for chunk in chunked(data, cuts):
            reader.feed(chunk)
            read_all(reader)
            assert reader.buffered <= 100
    except RemoteProtocolError:
        with pytest.raises(RemoteProtocolError):
            reader.next()
        assert reader.buffered == 0


bodies = st.lists(
    st.sampled_from([b"\0", b"S", b"P", b"a", b"\0\1", b"\0\0", b"\xff\xff", b"\0\0\0\1", b"\xc3"]),
    max_size=12,
).map(b"".join)


@given(st.sampled_from(b"QPBDECSHFdcfXp"), bodies)
def test_every_sound_frame_yields_one_message_that_keeps_its_bytes(type_: int, body: bytes) -> None:
    data = framed(bytes((type_,)), body)
    message = one(data)
    assert message.raw == data
    if not isinstance(message, wire.Malformed | wire.FunctionCall | wire.CopyData):
        assert encode(message) == data  # nothing that the decoder overlooked


@given(st.integers(LIMIT + 1, LIMIT * 5), st.lists(st.integers(0, 10_000), max_size=9))
def test_an_oversized_message_is_skipped_in_bounded_memory(size: int, cuts: list[int]) -> None:
    data = wire.query(b"a" * (size - 6)) + wire.query(b"SELECT 1")
    reader = wire.FrontendReader(LIMIT)
    out = []
    for chunk in chunked(data, cuts):
        reader.feed(chunk)
        out += read_all(reader)
        assert reader.buffered <= LIMIT
    assert out == [
        wire.Oversized(ord("Q"), size, data[:5]),
        wire.Query(b"SELECT 1", wire.query(b"SELECT 1")),
    ]


def test_the_limit_counts_the_whole_message() -> None:
    assert isinstance(one(wire.query(b"a" * (LIMIT - 6))), wire.Query)
    assert isinstance(one(wire.query(b"a" * (LIMIT - 5))), wire.Oversized)


@pytest.mark.parametrize(
    "header",
    [
        b"Q\x00\x00\x00\x03",
        b"Q\x00\x00\x00\x00",
        b"Q\xff\xff\xff\xff",
        b"Q\x80\x00\x00\x00",  # 2^31
        b"Q\x7f\xff\xff\xff",  # above what the server takes
        b"Q\x40\x00\x00\x00",
        b"\x00\x00\x00\x00\x08",  # a start-up packet after the login
        b"Z\x00\x00\x00\x05I",  # a message of the other direction
        b"\x16\x03\x01\x02\x00",
    ],
)
def test_a_header_that_cannot_be_is_the_end(header: bytes) -> None:
    reader = wire.FrontendReader(LIMIT)
    reader.feed(wire.sync() + header)
    assert isinstance(reader.next(), wire.Sync)
    for _ in range(2):
        with pytest.raises(RemoteProtocolError):
            reader.next()
        reader.feed(wire.sync())
    assert reader.buffered == 0


def test_the_longest_length_the_server_takes_is_skipped_not_held() -> None:
    reader = wire.FrontendReader(LIMIT)
    reader.feed(b"Q\x3f\xff\xff\xff" + b"x" * 5000)
    assert reader.next() is None
    assert reader.buffered == 0


MALFORMED = {
    "query without NUL": framed(b"Q", b"SELECT 1"),
    "query with a NUL inside": framed(b"Q", b"SELECT\x001\0"),
    "query with two NULs": framed(b"Q", b"SELECT 1\0\0"),
    "empty query body": framed(b"Q", b""),
    "query that is not UTF-8": framed(b"Q", b"SELECT '\xff'\0"),
    "query with an overlong sequence": framed(b"Q", b"\xc0\xa7\0"),
    "query with a surrogate": framed(b"Q", b"\xed\xa0\x80\0"),
    "parse without types": framed(b"P", b"s\0SELECT 1\0"),
    "parse with half a count": framed(b"P", b"s\0SELECT 1\0\0"),
    "parse with too few types": framed(b"P", b"s\0SELECT 1\0\0\2\0\0\0\1"),
    "parse with too many types": framed(b"P", b"s\0SELECT 1\0\0\0\0\0\0\1"),
    "parse whose name is not UTF-8": framed(b"P", b"\xc3\0SELECT 1\0\0\0"),
    "bind without anything": framed(b"B", b""),
    "bind with a count that does not fit": framed(b"B", b"\0\0\0\0\xff\xff"),
    "bind with format 2": framed(b"B", b"\0\0\0\1\0\2\0\0\0\0"),
    "bind with format -1": framed(b"B", b"\0\0\0\1\xff\xff\0\0\0\0"),
    "bind with two formats for one value": framed(b"B", b"\0\0\0\2\0\0\0\0\0\1\0\0\0\0\0\0"),
    "bind with length -2": framed(b"B", b"\0\0\0\0\0\1\xff\xff\xff\xfe\0\0"),
    "bind with length -2^31": framed(b"B", b"\0\0\0\0\0\1\x80\0\0\0\0\0"),
    "bind with length 2^31-1": framed(b"B", b"\0\0\0\0\0\1\x7f\xff\xff\xff\0\0"),
    "bind with half a length": framed(b"B", b"\0\0\0\0\0\1\0\0"),
    "bind with bytes behind it": framed(b"B", b"\0\0\0\0\0\0\0\0\0"),
    "bind with result format 7": framed(b"B", b"\0\0\0\0\0\0\0\1\0\7"),
    "describe of neither": framed(b"D", b"X\0"),
    "describe without name": framed(b"D", b"S"),
    "describe without kind": framed(b"D", b""),
    "close with bytes behind it": framed(b"C", b"Sx\0y"),
    "execute without limit": framed(b"E", b"\0"),
    "execute with a long limit": framed(b"E", b"\0\0\0\0\0\0"),
    "sync with a body": framed(b"S", b"x"),
    "flush with a body": framed(b"H", b"x"),
    "copy done with a body": framed(b"c", b"x"),
    "copy fail without NUL": framed(b"f", b"x"),
    "terminate with a body": framed(b"X", b"x"),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_body_is_told_and_the_stream_goes_on(data: bytes) -> None:
    bad, after = read(data + wire.sync())
    assert isinstance(bad, wire.Malformed)
    assert bad.type == data[0]
    assert bad.raw == data
    assert isinstance(after, wire.Sync)


def test_counts_are_unsigned_as_the_server_reads_them() -> None:
    reader = wire.FrontendReader(10**6)
    reader.feed(wire.bind(b"", b"", (), (None,) * 65535, ()))
    message = reader.next()
    assert isinstance(message, wire.Bind)
    assert len(message.parameters) == 65535


def test_a_length_that_wraps_does_not_smuggle_a_message() -> None:
    """CVE-2024-27304: the length of 2^32 + n bytes, written in 32 bits, is n."""
    inner = wire.query(b"DROP TABLE patients")
    body = b"\0\0\0\0\0\1" + struct.pack(">I", (2**32 + 2) % 2**32) + b"xx" + inner
    bind, *rest = read(framed(b"B", body))
    assert isinstance(bind, wire.Malformed)
    assert rest == []


def test_payload_is_not_in_any_repr() -> None:
    for data in (
        wire.query(b"ssn 123"),
        wire.parse(b"123", b"ssn 123", ()),
        wire.bind(b"123", b"123", (), (b"123",), ()),
        wire.copy_data(b"123"),
        wire.copy_fail(b"123"),
        wire.password(b"123\0"),
        framed(b"Q", b"123"),
    ):
        assert "123" not in repr(one(data))


@pytest.mark.parametrize(
    "build",
    [
        lambda: wire.query(b"a\0b"),
        lambda: wire.parse(b"a\0", b""),
        lambda: wire.parse(b"", b"", (1,) * 65536),
        lambda: wire.bind(b"", b"", (2,)),
        lambda: wire.bind(b"", b"", (), (None,) * 65536),
        lambda: wire.describe(b"X", b""),
        lambda: wire.close(b"", b""),
        lambda: wire.ready_for_query(b"Q"),
        lambda: wire.backend_key_data(1, b"123"),
        lambda: wire.parameter_status(b"a", b"\0"),
    ],
)
def test_what_cannot_be_sent_is_our_own_mistake(build: Callable[[], bytes]) -> None:
    with pytest.raises(LocalProtocolError):
        build()


def test_a_password_ends_at_its_only_nul() -> None:
    assert wire.cleartext_password(wire.PasswordMessage(b"token\0")) == b"token"
    for body in (b"token", b"token\0x", b"token\0\0", b""):
        with pytest.raises(RemoteProtocolError):
            wire.cleartext_password(wire.PasswordMessage(body))


# --- backend -----------------------------------------------------------------------------------

rows = st.lists(values, max_size=4).map(wire.data_row)
backend_messages = st.one_of(
    rows,
    rows,
    st.builds(wire.command_complete, texts),
    st.builds(wire.ready_for_query, st.sampled_from([b"I", b"T", b"E"])),
    st.builds(wire.copy_data, st.binary(max_size=50)),
    st.just(wire.parse_complete()),
)


def take_all(reader: wire.BackendReader, runs: bool) -> list[bytes]:
    out = []
    while (type_ := reader.peek()) is not None:
        taken = reader.take_run() if runs else reader.take()
        assert taken[0] == type_
        out.append(taken)
    return out


@given(st.lists(backend_messages, max_size=12), st.lists(st.integers(0, 5000), max_size=12))
def test_server_messages_come_out_whole_however_they_are_cut(
    sent: list[bytes], cuts: list[int]
) -> None:
    data = b"".join(sent)
    single, runs = wire.BackendReader(LIMIT), wire.BackendReader(LIMIT)
    singles: list[bytes] = []
    joined: list[bytes] = []
    for number, chunk in enumerate(chunked(data, cuts)):
        single.feed(chunk)
        singles += take_all(single, runs=False)
        runs.feed(chunk)
        if number % 2:  # also when several chunks wait
            runs.peek()
        else:
            joined += take_all(runs, runs=True)
    joined += take_all(runs, runs=True)
    assert singles == sent
    assert b"".join(joined) == data
    assert single.buffered == runs.buffered == 0


@given(st.lists(backend_messages, max_size=12))
def test_a_run_is_all_that_is_there_of_one_type(sent: list[bytes]) -> None:
    reader = wire.BackendReader(LIMIT)
    reader.feed(b"".join(sent))
    runs = take_all(reader, runs=True)
    for one_run, next_run in pairwise(runs):
        assert one_run[0] != next_run[0]


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=6), st.booleans())
def test_arbitrary_bytes_from_a_server_raise_nothing_but_protocol_errors(
    data: bytes, cuts: list[int], runs: bool
) -> None:
    reader = wire.BackendReader(100)
    try:
        for chunk in chunked(data, cuts):
            reader.feed(chunk)
            take_all(reader, runs)
            assert reader.buffered <= 100
    except RemoteProtocolError:
        with pytest.raises(RemoteProtocolError):
            reader.peek()
        assert reader.buffered == 0


@pytest.mark.parametrize("length", [0, 1, 3, -1, -(2**31)])
def test_a_server_length_that_cannot_be_ends_behind_what_came_before(length: int) -> None:
    reader = wire.BackendReader(LIMIT)
    good = wire.data_row([b"x"])
    reader.feed(good * 2 + b"D" + struct.pack(">i", length))
    assert reader.peek() == ord("D")
    assert reader.take_run() == good * 2
    with pytest.raises(RemoteProtocolError):
        reader.peek()


def test_a_server_message_above_the_limit_is_not_collected() -> None:
    reader = wire.BackendReader(LIMIT)
    fits = wire.copy_data(b"x" * (LIMIT - 5))
    reader.feed(fits + wire.copy_data(b"x" * (LIMIT - 4))[:5])
    assert reader.peek() == ord("d")
    assert reader.take_run() == fits
    with pytest.raises(LimitExceeded):
        reader.peek()


def test_nothing_is_taken_that_is_not_there() -> None:
    reader = wire.BackendReader(LIMIT)
    reader.feed(b"Z\0\0")
    for take in (reader.take, reader.take_run):
        with pytest.raises(LocalProtocolError):
            take()


def test_a_run_that_is_the_whole_read_is_not_copied() -> None:
    reader = wire.BackendReader(LIMIT)
    data = wire.data_row([b"x"]) * 3
    reader.feed(data)
    assert reader.peek() == ord("D")
    assert reader.take_run() is data


def test_draining_hands_over_everything() -> None:
    reader = wire.BackendReader(LIMIT)
    reader.feed(wire.parse_complete() + b"Z\0")
    assert reader.peek() == ord("1")
    reader.take()
    reader.feed(b"\0\0")
    assert reader.drain() == b"Z\0\0\0"
    assert reader.buffered == 0


fields = st.builds(
    wire.Field,
    texts,
    oids,
    st.integers(-(2**15), 2**15 - 1),
    oids,
    st.integers(-(2**15), 2**15 - 1),
    st.integers(-(2**31), 2**31 - 1),
    codes,
)


@given(st.lists(fields, max_size=5).map(tuple))
def test_row_descriptions(description: tuple[wire.Field, ...]) -> None:
    assert wire.row_description(wire.encode_row_description(description)) == description


@given(st.lists(oids, max_size=5).map(tuple), st.lists(values, max_size=5).map(tuple), texts, texts)
def test_backend_decoders_undo_the_encoders(
    types: tuple[int, ...], row: tuple[bytes | None, ...], name: bytes, value: bytes
) -> None:
    assert wire.parameter_description(wire.encode_parameter_description(types)) == types
    assert wire.data_row_values(wire.data_row(row)) == row
    assert wire.command_tag(wire.command_complete(name)) == name
    assert wire.parameter_status_fields(wire.parameter_status(name, value)) == (name, value)
    assert wire.negotiated_version(wire.negotiate_protocol_version(2, [name])) == (2, (name,))
    assert wire.transaction_status(wire.ready_for_query(b"T")) == b"T"
    assert wire.backend_key_fields(wire.backend_key_data(7, b"k" * 32)) == (7, b"k" * 32)
    assert wire.authentication(wire.sasl_final(value)) == (12, value)
    assert wire.authentication(wire.sasl_continue(value)) == (11, value)
    assert wire.authentication(wire.authentication_ok()) == (0, b"")
    assert wire.authentication(wire.authentication_cleartext()) == (3, b"")


def test_sasl_mechanisms() -> None:
    code, rest = wire.authentication(wire.authentication_sasl([b"A", b"B"]))
    assert code == 10
    assert wire.sasl_mechanisms(rest) == (b"A", b"B")
    for bad in (b"", b"\0", b"A\0", b"A", b"\0\0", b"A\0\0B\0\0"):
        with pytest.raises(RemoteProtocolError):
            wire.sasl_mechanisms(bad)


def test_reports() -> None:
    message = wire.error_response("ERROR", "42501", "no\0t é", detail="d", hint="h")
    assert wire.error_fields(message) == {
        b"S": b"ERROR",
        b"V": b"ERROR",
        b"C": b"42501",
        b"M": "not é".encode(),
        b"D": b"d",
        b"H": b"h",
    }
    assert set(wire.error_fields(wire.notice_response("NOTICE", "00000", "x"))) == {
        b"S",
        b"V",
        b"C",
        b"M",
    }


@pytest.mark.parametrize(
    "message",
    [b"G\0\0\0\x0b\0\0\2\0\0\0\0", b"H\0\0\0\x07\0\0\0", b"W\0\0\0\x09\1\0\1\0\1"],
)
def test_copy_responses(message: bytes) -> None:
    overall, formats = wire.copy_response(message)
    assert overall == message[5]
    assert len(formats) == message[7]


DECODERS: list[Callable[[bytes], object]] = [
    wire.row_description,
    wire.parameter_description,
    wire.data_row_values,
    wire.command_tag,
    wire.transaction_status,
    wire.parameter_status_fields,
    wire.authentication,
    wire.sasl_mechanisms,
    wire.backend_key_fields,
    wire.copy_response,
    wire.negotiated_version,
    wire.error_fields,
]

pieces = st.lists(
    st.sampled_from([b"\0", b"\xff\xff\xff\xff", b"\0\1", b"\0\3\0\2", b"ab", b"\x7f\xff", b"M"]),
    max_size=14,
).map(b"".join)


@pytest.mark.parametrize("decode", DECODERS)
@given(body=st.binary(max_size=60) | pieces)
def test_backend_decoders_raise_nothing_but_protocol_errors(
    decode: Callable[[bytes], object], body: bytes
) -> None:
    for data in (framed(b"T", body), body):
        with contextlib.suppress(RemoteProtocolError):
            decode(data)
