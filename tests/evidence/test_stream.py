"""Events as they are signed: to a file, to HTTP servers, to rsyslog over TLS, at least once."""

from __future__ import annotations

import json
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from evidence_world import who
from recorder.recorder_world import ALLOWED, World
from testbed.certificates import Certificates
from testbed.rsyslog import Rsyslog

from hoopgate.cli.main import main
from hoopgate.errors import HoopgateError
from hoopgate.evidence.ocsf import Event
from hoopgate.evidence.sinks import FileSink, open_sink, syslog_message
from hoopgate.evidence.stream import BATCH, Cursor, NotSent, Stream
from hoopgate.recorder.errors import BadNote
from hoopgate.recorder.reading import LogReader
from hoopgate.recorder.rotation import rotate

HOOPGATE = Path(sys.executable).with_name("hoopgate")


def events(path: Path) -> list[Event]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def leaf_indices(found: list[Event]) -> list[int]:
    return [event["unmapped"]["leaf"] for event in found]


class Sink:
    """Takes what it is given, and fails when told to."""

    def __init__(self) -> None:
        self.taken: list[Event] = []
        self.batches: list[int] = []
        self.failing = 0

    def send(self, events: list[Event]) -> None:
        if self.failing:
            self.failing -= 1
            self.taken += events[: len(events) // 2]
            raise NotSent("the other side hung up")
        self.batches.append(len(events))
        self.taken += events

    def close(self) -> None:
        pass


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    opened = World(tmp_path / "node", checkpoint_ms=5).open()
    yield opened
    opened.stop()


def signed(world: World) -> None:
    world.pump.until(lambda: world.log.checkpoint_size == world.log.size)


class TestStream:
    def test_what_is_new_is_sent_once(self, world: World, tmp_path: Path) -> None:
        sink = Sink()
        stream = Stream(Cursor.load(tmp_path / "cursor"), sink)
        session = world.session("s-1", principal=who("atlas"))
        world.wait(session.request(b"SELECT 1", None, ALLOWED))
        signed(world)
        assert stream.advance(world.reader()) == 3
        assert stream.advance(world.reader()) == 0
        world.wait(session.request(b"SELECT 2", None, ALLOWED))
        world.wait(session.close("client.terminate"))
        signed(world)
        assert stream.advance(world.reader()) == 2
        kinds = [event["metadata"]["event_code"] for event in sink.taken]
        assert kinds == ["epoch.start", "session.open", "chunk", "chunk", "session.close"]
        assert {event["actor"]["user"]["name"] for event in sink.taken[1:]} == {"atlas"}
        assert Cursor.load(tmp_path / "cursor").open == {}

    def test_what_was_not_taken_comes_again(self, world: World, tmp_path: Path) -> None:
        sink = Sink()
        session = world.session("s-1", principal=who("atlas"))
        for number in range(BATCH + 10):
            done = session.request(b"%d" % number, None, ALLOWED)
        world.wait(done)
        signed(world)
        sink.failing = 2
        for _ in range(2):  # each time by a process of its own, which knows the cursor only
            with pytest.raises(NotSent):
                Stream(Cursor.load(tmp_path / "cursor"), sink).advance(world.reader())
        assert Stream(Cursor.load(tmp_path / "cursor"), sink).advance(world.reader()) == BATCH + 12
        assert set(leaf_indices(sink.taken)) == set(range(BATCH + 12))
        assert len(sink.taken) > BATCH + 12
        assert max(sink.batches) == BATCH
        # The session is open: the next process still knows whose it is.
        world.wait(session.request(b"x", None, ALLOWED))
        signed(world)
        Stream(Cursor.load(tmp_path / "cursor"), sink).advance(world.reader())
        assert sink.taken[-1]["actor"]["user"]["name"] == "atlas"

    def test_from_now(self, world: World, tmp_path: Path) -> None:
        session = world.session("s-1")
        signed(world)
        sink = Sink()
        stream = Stream(Cursor.load(tmp_path / "cursor"), sink)
        stream.skip(world.reader())
        assert stream.advance(world.reader()) == 0
        world.wait(session.request(b"x", None, ALLOWED))
        signed(world)
        assert stream.advance(world.reader()) == 1
        assert sink.taken[0]["actor"]["session"]["uid"] == "s-1"

    def test_a_log_that_was_rolled_back(self, tmp_path: Path) -> None:
        world = World(tmp_path / "node", checkpoint_ms=5).open()
        world.stop()
        older = tmp_path / "older"
        shutil.copytree(world.directory, older)
        world.open()
        world.stop()
        sink = Sink()
        Stream(Cursor.load(tmp_path / "cursor"), sink).advance(world.reader())
        shutil.rmtree(world.directory)
        older.rename(world.directory)
        with pytest.raises(HoopgateError, match="rolled back"):
            Stream(Cursor.load(tmp_path / "cursor"), sink).advance(world.reader())

    @pytest.mark.parametrize("text", ["", "[]", '{"next": "x"}', "\xff"])
    def test_a_file_that_is_no_cursor(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "cursor").write_text(text)
        with pytest.raises(HoopgateError, match="is no cursor"):
            Cursor.load(tmp_path / "cursor")


class TestFile:
    def test_a_torn_line_is_ended(self, tmp_path: Path) -> None:
        path = tmp_path / "deep/events.ndjson"
        sink = FileSink(path)
        sink.send([{"n": 1}])
        sink.close()
        with path.open("ab") as file:
            file.write(b'{"n"')
        sink = FileSink(path)
        sink.send([{"n": 2}])
        sink.close()
        assert path.read_bytes().splitlines() == [b'{"n":1}', b'{"n"', b'{"n":2}']

    def test_the_command_beside_a_running_node(self, world: World, tmp_path: Path) -> None:
        out = tmp_path / "events.ndjson"
        command = [
            *(str(HOOPGATE), "stream", "-d", str(world.directory), "--vkey", str(world.vkey())),
            *("--to", f"file:{out}", "--cursor", str(tmp_path / "c"), "--interval", "0.05"),
        ]
        session = world.session("s-1")
        with subprocess.Popen(command, stderr=subprocess.PIPE) as child:
            seen = 0
            for number in range(5):
                world.wait(session.request(b"%d" % number, None, ALLOWED))
                end = time.monotonic() + 60
                while time.monotonic() < end and seen < 3 + number:
                    seen = len(events(out)) if out.exists() else 0
                    time.sleep(0.02)
                    world.pump.turn()
                assert seen == 3 + number
            child.send_signal(signal.SIGTERM)
            assert child.wait(60) == 0
        assert leaf_indices(events(out)) == list(range(7))

    def test_killed_at_any_moment_nothing_is_left_out(self, world: World, tmp_path: Path) -> None:
        out = tmp_path / "events.ndjson"
        command = [
            *(str(HOOPGATE), "stream", "-d", str(world.directory), "--vkey", str(world.vkey())),
            *("--to", f"file:{out}", "--cursor", str(tmp_path / "c"), "--interval", "0.001"),
        ]
        session = world.session("s-1")
        for _ in range(3):
            with subprocess.Popen(command, stderr=subprocess.DEVNULL) as child:
                before = out.stat().st_size if out.exists() else 0
                end = time.monotonic() + 60
                while time.monotonic() < end:
                    time.sleep(0.05)
                    for number in range(20):
                        done = session.request(b"%d" % number, None, ALLOWED)
                    world.wait(done)
                    if out.exists() and out.stat().st_size > before:
                        break
                child.kill()
        signed(world)
        assert main([*command[1:], "--once"]) == 0
        whole = []
        for line in out.read_bytes().splitlines():
            try:
                whole.append(json.loads(line)["unmapped"]["leaf"])
            except ValueError:
                continue  # torn by the kill
        assert set(whole) == set(range(world.reader().size))


def test_a_new_key_of_the_log(tmp_path: Path) -> None:
    world = World(tmp_path / "node", checkpoint_ms=5).open()
    sink, old = Sink(), world.vkey()
    Stream(Cursor.load(tmp_path / "cursor"), sink).advance(world.reader())
    world.stop()
    rotate(world.directory, world.state, world.recording.origin)
    world.open().stop()
    cursor = Cursor.load(tmp_path / "cursor")
    with pytest.raises(BadNote, match="no trusted key"):
        Stream(cursor, sink).advance(world.reader())
    Stream(cursor, sink, [old]).advance(world.reader())
    assert leaf_indices(sink.taken) == [0, 1, 2, 3]
    # What the old key signs from now on counts for nothing.
    with pytest.raises(BadNote):
        LogReader(world.directory, [old])


class Collector(ThreadingHTTPServer):
    """An HTTPS server that collects what is posted, and answers as told."""

    def __init__(self, certificates: Certificates) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.server.certificate, certificates.server.key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.answers: list[int] = []
        self.requests: list[tuple[str, dict[str, str], bytes]] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up or trust nobody are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        assert isinstance(self.server, Collector)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), body))
        answer = self.server.answers.pop(0) if self.server.answers else 200
        if not answer:  # taken, and no word of it
            self.close_connection = True
            return
        self.send_response(answer)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector(certificates: Certificates) -> Iterator[Collector]:
    server = Collector(certificates)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class TestHTTP:
    def test_receipts(
        self, world: World, collector: Collector, certificates: Certificates, tmp_path: Path
    ) -> None:
        token = tmp_path / "token"
        token.write_text("s3cret\n")
        token.chmod(0o600)
        session = world.session("s-1")
        world.wait(session.request(b"x", None, ALLOWED))
        signed(world)
        to = f"https://127.0.0.1:{collector.server_port}/ingest?index=a"
        command = ["stream", "-d", str(world.directory), "--vkey", str(world.vkey()), "--to", to]
        command += ["--cursor", str(tmp_path / "c"), "--ca-file", str(certificates.ca)]
        command += ["--token-file", str(token), "--once"]
        collector.answers = [503, 0, 429]
        for _ in range(3):
            assert main(command) == 2
        assert main(command) == 0
        assert len(collector.requests) == 4
        path, headers, body = collector.requests[-1]
        assert path == "/ingest?index=a"
        assert headers["Authorization"] == "Bearer s3cret"
        assert headers["Content-Type"] == "application/x-ndjson"
        sent = [json.loads(line) for line in body.splitlines()]
        assert leaf_indices(sent) == [0, 1, 2]
        assert [one[2] for one in collector.requests] == [body] * 4
        assert main(command) == 0
        assert len(collector.requests) == 4

    def test_one_connection_serves_many_batches(
        self, collector: Collector, certificates: Certificates
    ) -> None:
        to = f"https://127.0.0.1:{collector.server_port}"
        sink = open_sink(to, origin="o", ca_file=certificates.ca)
        for number in range(3):
            sink.send([{"n": number}])
        sink.close()
        assert [body for _, _, body in collector.requests] == [b'{"n":%d}\n' % n for n in range(3)]

    def test_a_server_of_another_authority(self, collector: Collector) -> None:
        sink = open_sink(f"https://127.0.0.1:{collector.server_port}", origin="o")
        with pytest.raises(NotSent, match="SSLCertVerificationError"):
            sink.send([{"n": 1}])
        assert collector.requests == []


