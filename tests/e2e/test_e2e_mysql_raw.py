"""What no client of MySQL's protocol would send, to the running gateway (PROTOCOLS B2, B3, B14)."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections.abc import Iterator

import pytest
from testbed.certificates import Certificates
from testbed.clinic_mysql import MysqlClinic, running_mysql_clinic
from testbed.mariadb import MariaDB

from hoopgate.mysql.capabilities import OFFERED
from hoopgate.mysql.wire import PacketReader, Payload, packets
from hoopgate.mysql.wire_handshake import (
    CACHING_SHA2,
    Capability,
    HandshakeResponse,
    greeting,
)
from hoopgate.mysql.wire_results import Err, err_packet

FLAGS = (OFFERED["mariadb"] & ~Capability.CONNECT_ATTRS) | Capability.SSL


@pytest.fixture(scope="module")
def clinic(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, mariadb: MariaDB
) -> Iterator[MysqlClinic]:
    directory = tmp_path_factory.mktemp("mysql-raw")
    with running_mysql_clinic(directory, certificates, mariadb, database="mysql_raw") as running:
        yield running


class Raw:
    """A connection whose TLS is in memory, so that it can be sent with whatever else."""

    def __init__(self, clinic: MysqlClinic) -> None:
        self.clinic = clinic
        self.socket = socket.create_connection((clinic.gateway.host, clinic.gateway.port), 30)
        self._reader = PacketReader(2**20)
        self._tls: ssl.SSLObject | None = None
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def begin_tls(self) -> bytes:
        """The first bytes of the handshake."""
        context = ssl.create_default_context(cafile=self.clinic.gateway.certificates.ca)
        self._tls = context.wrap_bio(self._in, self._out, server_hostname="127.0.0.1")
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
        return self._out.read()

    def finish_tls(self) -> None:
        assert self._tls is not None
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self.socket.sendall(self._out.read())
                data = self.socket.recv(65536)
                assert data
                self._in.write(data)
                continue
            self.socket.sendall(self._out.read())
            return

    def send(self, *payloads: bytes, sequence: int = 0) -> None:
        data = b"".join(packets(one, sequence + n) for n, one in enumerate(payloads))
        self.write(data)

    def write(self, data: bytes) -> None:
        if self._tls is not None:
            self._tls.write(data)
            data = self._out.read()
        self.socket.sendall(data)

    def payload(self) -> Payload:
        while (found := self._reader.next()) is None:
            data = self.socket.recv(65536)
            if data and self._tls is not None:
                self._in.write(data)
                data = b""
                with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
                    while piece := self._tls.read(65536):
                        data += piece
                if not data:
                    continue
            if not data:
                raise EOFError
            self._reader.feed(data)
        assert isinstance(found, Payload)
        return found

    def error(self) -> Err:
        return err_packet(self.payload().data)

    def secure(self) -> None:
        """Read the greeting, set TLS up: request and first handshake bytes in one segment."""
        assert greeting(self.payload().data).plugin == CACHING_SHA2
        request = packets(HandshakeResponse(FLAGS).head(), 1)
        self.socket.sendall(request + self.begin_tls())
        self.finish_tls()

    def log_in(self) -> None:
        self.secure()
        response = HandshakeResponse(
            FLAGS, 45, b"executor", b"r" * 32, b"clinic", CACHING_SHA2
        ).encode()
        self.send(response, sequence=2)
        assert self.payload().data == b"\x01\x04"
        self.send(self.clinic.token().encode() + b"\0", sequence=4)
        found = self.payload()
        assert (found.data[0], found.sequence) == (0, 5)


def test_tls_may_begin_in_the_segment_of_its_request(clinic: MysqlClinic) -> None:
    with Raw(clinic) as raw:
        raw.log_in()
        raw.send(b"\x03SELECT 1")
        assert raw.payload().data == b"\x01"


def test_bytes_come_one_by_one(clinic: MysqlClinic) -> None:
    with Raw(clinic) as raw:
        raw.payload()
        for byte in packets(HandshakeResponse(FLAGS).head(), 1):
            raw.socket.sendall(bytes((byte,)))
        raw.socket.sendall(raw.begin_tls())
        raw.finish_tls()
        raw.send(HandshakeResponse(FLAGS, 45, b"a", b"", b"", CACHING_SHA2).encode(), sequence=2)
        assert raw.error().code == 1045


def test_garbage_before_tls_is_answered_and_cut_off(clinic: MysqlClinic) -> None:
    for data, code in (
        (b"\x00" * 40, 1043),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + b"x" * 20, 1043),
        (packets(b"\x03DROP TABLE patients", 1), 1043),
        (packets(b"\x03DROP TABLE patients, encounters, codes", 1), 3159),
        (packets(HandshakeResponse(FLAGS & ~Capability.SSL, user=b"root").encode(), 1), 3159),
        (packets(HandshakeResponse(FLAGS).head(), 7), 1043),
    ):
        with Raw(clinic) as raw:
            raw.payload()
            raw.socket.sendall(data)
            assert raw.error().code == code
            with pytest.raises((EOFError, ConnectionError)):
                raw.payload()


def test_a_command_before_the_login_is_no_command(clinic: MysqlClinic) -> None:
    with Raw(clinic) as raw:
        raw.secure()
        raw.send(b"\x03SELECT 1", sequence=0)
        assert raw.error().code == 1043
    with Raw(clinic) as raw:
        raw.secure()
        response = HandshakeResponse(FLAGS, 45, b"e", b"r" * 32, b"clinic", CACHING_SHA2).encode()
        raw.write(packets(response, 2) + packets(b"\x03SELECT 1", 3))
        assert raw.error().code == 1043


def test_commands_may_be_sent_ahead(clinic: MysqlClinic) -> None:
    """Answers come in order, refusals among them."""
    with Raw(clinic) as raw:
        raw.log_in()
        raw.write(
            b"".join(
                packets(one, 0)
                for one in (b"\x0e", b"\x03DROP TABLE patients", b"\x03SELECT 7", b"\x0e")
            )
        )
        assert raw.payload().data[0] == 0
        assert raw.error().code == 1142
        first, _, row, _ = (raw.payload().data for _ in range(4))
        assert (first, row) == (b"\x01", b"\x017")
        assert raw.payload().data[0] == 0


def test_a_client_that_breaks_the_protocol_is_told_and_cut_off(clinic: MysqlClinic) -> None:
    with Raw(clinic) as raw:
        raw.log_in()
        raw.send(b"\x03SELECT 1", sequence=3)
        assert raw.error().code == 1156
        with pytest.raises((EOFError, ConnectionError)):
            raw.payload()


def test_a_statement_of_a_prepared_name_is_masked_every_time(clinic: MysqlClinic) -> None:
    """PREPARE and EXECUTE of the last statement in one segment, twice (PROTOCOLS B11)."""
    prepare = b"\x16SELECT id, ssn FROM patients WHERE id = ?"
    values = b"\0\x01\x03\0" + struct.pack("<i", 3)
    execute = struct.pack("<BIBI", 0x17, 0xFFFFFFFF, 0, 1) + values
    with Raw(clinic) as raw:
        raw.log_in()
        for _ in range(2):
            raw.write(packets(prepare, 0) + packets(execute, 0))
            assert raw.payload().data[0] == 0
            for _ in range(3):
                raw.payload()
            assert raw.payload().data == b"\x02"
            raw.payload(), raw.payload()
            assert raw.payload().data == b"\0\0" + struct.pack("<i", 3) + b"\x05[SSN]"
            assert raw.payload().data[0] == 0xFE
