"""WebSocket frames: what becomes of each odd one, and that another library reads alike."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wsproto.frame_protocol import CloseReason, FrameProtocol, Opcode, ParseFailed

from hoopgate.http import frames
from hoopgate.http.frames import BadFrame, Closing, Control, FrameReader, Message, frame

KEY = b"\x11\x22\x33\x44"
LIMIT = 1000


def read(data: bytes, *, masked: bool = True, size: int = 0) -> list[object]:
    """What is read of ``data``, in pieces of ``size``; at its end the close code of a refusal."""
    reader = FrameReader(masked=masked, limit=LIMIT)
    found: list[object] = []
    step = size or max(len(data), 1)
    try:
        for at in range(0, len(data), step):
            reader.feed(data[at : at + step])
            while (event := reader.next_event()) is not None:
                found.append(event)
            assert reader.buffered <= 2 * LIMIT + 14 + step
    except BadFrame as error:
        found.append(error.close)
    return found


def raw(first: int, second: int, rest: bytes = b"") -> bytes:
    return bytes((first, second)) + rest


def client(first: int, payload: bytes = b"") -> bytes:
    """A short masked frame with any first byte."""
    return raw(first, 0x80 | len(payload), KEY + frames.masked_by(KEY, payload))


HELLO = client(0x81, b"hello")
CASES: dict[str, tuple[bytes, list[object]]] = {
    "a text": (HELLO, [Message(True, b"hello")]),
    "bytes": (client(0x82, b"\xff"), [Message(False, b"\xff")]),
    "fragments": (
        client(0x01, b"he") + client(0x00, b"l") + client(0x80, b"lo"),
        [Message(True, b"hello")],
    ),
    "a ping between fragments": (
        client(0x01, b"he") + client(0x89, b"p") + client(0x80, b"llo"),
        [Control(frames.PING, b"p"), Message(True, b"hello")],
    ),
    "a character over two fragments": (
        client(0x01, b"\xc3") + client(0x80, b"\xa9"),
        [Message(True, b"\xc3\xa9")],
    ),
    "an unmasked frame of a client": (frame(frames.TEXT, b"x"), [1002]),
    "RSV1 without an extension": (client(0xC1, b"x"), [1002]),
    "RSV2": (client(0xA1, b"x"), [1002]),
    "RSV3": (client(0x91, b"x"), [1002]),
    "RSV1 on a continuation": (client(0x01, b"x") + client(0xC0, b"x"), [1002]),
    "RSV1 on a ping": (client(0xC9, b"x"), [1002]),
    "a reserved opcode": (client(0x83, b"x"), [1002]),
    "a reserved control opcode": (client(0x8B, b"x"), [1002]),
    "a continuation of nothing": (client(0x80, b"x"), [1002]),
    "a text within a text": (client(0x01, b"x") + client(0x81, b"y"), [1002]),
    "a fragmented ping": (client(0x09, b"x"), [1002]),
    "a fragmented close": (client(0x08), [1002]),
    "a ping of 126 bytes": (raw(0x89, 0xFE, struct.pack("!H", 126) + KEY + b"x" * 126), [1002]),
    "a length in 16 bits for 5": (raw(0x81, 0xFE, b"\0\5" + KEY + b"xxxxx"), [1002]),
    "a length in 64 bits for 5": (raw(0x81, 0xFF, b"\0" * 7 + b"\5" + KEY + b"xxxxx"), [1002]),
    "a length with its top bit": (raw(0x81, 0xFF, b"\x80" + b"\0" * 7), [1002]),
    "a length beyond the limit": (raw(0x81, 0xFF, struct.pack("!Q", 2**40)), [1009]),
    "fragments beyond the limit": (
        b"".join([client(0x01), *(client(0x00, b"x" * 100) for _ in range(11))]),
        [1009],
    ),
    "empty fragments without end": (client(0x01) + client(0x00) * frames.FRAGMENTS, [1008]),
    "a text that is not UTF-8": (client(0x81, b"\xff"), [1007]),
    "an overlong text": (client(0x81, b"\xc0\xaf"), [1007]),
    "a text with a surrogate": (client(0x81, b"\xed\xa0\x80"), [1007]),
    "half a character": (client(0x81, b"\xc3"), [1007]),
    "a close": (client(0x88), [Closing(1005)]),
    "a close with a code": (client(0x88, b"\x03\xe8bye"), [Closing(1000, "bye")]),
    "a close with one byte": (client(0x88, b"\x03"), [1002]),
    "a close with 1005": (client(0x88, struct.pack("!H", 1005)), [1002]),
    "a close with 1006": (client(0x88, struct.pack("!H", 1006)), [1002]),
    "a close with 1015": (client(0x88, struct.pack("!H", 1015)), [1002]),
    "a close with 999": (client(0x88, struct.pack("!H", 999)), [1002]),
    "a close with 5000": (client(0x88, struct.pack("!H", 5000)), [1002]),
    "a close with an application's code": (client(0x88, struct.pack("!H", 4000)), [Closing(4000)]),
    "a close whose reason is not UTF-8": (client(0x88, b"\x03\xe8\xff"), [1007]),
    "a message behind the close": (client(0x88) + HELLO, [Closing(1005)]),
    "a request behind the upgrade": (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", [1002]),
    "an answer within the frames": (b"HTTP/1.1 200 OK\r\n\r\n", [1002]),
}


@pytest.mark.parametrize("name", CASES)
def test_cases(name: str) -> None:
    data, outcome = CASES[name]
    assert read(data) == outcome
    assert read(data, size=1) == outcome if len(data) < 5000 else True


def test_a_masked_frame_of_a_server_is_none() -> None:
    assert read(HELLO, masked=False) == [1002]


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
@example(b"", b"\0\0\0\0")
def test_masking_is_its_own_inverse(data: bytes, key: bytes) -> None:
    plain = bytes(one ^ key[at % 4] for at, one in enumerate(data))
    assert frames.masked_by(key, data) == plain
    assert frames.masked_by(key, plain) == data


MESSAGES = st.lists(
    st.one_of(
        st.text(max_size=100).map(lambda text: Message(True, text.encode())),
        st.binary(max_size=900).map(lambda data: Message(False, data)),
        st.binary(max_size=125).map(lambda data: Control(frames.PING, data)),
    ),
    max_size=6,
)


def pieces(event: object, cuts: list[int], key: bytes | None) -> Iterator[bytes]:
    """The frames of an event, cut into fragments."""
    if isinstance(event, Control):
        yield frame(event.opcode, event.data, key)
        return
    assert isinstance(event, Message)
    places = sorted({min(cut, len(event.data)) for cut in cuts} | {0})
    for at, end in zip(places, [*places[1:], None], strict=True):
        opcode = (frames.TEXT if event.text else frames.BINARY) if at == 0 else 0
        made = bytearray(frame(opcode, event.data[at:end], key))
        if end is not None:
            made[0] &= 0x7F
        yield bytes(made)


@given(MESSAGES, st.lists(st.integers(0, 900), max_size=4), st.booleans(), st.integers(1, 50))
@settings(max_examples=150, deadline=None)
def test_any_fragments_and_any_cuts(
    events: list[object], cuts: list[int], masked: bool, size: int
) -> None:
    key = KEY if masked else None
    data = b"".join(piece for event in events for piece in pieces(event, cuts, key))
    assert read(data, masked=masked, size=size) == events


def theirs(data: bytes) -> list[object]:
    """What wsproto reads of a client's frames; a refusal as -1."""
    protocol = FrameProtocol(client=False, extensions=[])
    found: list[object] = []
    held = b""
    try:
        protocol.receive_bytes(data)
        for one in protocol.received_frames():
            if one.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONTINUATION):
                text = isinstance(one.payload, str)
                held += one.payload.encode() if isinstance(one.payload, str) else one.payload
                if one.message_finished:
                    found.append(Message(text, held))
                    held = b""
            elif one.opcode is Opcode.CLOSE:
                code, reason = one.payload
                found.append(Closing(int(code), reason or ""))
                return found
            else:
                found.append(Control(int(one.opcode), bytes(one.payload)))
    except ParseFailed as error:
        assert isinstance(error.code, CloseReason | int)
        found.append(-1)
    return found


FRAMES = st.lists(
    st.one_of(
        st.sampled_from([data for data, _ in CASES.values() if len(data) < 2000]),
        st.tuples(st.integers(0, 255), st.binary(max_size=20)).map(lambda two: client(*two)),
    ),
    max_size=5,
).map(b"".join)


@given(FRAMES)
@settings(max_examples=300, deadline=None)
def test_another_library_reads_alike(data: bytes) -> None:
    """Whatever we take, wsproto takes for the same; we may refuse more."""
    ours = read(data)
    if ours and isinstance(ours[-1], int):
        ours.pop()
    assert theirs(data)[: len(ours)] == ours