class TestSyslog:
    @pytest.fixture
    def server(self, tmp_path: Path, certificates: Certificates) -> Iterator[Rsyslog]:
        base = tmp_path / "rsyslog"
        base.mkdir()
        with Rsyslog(base, certificates) as running:
            yield running

    def test_rsyslog_reads_what_we_send(
        self, eventful_log: World, server: Rsyslog, certificates: Certificates, tmp_path: Path
    ) -> None:
        command = ["stream", "-d", str(eventful_log.directory), "--cursor", str(tmp_path / "c")]
        command += ["--to", f"syslog://127.0.0.1:{server.port}", "--ca-file", str(certificates.ca)]
        assert main([*command, "--once"]) == 0
        file = tmp_path / "events"
        arguments = ["-d", str(eventful_log.directory), "--cursor", str(tmp_path / "d"), "--once"]
        assert main(["stream", *arguments, "--to", f"file:{file}"]) == 0
        expected = events(file)
        found = server.messages(len(expected))
        assert len(found) == len(expected)
        for parts, event in zip(found, expected, strict=True):
            priority, version, when, host, application, process, kind, data, text = parts
            assert json.loads(text) == event
            assert (version, host, application, process, data) == (
                "1",
                "gw-1.example.org",
                "hoopgate",
                "-",
                "-",
            )
            assert kind == event["metadata"]["event_code"]
            assert int(priority) // 8 == 13
            assert when.startswith("2026-05-2")
        gap = next(parts for parts in found if parts[6] == "gap.recovered")
        assert int(gap[0]) % 8 == 3

    def test_a_server_that_went_away(
        self, server: Rsyslog, certificates: Certificates, tmp_path: Path
    ) -> None:
        to = f"syslog://127.0.0.1:{server.port}"
        sink = open_sink(to, origin="o", ca_file=certificates.ca)
        event: Event = {"time": 0, "severity_id": 1, "metadata": {"event_code": "x"}}
        sink.send([event])
        server.messages(1)
        server.__exit__()
        with pytest.raises(NotSent):
            sink.send([event])
        server.__enter__()
        sink.send([event])
        sink.close()
        assert len(server.messages(2)) == 2

    def test_text_of_others_breaks_no_message(self) -> None:
        event: Event = {
            "time": 0,
            "severity_id": 1,
            "metadata": {"event_code": "a b\n<34>1 "},
            "actor": "\u202e\n<34>1 forged",
        }
        message = syslog_message(event, "host")
        assert message.startswith(b"<110>1 1970-01-01T00:00:00.000Z host hoopgate - ab<34>1 - ")
        assert b"\n" not in message
        assert message.isascii()


@pytest.mark.parametrize(
    "to",
    [
        "http://siem.example.org/x",
        "ftp://host/x",
        "file:relative",
        "syslog:",
        "https://user:secret@host/",
        "https://host:99999/",
        "udp://host",
    ],
)
def test_places_that_are_none(to: str) -> None:
    with pytest.raises(HoopgateError):
        open_sink(to, origin="o")
