"""SFTP, sans-I/O: transcripts against a server that misbehaves, and properties."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz.ssh_checks import CHECKS, SFTPPlay
from hypothesis import given, settings
from hypothesis import strategies as st

from hoopgate.actions import Reply
from hoopgate.errors import RemoteProtocolError
from hoopgate.ssh import sftp_wire as wire
from hoopgate.ssh.wire import CHANNEL_DATA, CHANNEL_EXTENDED_DATA, Reader, string, uint32

FUZZ = Path(__file__).parents[1] / "fuzz"
INIT = string(bytes((wire.INIT,)) + uint32(3))
VERSION = string(
    bytes((wire.VERSION,))
    + uint32(3)
    + string(b"posix-rename@openssh.com")
    + string(b"1")
    + string(b"expand-path@openssh.com")
    + string(b"1")
)


def packet(kind: int, id_: int, *fields: bytes) -> bytes:
    return string(bytes((kind,)) + uint32(id_) + b"".join(fields))


def opening(id_: int, path: bytes = b"/allowed/x", flags: int = wire.READING) -> bytes:
    return packet(wire.OPEN, id_, string(path), uint32(flags), uint32(0))


def reading(id_: int, handle: bytes, offset: int = 0, length: int = 100) -> bytes:
    return packet(wire.READ, id_, string(handle), offset.to_bytes(8, "big"), uint32(length))


def packets(data: bytes) -> list[bytes]:
    found = wire.Packets()
    found.feed(data)
    return list(iter(found.next, None))


def begun(*, mask: bool = False) -> SFTPPlay:
    play = SFTPPlay(mask=mask)
    play.take(play.stream.from_client(INIT))
    play.take(play.stream.from_backend(CHANNEL_DATA, VERSION))
    play.sent = play.told = b""
    return play


def client(play: SFTPPlay, *data: bytes) -> None:
    play.take(play.stream.from_client(b"".join(data)))


def server(play: SFTPPlay, *data: bytes) -> None:
    play.take(play.stream.from_backend(CHANNEL_DATA, b"".join(data)))


def test_the_version_offers_what_is_relayed() -> None:
    play = SFTPPlay(mask=False)
    client(play, string(bytes((wire.INIT,)) + uint32(6)))
    assert play.sent == INIT
    server(play, VERSION)
    assert b"posix-rename" in play.told
    assert b"expand-path" not in play.told


def test_a_refusal_is_a_status_and_the_session_goes_on() -> None:
    play = begun()
    client(play, opening(1, b"/secret/x"), opening(2))
    (refused,) = packets(play.told)
    reader = Reader(refused)
    assert (reader.byte(), reader.uint32(), reader.uint32()) == (101, 1, wire.PERMISSION_DENIED)
    assert b"hoopgate: refused" in reader.string()
    assert packets(play.sent) == [opening(2)[4:]]


@pytest.mark.parametrize("handle", [b"h", b"", b"other"])
def test_a_handle_that_nobody_gave_is_none(handle: bytes) -> None:
    play = begun()
    client(play, reading(1, handle))
    assert play.sent == b""
    assert packets(play.told)[0][0] == wire.STATUS


def test_a_handle_is_good_for_what_it_was_opened_for() -> None:
    play = begun()
    client(play, opening(1))
    server(play, packet(wire.HANDLE, 1, string(b"h")))
    play.sent = b""
    client(play, packet(wire.WRITE, 2, string(b"h"), bytes(8), string(b"data")))
    assert play.sent == b""
    client(play, reading(3, b"h"))
    assert packets(play.sent) == [reading(3, b"h")[4:]]
    client(play, packet(wire.CLOSE, 4, string(b"h")))
    play.sent = b""
    client(play, reading(5, b"h"))
    assert play.sent == b""


def test_an_unknown_extension_is_answered_here() -> None:
    play = begun()
    client(play, packet(wire.EXTENDED, 1, string(b"users-groups-by-id@openssh.com"), b"x"))
    assert play.sent == b""
    assert Reader(packets(play.told)[0][5:]).uint32() == wire.UNSUPPORTED


def test_a_masked_file_comes_from_memory() -> None:
    play = begun(mask=True)
    client(play, opening(1))
    server(play, packet(wire.HANDLE, 1, string(b"h")))
    assert play.told == b""  # not before it is whole
    content = bytes(range(200)) * 3
    asked = packets(play.sent)[1:]
    assert asked[0][0] == wire.FSTAT
    seen = 0
    while not play.told:
        waiting, play.sent = packets(play.sent)[1:] if not seen else packets(play.sent), b""
        seen += 1
        assert seen < 10
        for one in waiting:
            request = wire.request(one)
            if request.kind == wire.FSTAT:
                attrs = uint32(1) + len(content).to_bytes(8, "big")
                server(play, packet(wire.ATTRS, request.id, attrs))
            else:
                reader = Reader(request.rest)
                offset, length = reader.uint64(), min(reader.uint32(), 250)
                part = content[offset : offset + length]
                status = packet(wire.STATUS, request.id, uint32(wire.EOF), string(b""), string(b""))
                server(play, packet(wire.DATA, request.id, string(part)) if part else status)
    assert packets(play.told) == [packet(wire.HANDLE, 1, string(b"h"))[4:]]
    play.sent = play.told = b""
    client(play, reading(2, b"h", 10, 50), reading(3, b"h", 600, 50))
    first, second = packets(play.told)
    assert first == packet(wire.DATA, 2, string(b"*" * 50))[4:]
    assert second[0] == wire.STATUS
    assert play.sent == b""


@pytest.mark.parametrize(
    "answer",
    [
        packet(wire.HANDLE, 9, string(b"h")),
        packet(wire.DATA, 9, string(b"nobody asked")),
        packet(wire.STATUS, 1, uint32(0)) * 2,
        packet(wire.HANDLE, 1, string(b"h" * 300)),
        packet(77, 1),
        b"\0\0\0\0",
        b"\xff\xff\xff\xff",
    ],
)
def test_a_server_that_misbehaves_ends_the_session(answer: bytes) -> None:
    play = begun()
    client(play, opening(1))
    with pytest.raises(RemoteProtocolError):
        server(play, answer)


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (packet(wire.STAT, 1, string(b"/allowed")), wire.DATA),
        (packet(wire.STAT, 1, string(b"/allowed")), wire.NAME),
        (packet(wire.STAT, 1, string(b"/allowed")), wire.EXTENDED_REPLY),
        (packet(wire.STAT, 1, string(b"/allowed")), wire.HANDLE),
        (packet(wire.REALPATH, 1, string(b"/allowed")), wire.DATA),
        (packet(wire.REMOVE, 1, string(b"/allowed/x")), wire.DATA),
        (packet(wire.REMOVE, 1, string(b"/allowed/x")), wire.NAME),
        (packet(wire.OPENDIR, 1, string(b"/allowed")), wire.NAME),
        (opening(1, flags=0x1A), wire.DATA),
        (packet(wire.EXTENDED, 1, string(b"limits@openssh.com")), wire.DATA),
    ],
)
def test_an_answer_is_one_to_its_request(request_: bytes, told: int, mask: bool) -> None:
    """Else what is masked could come in the place of what is not."""
    play = begun(mask=mask)
    client(play, request_)
    with pytest.raises(RemoteProtocolError):
        server(play, packet(told, 1, string(b"Canary")))
    assert play.told == b""


def test_the_server_s_words_are_not_passed_on_where_files_are_masked() -> None:
    for mask in (False, True):
        play = begun(mask=mask)
        client(play, packet(wire.STAT, 1, string(b"/allowed/x")))
        words = string(b"line 3: 123-45-6789") + string(b"123-45-6789")
        server(play, packet(wire.STATUS, 1, uint32(wire.NO_SUCH_FILE), words))
        (status,) = packets(play.told)
        assert (b"123-45-6789" in status) is not mask
        reader = Reader(status)
        assert (reader.byte(), reader.uint32(), reader.uint32()) == (wire.STATUS, 1, 2)
        errors = play.stream.from_backend(CHANNEL_EXTENDED_DATA, b"at 123-45-")
        errors += play.stream.from_backend(CHANNEL_EXTENDED_DATA, b"6789 it")
        errors += play.stream.backend_eof()
        shown = b"".join(one.data for one in errors if isinstance(one, Reply))
        assert (b"[SSN]" in shown) is mask
        assert shown.endswith(b" it")


def test_no_more_is_held_in_memory_than_a_session_may() -> None:
    play = begun(mask=True)
    given, refused = [], []
    for id_ in range(1, 9):
        play.sent = play.told = b""
        client(play, opening(id_))
        server(play, packet(wire.HANDLE, id_, string(b"h%d" % id_)))
        content = b"x" * 4000  # of 5000
        while not play.told:
            waiting, play.sent = packets(play.sent), b""
            for one in waiting:
                request = wire.request(one)
                if request.kind == wire.FSTAT:
                    attrs = uint32(1) + len(content).to_bytes(8, "big")
                    server(play, packet(wire.ATTRS, request.id, attrs))
                elif request.kind == wire.READ:
                    reader = Reader(request.rest)
                    part = content[reader.uint64() :][: reader.uint32()]
                    over = packet(wire.STATUS, request.id, uint32(wire.EOF), string(b"") * 2)
                    server(play, packet(wire.DATA, request.id, string(part)) if part else over)
        (given if packets(play.told)[0][0] == wire.HANDLE else refused).append(id_)
    assert given == [1, 2]
    assert play.stream.buffered <= 10_000
    client(play, packet(wire.CLOSE, 20, string(b"h1")))
    assert play.stream.buffered == 4000


@pytest.mark.parametrize(
    "data",
    [
        opening(1) * 2,
        opening(0xFFFFFFFF),
        packet(wire.HANDLE, 1, string(b"h")),
        packet(99, 1),
        string(bytes((wire.OPEN,))),
        INIT,
    ],
)
def test_a_client_that_misbehaves_ends_the_session(data: bytes) -> None:
    play = begun()
    with pytest.raises(RemoteProtocolError):
        client(play, data)


REQUESTS = st.sampled_from(
    [
        opening(1),
        opening(2, b"/secret"),
        opening(3, b"/allowed/y", 0x1A),
        reading(4, b"h"),
        packet(wire.STAT, 5, string(b"/allowed")),
        packet(wire.REMOVE, 6, string(b"/secret")),
        packet(wire.RENAME, 7, string(b"/allowed/a"), string(b"/secret/b")),
        packet(wire.EXTENDED, 8, string(b"limits@openssh.com")),
        packet(wire.CLOSE, 9, string(b"h")),
        packet(wire.SYMLINK, 10, string(b"../secret"), string(b"/allowed/l")),
    ]
)


@settings(deadline=None)
@given(st.lists(REQUESTS, max_size=8, unique=True), st.integers(1, 60), st.booleans())
def test_any_chunking_does_the_same(requests: list[bytes], size: int, mask: bool) -> None:
    data = b"".join(requests)
    whole, cut = begun(mask=mask), begun(mask=mask)
    client(whole, data)
    for at in range(0, len(data), size):
        client(cut, data[at : at + size])
    assert (whole.sent, whole.told) == (cut.sent, cut.told)
    assert cut.stream.read_ahead == 0


# --- the fuzz targets' promises ------------------------------------------------------------------

CASES = [
    pytest.param(target, path, id=f"{target}-{path.name}")
    for target in CHECKS
    if (FUZZ / "corpus" / target).is_dir()
    for path in sorted((FUZZ / "corpus" / target).iterdir())
]


@pytest.mark.parametrize(("target", "path"), CASES)
def test_a_promise_holds(target: str, path: Path) -> None:
    CHECKS[target](path.read_bytes())


@pytest.mark.parametrize("target", list(CHECKS))
@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=200))
def test_a_promise_holds_for_any_bytes(target: str, data: bytes) -> None:
    CHECKS[target](data)


def test_every_check_has_a_target() -> None:
    assert {path.stem for path in FUZZ.glob("fuzz_ssh_*.py")} == {f"fuzz_{name}" for name in CHECKS}
