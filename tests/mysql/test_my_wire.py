"""The codec of MySQL's protocol: any chunking, any bytes, there and back."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoopgate.errors import RemoteProtocolError
from hoopgate.mysql import wire, wire_commands, wire_handshake, wire_results
from hoopgate.mysql.wire import MOST_PAYLOAD, Oversized, PacketReader, Payload, Reader, packets

PAYLOADS = st.lists(st.binary(max_size=40), max_size=6)
LIMIT = 64


def read(chunks: list[bytes], limit: int = LIMIT) -> list[Payload | Oversized]:
    reader = PacketReader(limit)
    found: list[Payload | Oversized] = []
    for chunk in chunks:
        reader.feed(chunk)
        while (one := reader.next()) is not None:
            found.append(one)
        assert reader.buffered <= limit + wire.HEADER + len(chunk)
    return found


def chunked(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


@given(PAYLOADS, st.lists(st.integers(0, 300), max_size=8))
def test_any_chunking_gives_the_same_payloads(payloads: list[bytes], cuts: list[int]) -> None:
    data = b"".join(packets(one, 0) for one in payloads)
    found = read(chunked(data, cuts))
    assert [one.data for one in found if isinstance(one, Payload)] == payloads
    assert b"".join(one.raw for one in found if isinstance(one, Payload)) == data


@given(
    st.lists(st.binary(min_size=LIMIT - 3, max_size=3 * LIMIT), min_size=1, max_size=4),
    st.lists(st.integers(0, 900), max_size=8),
)
def test_what_is_too_large_is_skipped_and_the_rest_is_read(
    payloads: list[bytes], cuts: list[int]
) -> None:
    data = b"".join(packets(one, 3) for one in [*payloads, b"end"])
    found = read(chunked(data, cuts))
    assert [one.data for one in found if isinstance(one, Payload)] == [
        one for one in [*payloads, b"end"] if len(one) <= LIMIT
    ]
    assert [(one.head, one.size) for one in found if isinstance(one, Oversized)] == [
        (one[:9], len(one)) for one in payloads if len(one) > LIMIT
    ]


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_payloads_of_16_mib_come_in_several_packets(extra: int) -> None:
    payload = b"\x03" + bytes(MOST_PAYLOAD - 1 + extra)
    data = packets(payload, 0)
    assert len(data) == len(payload) + wire.HEADER * wire.packet_count(len(payload))
    (found,) = read([data, b""], 2**25)
    assert isinstance(found, Payload)
    assert found.data == payload and found.packets == (1 if extra < 0 else 2)
    assert found.raw == data
    (oversized,) = read(chunked(data, [5, 2**23, MOST_PAYLOAD + 6]), 2**20)
    assert isinstance(oversized, Oversized)
    assert (oversized.size, oversized.packets) == (len(payload), found.packets)
    assert oversized.after == found.after


def test_a_continuation_out_of_order_is_refused() -> None:
    data = bytearray(packets(bytes(MOST_PAYLOAD), 255))
    data[-1] = 7
    with pytest.raises(RemoteProtocolError):
        read([bytes(data)], 2**25)


@given(st.integers(0, 2**64 - 1))
def test_lengths_come_back(value: int) -> None:
    reader = Reader(wire.lenenc(value))
    assert reader.lenenc() == value
    reader.end()


DECODERS = [
    wire_handshake.greeting,
    lambda data: wire_handshake.handshake_response(data, mariadb=True),
    lambda data: wire_handshake.handshake_response(data, mariadb=False),
    wire_handshake.server_auth,
    wire_handshake.openid_token,
    lambda data: wire_results.ok_packet(data, tracking=True),
    lambda data: wire_results.ok_packet(data, tracking=False),
    wire_results.tracked,
    wire_results.eof_packet,
    wire_results.err_packet,
    lambda data: wire_results.column(data, extended=True).format(),
    lambda data: wire_results.column(data, extended=False, listed=True),
    wire_results.prepared,
    lambda data: wire_commands.command(Payload(data, 0)),
    lambda data: wire_commands.bound(data, len(data) % 9, (3, 254), frozenset((1,))),
    lambda data: wire_commands.check_bulk(128, data, len(data) % 5, ()),
]


@pytest.mark.parametrize("number", range(len(DECODERS)))
@given(data=st.binary(max_size=120))
def test_arbitrary_bytes_raise_protocol_errors_only(number: int, data: bytes) -> None:
    try:
        DECODERS[number](data)
    except RemoteProtocolError:
        pass


FLAGS = st.integers(0, 2**40 - 1)
NAME = st.binary(max_size=20).map(lambda name: name.replace(b"\0", b"-"))


@given(NAME, st.integers(0, 2**32 - 1), st.binary(min_size=20, max_size=20), FLAGS, NAME)
def test_a_greeting_comes_back(
    version: bytes, thread: int, scramble: bytes, flags: int, plugin: bytes
) -> None:
    needed = wire_handshake.Capability
    flags |= needed.PROTOCOL_41 | needed.SECURE_CONNECTION | needed.PLUGIN_AUTH
    if flags & needed.MYSQL:
        flags &= 2**32 - 1
    found = wire_handshake.Greeting(version, thread, scramble, flags, plugin=plugin)
    assert wire_handshake.greeting(found.encode()) == found


@given(FLAGS, NAME, st.binary(max_size=200), NAME, NAME, st.dictionaries(NAME, NAME, max_size=3))
def test_a_handshake_response_comes_back(
    flags: int,
    user: bytes,
    answer: bytes,
    database: bytes,
    plugin: bytes,
    attributes: dict[bytes, bytes],
) -> None:
    needed = wire_handshake.Capability
    flags |= needed.PROTOCOL_41 | needed.PLUGIN_AUTH | needed.CONNECT_ATTRS | needed.CONNECT_WITH_DB
    if flags & needed.MYSQL:
        flags &= 2**32 - 1
    if not flags & (needed.LENENC_AUTH_DATA | needed.SECURE_CONNECTION):
        answer = answer.replace(b"\0", b"-")
    response = wire_handshake.HandshakeResponse(
        flags, 45, user, answer, database, plugin, attributes
    )
    assert wire_handshake.handshake_response(response.encode(), mariadb=True) == response
    head = wire_handshake.handshake_response(response.head(), mariadb=True)
    assert (head.capabilities, head.user) == (flags, b"")


@given(
    st.tuples(*[st.binary(max_size=300)] * 5),
    st.tuples(st.integers(0, 65535), st.integers(0, 2**32 - 1), st.integers(0, 255)),
    st.integers(0, 65535),
    st.integers(0, 255),
    st.none() | st.binary(max_size=10),
)
def test_a_column_comes_back(
    names: tuple[bytes, bytes, bytes, bytes, bytes],
    numbers: tuple[int, int, int],
    flags: int,
    decimals: int,
    extended: bytes | None,
) -> None:
    found = wire_results.Column(*names, *numbers, flags, decimals, extended)
    assert wire_results.column(found.encode(), extended=extended is not None) == found


@given(
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
    st.integers(0, 65535),
    st.integers(0, 65535),
    st.binary(max_size=40),
)
def test_answers_come_back(
    affected: int, last: int, status: int, warnings: int, info: bytes
) -> None:
    status &= ~wire.Status.SESSION_STATE_CHANGED
    ok = wire_results.Ok(affected, last, status, warnings, info)
    assert wire_results.ok_packet(ok.encode(), tracking=False) == ok
    eof = wire_results.Eof(warnings, status)
    assert wire_results.eof_packet(eof.encode()) == eof
    err = wire_results.Err(min(affected, 65534) % 65535, b"42000", info)
    assert wire_results.err_packet(err.encode()) == err
    prepared = wire_results.Prepared(affected % 2**32, status, warnings, 0)
    assert wire_results.prepared(prepared.encode()) == prepared


def test_session_state_is_read() -> None:
    changes = b"\x00\x0f\x08sql_mode\x05A,B,C" + b"\x01\x05\x04othe" + b"\x02\x02\x011"
    found = wire_results.tracked(changes)
    assert found == [(0, (b"sql_mode", b"A,B,C")), (1, (b"othe",))]


@given(st.binary(min_size=1, max_size=60), st.integers(1, 255))
def test_a_command_has_number_zero(data: bytes, sequence: int) -> None:
    with pytest.raises(RemoteProtocolError):
        wire_commands.command(Payload(data, sequence))


@settings(max_examples=300)
@given(st.integers(0, 255), st.binary(max_size=30))
def test_every_command_is_known_malformed_or_unsupported(code: int, content: bytes) -> None:
    found = wire_commands.command(Payload(bytes((code,)) + content, 0))
    supported = code in {1, 2, 3, 4, 9, 12, 14, *range(0x16, 0x1D), 0x1F, 0xFA}
    assert isinstance(found, wire_commands.Unsupported) is not supported
