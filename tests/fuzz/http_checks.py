"""What must hold for any bytes, per reader and rewriter of HTTP.

Each check takes arbitrary bytes, whose first ones choose a variant, and fails on a broken promise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from hoopgate.http import codings, documents, frames, targets, wire
from hoopgate.http.bodies import BodyRefused, Whole
from hoopgate.http.codings import Undecodable
from hoopgate.http.event_streams import EventStream
from hoopgate.http.headers import Links
from hoopgate.http.rewriting import _FHIR
from hoopgate.http.wire import Data, Malformed, RequestReader, ResponseReader
from hoopgate.phi.documents import JSONMasker, Unreadable, decode, encode
from hoopgate.phi.hl7 import HL7Masker
from hoopgate.phi.texts import CSVMasker
from hoopgate.plans import BodyPlan, Method, PathMask

LINKS = Links(["up"], "/fhir", "https://gw/ehr")
SIZES = (1, 2, 3, 7, 64)
SECRET = "Canary"


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[i : i + size] for i in range(0, len(data), size))


def requests(data: bytes) -> None:
    """Cuts change nothing, memory is bounded, nothing but Malformed is raised."""
    read = [_read(RequestReader(), data, size) for size in (max(len(data), 1), *SIZES)]
    assert all(one == read[0] for one in read)


def responses(data: bytes) -> None:
    """As :func:`requests`."""

    def reader() -> ResponseReader:
        made = ResponseReader()
        made.expect("HEAD" if data[:1] == b"\0" else "GET")
        return made

    read = [_read(reader(), data[1:], size) for size in (max(len(data), 1), *SIZES)]
    assert all(one == read[0] for one in read)


def _read(reader: Any, data: bytes, size: int) -> list[object]:
    found: list[object] = []
    try:
        for piece in cut(data, size):
            reader.feed(piece)
            while (event := reader.next_event()) is not None:
                if isinstance(event, Data) and found and isinstance(found[-1], bytes):
                    found[-1] += event.data
                elif isinstance(event, Data):
                    found.append(event.data)
                else:
                    found.append(event)
                if isinstance(event, wire.End) and isinstance(reader, RequestReader):
                    reader.next_request()
            assert reader.buffered <= wire.HEAD_BYTES + len(piece)
    except Malformed:
        found.append("malformed")
    return found


def target(data: bytes) -> None:
    """What is taken has one spelling, and is read again as the same."""
    try:
        head = wire.request_head(b"GET " + data.split(b"\n")[0] + b" HTTP/1.1\r\nHost: h")
        found = targets.parse(head.target)
    except Malformed:
        return
    again = targets.parse(found.encode().encode("ascii"))
    assert again == found
    assert again.encode() == found.encode()
    assert ".." not in found.segments and "." not in found.segments


def strict_json(data: bytes) -> None:
    """What is taken, the masker's reader reads alike."""
    try:
        value = documents.strict(data)
        leaves = documents.leaves(value)
    except Malformed:
        return
    # The masker keeps a number's digits, which a reader of numbers does not.
    assert json.loads(encode(decode(data))) == json.loads(encode(decode(encode(value))))
    assert len(leaves) <= documents.LEAVES


def bodies(data: bytes) -> None:
    """A whole body: masked or refused, and what is shown is JSON again."""
    plan = BodyPlan((), paths=(PathMask("/a/*", "A", Method.REDACT),))
    choice, rest = data[:1], data[1:]
    coding = (None, b"gzip", b"deflate", b"br", b"zstd")[(choice or b"\0")[0] % 5]
    mask: Callable[[bytes], bytes] = _FHIR(plan, LINKS)
    if (choice or b"\0")[0] & 64:
        masker = JSONMasker(plan.paths, unlabelled=True)

        def mask(data: bytes) -> bytes:
            return encode(masker.mask(decode(data)))

    outcomes = []
    for size in (max(len(rest), 1), 3):
        rewriter = Whole(b"x", codings.decoder(coding, 2**16, 100), 2**16, mask)
        try:
            for piece in cut(rest, size):
                assert rewriter.feed(piece) == b""
                assert rewriter.buffered <= 2**16
            outcomes.append(rewriter.finish())
            if outcomes[-1]:
                decode(outcomes[-1])
        except BodyRefused as refused:
            outcomes.append(refused.code.encode())
    assert outcomes[0] == outcomes[1]


def events(data: bytes) -> None:
    """A stream of events: cuts change nothing, and what is shown is one that masks to itself."""

    def mask(event: bytes) -> bytes:
        return encode(JSONMasker((), unlabelled=True).mask(decode(event)))

    def run(data: bytes, size: int) -> bytes | None:
        stream = EventStream(codings.Identity(), mask)
        try:
            return b"".join(stream.feed(piece) for piece in cut(data, size)) + stream.finish()
        except BodyRefused:
            return None

    shown = [run(data, size) for size in (max(len(data), 1), *SIZES)]
    assert all(one == shown[0] for one in shown)
    if shown[0]:
        assert run(shown[0], 5) == shown[0]


def texts(data: bytes) -> None:
    """Tables and HL7 v2: masked or unreadable, and masking twice changes nothing."""
    text = data[1:].decode("utf-8", "replace")
    masker: Any = HL7Masker([]) if data[:1] < b"\x80" else CSVMasker([], unlabelled=True)
    try:
        shown = masker.mask(text)
    except Unreadable:
        return
    if isinstance(masker, HL7Masker):
        for line in shown.split("\r"):
            assert line == "" or line[:3].isalnum()


def coded(data: bytes) -> None:
    """Decoders are bounded, whatever comes."""
    for coding in (b"gzip", b"deflate", b"br", b"zstd"):
        decoder = codings.decoder(coding, 2**16, 10)
        try:
            total = sum(len(decoder.feed(piece)) for piece in cut(data, 50))
            decoder.finish()
        except Undecodable:
            continue
        assert total <= 2**16


def websocket(data: bytes) -> None:
    """Cuts change nothing, memory is bounded, and what is taken has one spelling."""
    masked, rest = bool((data or b"\0")[0] & 1), data[1:]
    key = b"\1\2\3\4" if masked else None

    def run(data: bytes, size: int) -> list[object]:
        reader = frames.FrameReader(masked=masked, limit=256)
        found: list[object] = []
        try:
            for piece in cut(data, size):
                reader.feed(piece)
                while (event := reader.next_event()) is not None:
                    found.append(event)
                assert reader.buffered <= 2 * 256 + 14 + len(piece)
        except frames.BadFrame as error:
            found.append(error.close)
        return found

    read = [run(rest, size) for size in (max(len(rest), 1), *SIZES)]
    assert all(one == read[0] for one in read)
    events = [one for one in read[0] if not isinstance(one, int)]
    written = b"".join(_framed(one, key) for one in events)
    assert run(written, 5) == events


def _framed(event: object, key: bytes | None) -> bytes:
    if isinstance(event, frames.Message):
        return frames.frame(frames.TEXT if event.text else frames.BINARY, event.data, key)
    if isinstance(event, frames.Control):
        return frames.frame(event.opcode, event.data, key)
    assert isinstance(event, frames.Closing)
    return frames.frame(frames.CLOSE, frames.close_payload(event.code, event.reason), key)


CHECKS: dict[str, Callable[[bytes], None]] = {
    "http_requests": requests,
    "http_responses": responses,
    "http_target": target,
    "http_json": strict_json,
    "http_bodies": bodies,
    "http_events": events,
    "http_texts": texts,
    "http_codings": coded,
    "http_websocket": websocket,
}
