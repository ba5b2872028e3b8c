"""Clients that are slow before their login, and tokens of 16 KB by every client."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

import asyncpg
import pg8000.native
import psycopg
import pytest
from testbed.certificates import Certificates
from testbed.clinic import Clinic, running_clinic
from testbed.parts import node, node_package
from testbed.postgres import Postgres
from testbed.raw import GOOD, SSL_REQUEST, Raw, startup

from hoopgate.postgres import wire


@pytest.fixture(scope="module")
def hasty(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, postgres15: Postgres
) -> Iterator[Clinic]:
    """A node that gives a login four seconds."""
    directory = tmp_path_factory.mktemp("hasty")
    with running_clinic(
        directory,
        certificates,
        postgres15,
        database="hasty_clinic",
        adjust=lambda settings: settings.update(limits={"login_time": "4s"}),
    ) as running:
        yield running


# --- slow clients ---------------------------------------------------------------------------------


def drip(raw: Raw, data: bytes) -> None:
    """A byte at a time, for ever: after the last one they come again."""
    while True:
        for at in range(len(data)):
            raw.send(data[at : at + 1])
            time.sleep(0.2)


def hello() -> bytes:
    outgoing = ssl.MemoryBIO()
    context = ssl.create_default_context()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


def answered(raw: Raw) -> Raw:
    raw.send(SSL_REQUEST)
    assert raw.socket.recv(1) == b"S"
    return raw


def asked(raw: Raw) -> Raw:
    raw.secure().send(startup(GOOD))
    assert raw.message()[:1] == b"R"
    return raw


SLOW: dict[str, Callable[[Raw], object]] = {
    "nothing": lambda raw: None,
    "half an SSLRequest": lambda raw: raw.send(SSL_REQUEST[:5]),
    "no handshake": lambda raw: raw.send(SSL_REQUEST),
    "half a ClientHello": lambda raw: answered(raw).send(hello()[:40]),
    "direct, half a ClientHello": lambda raw: raw.send(hello()[:40]),
    "a dripped ClientHello": lambda raw: drip(answered(raw), hello()),
    "nothing inside TLS": lambda raw: raw.secure(),
    "a dripped start-up": lambda raw: drip(raw.secure(), startup({**GOOD, "x": "y" * 9000})),
    "no password": asked,
    "a dripped password": lambda raw: drip(asked(raw), wire.password(b"x" * 9000)),
}


def test_every_slow_login_ends(hasty: Clinic) -> None:
    """LESSONS "before login": bounded in time, whichever step a client stops at; nobody waits."""
    ended: dict[str, float] = {}

    def play(name: str) -> None:
        with Raw(hasty) as raw:
            began = time.monotonic()
            raw.socket.settimeout(60)
            with contextlib.suppress(OSError):
                SLOW[name](raw)
                while raw.socket.recv(65536):
                    pass
            ended[name] = time.monotonic() - began

    threads = [threading.Thread(target=play, args=(name,), daemon=True) for name in SLOW]
    for thread in threads:
        thread.start()
    with psycopg.connect(hasty.dsn()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    for thread in threads:
        thread.join(60)
    assert ended.keys() == SLOW.keys()
    # None was cut off at once, which would prove nothing, and none by its own clock.
    assert all(3 < seconds < 45 for seconds in ended.values()), ended
    with psycopg.connect(hasty.dsn()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_client_that_was_let_in_has_its_time(hasty: Clinic) -> None:
    with psycopg.connect(hasty.dsn()) as connection:
        time.sleep(5)
        assert connection.execute("SELECT 1").fetchone() == (1,)


# --- large tokens ---------------------------------------------------------------------------------


def by_asyncpg(clinic: Clinic, token: str) -> str:
    async def ask() -> str:
        connection = await asyncpg.connect(
            host="localhost",
            port=clinic.gateway.port,
            user="exporter",
            database="clinic",
            password=token,
            ssl=ssl.create_default_context(cafile=str(clinic.gateway.certificates.ca)),
        )
        try:
            return str(await connection.fetchval("SELECT ssn FROM patients LIMIT 1"))
        finally:
            await connection.close()

    return asyncio.run(ask())


def by_pg8000(clinic: Clinic, token: str) -> str:
    connection = pg8000.native.Connection(
        "exporter",
        host="localhost",
        port=clinic.gateway.port,
        database="clinic",
        password=token,
        ssl_context=ssl.create_default_context(cafile=str(clinic.gateway.certificates.ca)),
    )
    try:
        return str(connection.run("SELECT ssn FROM patients LIMIT 1")[0][0])
    finally:
        connection.close()


NODE = """
const { Client } = require(process.env.NODE_PG)
const ca = require('fs').readFileSync(process.env.CA)
const client = new Client({ ssl: { ca } })
client.connect()
  .then(() => client.query('SELECT ssn FROM patients LIMIT 1'))
  .then((found) => { process.stdout.write(found.rows[0].ssn); return client.end() })
"""


def by_node(clinic: Clinic, token: str) -> str:
    done = subprocess.run(
        [node(), "-e", NODE],
        text=True,
        capture_output=True,
        timeout=60,
        check=True,
        env={
            "PATH": os.environ["PATH"],
            "NODE_PG": str(node_package("pg")),
            "CA": str(clinic.gateway.certificates.ca),
            "PGHOST": "localhost",
            "PGPORT": str(clinic.gateway.port),
            "PGUSER": "exporter",
            "PGDATABASE": "clinic",
            "PGPASSWORD": token,
        },
    )
    return done.stdout


@pytest.mark.parametrize("client", [by_asyncpg, by_pg8000, by_node])
def test_a_token_of_16_kilobytes(hasty: Clinic, client: Callable[[Clinic, str], str]) -> None:
    """A9; psql and psycopg in their own files."""
    token = hasty.token("exporter")
    assert len(token) > 16_384
    assert client(hasty, token) == "[SSN]"


# --- frames that lie ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 3, 4, 2**16, 2**31 - 1, 2**31, 2**32 - 1])
def test_a_length_that_lies_before_login(hasty: Clinic, size: int) -> None:
    """The memory of a connection before its login is bounded, whatever its length field says."""
    with Raw(hasty) as raw:
        raw.socket.settimeout(60)
        packet = size.to_bytes(4, "big") + (196608).to_bytes(4, "big") + b"user\0x\0" * 2000
        raw.secure()
        try:
            raw.send(packet)
            assert raw.message()[:1] in (b"E", b"")
        except (TimeoutError, ConnectionError, ssl.SSLError) as error:
            assert not isinstance(error, TimeoutError)
