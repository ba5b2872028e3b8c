"""Both ends of a login: what clients may do before they are known, and hostile servers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.errors import LocalProtocolError, RemoteProtocolError
from hoopgate.events import Principal
from hoopgate.identity.credentials import Credentials, Verifiers
from hoopgate.mysql import login, scrambles, startup
from hoopgate.mysql.capabilities import OFFERED, agreed, wanted
from hoopgate.mysql.wire import PacketReader, Payload, packets
from hoopgate.mysql.wire_handshake import (
    CACHING_SHA2,
    CLEAR,
    ED25519,
    NATIVE,
    OPENID,
    AuthSwitch,
    Capability,
    Greeting,
    HandshakeResponse,
    auth_more,
    auth_switch,
    greeting,
    openid_answer,
    server_auth,
)
from hoopgate.mysql.wire_results import Err, Ok, err_packet

FLAGS = (
    Capability.PROTOCOL_41
    | Capability.SECURE_CONNECTION
    | Capability.PLUGIN_AUTH
    | Capability.LENENC_AUTH_DATA
    | Capability.CONNECT_WITH_DB
    | Capability.CONNECT_ATTRS
    | Capability.DEPRECATE_EOF
)
PASSWORD = "p" * 32
TOKEN = "eyJ." + "t" * 5000


def payloads(data: bytes) -> list[Payload]:
    reader = PacketReader(2**20)
    reader.feed(data)
    found = []
    while isinstance(one := reader.next(), Payload):
        found.append(one)
    assert not reader.buffered
    return found


class Client:
    """A client that speaks to a :class:`ClientLogin`."""

    def __init__(self, protocol: str = "mariadb", *, tls: bool = True, **more: Any) -> None:
        options: dict[str, Any] = {"startup_limit": 10_000, "token_limit": 65_536}
        self.login = startup.ClientLogin(
            protocol, 7, tls=tls, **{**options, "verifiers": None, **more}
        )
        (first,) = payloads(self.login.start())
        self.greeting = greeting(first.data)
        self.sequence = 1
        self.tls = tls

    def send(self, payload: bytes) -> list[startup.LoginEvent]:
        events = self.login.received(packets(payload, self.sequence))
        if events and isinstance(events[-1], startup.Hello):
            events += self.login.proceed()
        self.sequence += 1
        for event in events:
            if isinstance(event, startup.Send):
                self.sequence += len(payloads(event.data))
        return events

    def secure(self) -> None:
        (event,) = self.send(HandshakeResponse(FLAGS | Capability.SSL).head())
        assert event == startup.StartTLS(b"")
        self.login.secured()

    def answer(self, plugin: bytes, response: bytes, **more: Any) -> list[startup.LoginEvent]:
        if self.tls:
            self.secure()
        flags = FLAGS | (Capability.SSL if self.tls else 0)
        whole = {"user": b"agent", "database": b"clinic", **more}
        return self.send(
            HandshakeResponse(flags, response=response, plugin=plugin, **whole).encode()
        )


def sent(events: list[startup.LoginEvent]) -> bytes:
    (data,) = [event.data for event in events if isinstance(event, startup.Send)]
    (one,) = payloads(data)
    return one.data


def fatal(events: list[startup.LoginEvent]) -> Err:
    (data,) = [event.data for event in events if isinstance(event, startup.Fatal)]
    (one,) = payloads(data)
    return err_packet(one.data)


# --- clients -----------------------------------------------------------------------------------


def test_the_greeting_asks_for_no_clear_password() -> None:
    for protocol in ("mariadb", "mysql"):
        found = Client(protocol).greeting
        assert found.plugin == CACHING_SHA2
        assert found.mariadb is (protocol == "mariadb")
        assert found.capabilities & Capability.SSL
        for never in (
            *(Capability.COMPRESS, Capability.ZSTD, Capability.LOCAL_FILES),
            *(Capability.MULTI_STATEMENTS, Capability.OPTIONAL_METADATA, Capability.MULTI_FACTOR),
            *(Capability.CACHE_METADATA, Capability.SESSION_TRACK, Capability.QUERY_ATTRIBUTES),
        ):
            assert not found.capabilities & never
        assert 0 not in found.scramble


@given(st.integers(0, 40), st.sampled_from((NATIVE, CLEAR, CACHING_SHA2)))
def test_without_tls_there_is_one_answer(cut: int, plugin: bytes) -> None:
    """Also to a client that has sent its secret already: not a byte of it is read."""
    client = Client()
    data = packets(
        HandshakeResponse(FLAGS, user=b"agent", response=b"secret", plugin=plugin).encode(), 1
    )
    events: list[startup.LoginEvent] = []
    for piece in (data[:cut], data[cut:]):
        events += client.login.received(piece)
    assert fatal(events).code == 3159
    assert client.login.buffered == 0


@given(st.binary(max_size=60))
def test_what_comes_with_the_request_belongs_to_tls(early: bytes) -> None:
    client = Client()
    request = packets(HandshakeResponse(FLAGS | Capability.SSL).head(), 1)
    assert client.login.received(request + early) == [startup.StartTLS(early)]
    with pytest.raises(LocalProtocolError):
        client.login.received(b"x")


def test_what_was_said_before_tls_counts_for_nothing() -> None:
    client = Client()
    events = client.send(
        HandshakeResponse(FLAGS | Capability.SSL, user=b"root", database=b"other").encode()
    )
    assert fatal(events).code == 1043


@pytest.mark.parametrize("plugin", [NATIVE, b"dialog", b"sha256_password", CACHING_SHA2])
def test_a_token_comes_by_full_authentication(plugin: bytes) -> None:
    client = Client()
    events = client.answer(plugin, b"x" * 20)
    assert events[0] == startup.Hello(
        "agent", "clinic", agreed(FLAGS, "mariadb") & ~Capability.SSL, ""
    )
    if plugin != CACHING_SHA2:
        switch = server_auth(sent(events))
        assert isinstance(switch, AuthSwitch)
        assert (switch.plugin, len(switch.data)) == (CACHING_SHA2, 21)
        events = client.send(b"y" * 32)
    assert sent(events) == b"\x01\x04"
    assert client.send(TOKEN.encode() + b"\0") == [startup.Token(TOKEN)]


def test_a_node_client_is_switched_first() -> None:
    client = Client()
    events = client.answer(CACHING_SHA2, b"x" * 32, attributes={b"_client_name": b"Node-MariaDB"})
    assert isinstance(server_auth(sent(events)), AuthSwitch)


@pytest.mark.parametrize(
    ("plugin", "response"),
    [(CLEAR, TOKEN.encode() + b"\0"), (OPENID, openid_answer(TOKEN.encode()))],
)
@pytest.mark.parametrize("at_once", [False, True])
def test_a_client_may_send_its_token_its_own_way(
    plugin: bytes, response: bytes, at_once: bool
) -> None:
    client = Client("mysql")
    events = client.answer(plugin, response if at_once else b"")
    if not at_once:
        assert server_auth(sent(events)) == AuthSwitch(plugin, b"")
        events = client.send(response)
    assert events[-1] == startup.Token(TOKEN)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"", "identity.missing"),
        (b"\0", "identity.missing"),
        (b"t\xc3\xa4g\0", "identity.malformed"),
        (b"t" * 65_537, "identity.size"),
        (b"t" * 80_000, "identity.size"),
    ],
)
def test_what_is_no_token_is_refused_and_not_echoed(answer: bytes, code: str) -> None:
    client = Client()
    client.answer(CACHING_SHA2, b"x" * 32)
    error = fatal(client.send(answer))
    assert (error.code, error.sqlstate) == (1045, b"28000")
    assert code.encode() in error.message
    assert answer[:20] not in error.message or not answer.strip(b"\0")


def test_a_client_without_a_password_is_told() -> None:
    assert b"identity.missing" in fatal(Client().answer(CACHING_SHA2, b"")).message


def test_bytes_behind_the_token_are_refused() -> None:
    client = Client()
    client.answer(CACHING_SHA2, b"x" * 32)
    data = packets(b"token\0", client.sequence) + packets(b"\x03DROP", 0)
    assert fatal(client.login.received(data)).code == 1043


def test_packets_out_of_order_are_refused() -> None:
    client = Client()
    client.secure()
    client.sequence += 1
    assert fatal(client.send(HandshakeResponse(FLAGS, user=b"agent").encode())).code == 1043


@pytest.mark.parametrize("charset", [1, 13, 28, 35, 54, 60, 95, 128, 250])
def test_a_character_set_that_reads_ascii_otherwise_is_refused(charset: int) -> None:
    client = Client()
    client.secure()
    response = HandshakeResponse(FLAGS, charset, user=b"agent")
    assert fatal(client.send(response.encode())).code == 1115


@given(st.binary(max_size=200), st.booleans())
def test_arbitrary_bytes_end_in_an_error_packet(data: bytes, tls: bool) -> None:
    client = Client(tls=tls)
    if tls:
        client.secure()
    for event in client.login.received(data):
        if isinstance(event, startup.Fatal):
            payloads(event.data)
        if isinstance(event, startup.Hello):
            client.login.proceed()
    assert client.login.buffered <= 76_000


# --- session credentials -------------------------------------------------------------------------


def verifiers() -> tuple[Any, str, str]:
    credentials = Credentials(lambda: 0.0)
    credential, password = credentials.issue(Principal("i", "agent", frozenset(), 1000.0), "clinic")
    return credentials.verifiers, credential.user, password


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("plugin", [CACHING_SHA2, NATIVE, ED25519, b"dialog"])
@pytest.mark.parametrize("right", [True, False])
def test_a_credential_is_proven_and_never_sent(plugin: bytes, tls: bool, right: bool) -> None:
    known, user, password = verifiers()
    client = Client(tls=tls, verifiers=known)
    secret = password.encode() if right else b"w" * 32
    first = scrambles.sha2(secret, client.greeting.scramble)
    events = client.answer(plugin, first, user=user.encode())
    if plugin != CACHING_SHA2:
        switch = server_auth(sent(events))
        assert isinstance(switch, AuthSwitch)
        assert switch.plugin == (plugin if plugin != b"dialog" else CACHING_SHA2)
        prove = {NATIVE: scrambles.native, ED25519: scrambles.ed25519}.get(
            switch.plugin, scrambles.sha2
        )
        scramble = switch.data if plugin == ED25519 else switch.data[:20]
        events = client.send(prove(secret, scramble))
    if not right:
        assert b"identity.credential" in fatal(events).message
        return
    assert events[-1] == startup.Proven()
    if plugin in (CACHING_SHA2, b"dialog"):
        assert sent(events) == b"\x01\x03"


@given(st.binary(max_size=70), st.sampled_from((CACHING_SHA2, NATIVE, ED25519)))
def test_no_guess_proves_anything(answer: bytes, plugin: bytes) -> None:
    kept = Verifiers.of(PASSWORD)
    client = Client(verifiers=lambda _: kept)
    events = client.answer(plugin, answer)
    if plugin != CACHING_SHA2:
        events = client.send(answer)
    assert fatal(events).code == 1045


@given(st.binary(min_size=1, max_size=80), st.binary(min_size=20, max_size=20))
def test_proofs_are_of_their_password_and_scramble(password: bytes, scramble: bytes) -> None:
    import hashlib

    native = hashlib.sha1(hashlib.sha1(password).digest()).digest()
    sha2 = hashlib.sha256(hashlib.sha256(password).digest()).digest()
    assert scrambles.native_matches(scrambles.native(password, scramble), scramble, native)
    assert scrambles.sha2_matches(scrambles.sha2(password, scramble), scramble, sha2)
    assert not scrambles.native_matches(
        scrambles.native(b"x" + password, scramble), scramble, native
    )
    assert not scrambles.sha2_matches(
        scrambles.sha2(password, scramble[::-1] + b"a"), scramble, sha2
    )


# --- hostile servers -----------------------------------------------------------------------------

BACKEND = wanted(agreed(FLAGS, "mariadb"), "mariadb", phi=True)


class Server:
    """A server that speaks to a :class:`BackendLogin`."""

    def __init__(
        self, *, tls: bool = True, private: bool = False, flags: int | None = None
    ) -> None:
        self.machine = login.BackendLogin(
            protocol="mariadb",
            user="agent",
            database="clinic",
            password="hush",
            capabilities=BACKEND,
            tls=tls,
            private=private,
            attributes={"a": "b"},
        )
        self.tls = tls
        self.scramble = b"s" * 20
        self.flags = BACKEND | Capability.SSL if flags is None else flags
        self.sequence = 0

    def send(self, payload: bytes) -> list[login.LoginAction]:
        actions = self.machine.received(packets(payload, self.sequence))
        self.sequence += 2
        return actions

    def greet(self, plugin: bytes = NATIVE) -> bytes:
        """Greet, set TLS up; the client's response."""
        actions = self.send(Greeting(b"11.4", 9, self.scramble, self.flags, plugin=plugin).encode())
        if not self.tls:
            (action,) = actions
            assert isinstance(action, login.Send)
            return payloads(action.data)[0].data
        request, start = actions
        assert isinstance(request, login.Send) and isinstance(start, login.StartTLS)
        assert len(request.data) == 36 and b"agent" not in request.data
        self.sequence = 3
        return payloads(self.machine.secured())[0].data


def failure(actions: list[login.LoginAction]) -> str:
    (action,) = actions
    assert isinstance(action, login.Failed)
    return action.code


def test_a_password_never_leaves_in_the_clear() -> None:
    for plugin in (CLEAR, OPENID, b"dialog"):
        server = Server()
        assert b"hush" not in server.greet(plugin)
        assert failure(server.send(auth_switch(plugin, b""))) == "downgrade"
    server = Server(tls=False)
    server.greet(CACHING_SHA2)
    assert failure(server.send(auth_more(b"\x04"))) == "cleartext"
    server = Server()
    server.greet(b"auth_gssapi_client")
    assert failure(server.send(auth_switch(b"auth_gssapi_client", b"x"))) == "plugin"


@pytest.mark.parametrize("private", [False, True])
def test_full_authentication_is_for_tls_and_unix_sockets(private: bool) -> None:
    server = Server(tls=not private, private=private)
    server.greet(CACHING_SHA2)
    (action,) = server.send(auth_more(b"\x04"))
    assert isinstance(action, login.Send)
    assert payloads(action.data)[0].data == b"hush\0"


def test_a_server_without_what_is_needed_is_refused() -> None:
    assert (
        failure(
            Server(flags=BACKEND).send(
                Greeting(b"1", 9, b"s" * 20, BACKEND, plugin=NATIVE).encode()
            )
        )
        == "tls"
    )
    lacking = (BACKEND | Capability.SSL) & ~Capability.SESSION_TRACK
    assert (
        failure(Server().send(Greeting(b"1", 9, b"s" * 20, lacking, plugin=NATIVE).encode()))
        == "capabilities"
    )
    mysql = (BACKEND | Capability.SSL | Capability.MYSQL) & (2**32 - 1)
    assert (
        failure(Server().send(Greeting(b"1", 9, b"s" * 20, mysql, plugin=NATIVE).encode()))
        == "protocol"
    )
    assert failure(Server().send(Err(1040, b"08004", b"x").encode())) == "refused"


def test_bytes_before_tls_are_refused() -> None:
    server = Server()
    hello = packets(Greeting(b"1", 9, b"s" * 20, server.flags, plugin=NATIVE).encode(), 0)
    with pytest.raises(RemoteProtocolError):
        server.machine.received(hello + packets(Ok(0, 0, 2, 0).encode(), 1))
    server = Server()
    server.machine.received(hello)
    with pytest.raises(RemoteProtocolError):
        server.machine.received(b"\x07")


def test_a_server_may_switch_only_so_often() -> None:
    server = Server()
    server.greet()
    for _ in range(2):
        server.send(auth_switch(NATIVE, b"t" * 20 + b"\0"))
    with pytest.raises(RemoteProtocolError):
        server.send(auth_switch(NATIVE, b"t" * 20 + b"\0"))


def test_a_scramble_that_is_too_short_is_refused() -> None:
    server = Server()
    server.greet()
    with pytest.raises(RemoteProtocolError):
        server.send(auth_switch(CACHING_SHA2, b"t" * 8))


def text(*values: bytes) -> bytes:
    return b"".join(bytes((len(value),)) + value for value in values)


SETTINGS = [
    *(login.SQL_MODES["mariadb"].encode(), b"utf8mb4", b"utf8mb4", b"utf8mb4_general_ci"),
    *(b"0", b"11.4", b"clinic"),
]


@pytest.mark.parametrize(
    ("place", "value"),
    [(None, b""), (0, b"ANSI_QUOTES"), (1, b"gbk"), (2, b"utf16"), (6, b"other")],
)
def test_the_settings_are_looked_at(place: int | None, value: bytes) -> None:
    server = Server()
    response = server.greet()
    assert b"hush" not in response
    (command,) = server.send(Ok(0, 0, 2, 0).encode())
    assert isinstance(command, login.Send)
    assert b"sql_mode" in command.data
    values = list(SETTINGS)
    if place is not None:
        values[place] = value
    server.sequence = 1
    (command,) = server.send(Ok(0, 0, 2, 0).encode())
    assert isinstance(command, login.Send) and b"DATABASE()" in command.data
    answer = [b"\x07", *[b"\x03def"] * 7, text(*values), b"\xfe\0\0\x02\0\0\0"]
    data = b"".join(packets(one, number) for number, one in enumerate(answer, 1))
    (action,) = server.machine.received(data)
    if place is None:
        assert isinstance(action, login.Ready)
        assert action.thread == 9
        assert action.settings["database"] == "clinic"
    else:
        assert isinstance(action, login.Failed) and action.code == "settings"


@given(st.lists(st.binary(max_size=80), max_size=5), st.booleans())
def test_arbitrary_servers_raise_protocol_errors_only(parts: list[bytes], tls: bool) -> None:
    server = Server(tls=tls)
    try:
        server.greet()
        for part in parts:
            server.send(part)
    except RemoteProtocolError:
        pass


def test_connection_attributes_are_few_and_stay_here() -> None:
    """PROTOCOLS B19: the one that people read is known; none goes to the database."""
    many = {b"a%d" % index: b"x" for index in range(65)}
    error = fatal(Client().answer(CACHING_SHA2, b"x" * 32, attributes=many))
    assert error.code == 1043
    large = {b"a": b"x" * 100_000}
    assert fatal(Client().answer(CACHING_SHA2, b"x" * 32, attributes=large)).code == 1045
    known = {b"program_name": b"psy\xffcho", b"_os": b"a secret"}
    events = Client().answer(CACHING_SHA2, b"x" * 32, attributes=known)
    (hello,) = [event for event in events if isinstance(event, startup.Hello)]
    assert hello.program == "psy\ufffdcho"
    assert "a secret" not in repr(hello)


def test_progress_reports_are_not_taken_for_errors() -> None:
    """PROTOCOLS B9: they were not agreed."""
    with pytest.raises(RemoteProtocolError):
        err_packet(b"\xff\xff\xff\x01\x02\x02\0\0\0\x05stage")


def test_what_is_asked_of_a_backend_was_agreed_with_the_client() -> None:
    for protocol in ("mariadb", "mysql"):
        everything = 2**40 - 1
        asked = wanted(agreed(everything, protocol), protocol, phi=True)
        assert not asked & (Capability.MULTI_STATEMENTS | Capability.LOCAL_FILES)
        assert not asked & (Capability.COMPRESS | Capability.CACHE_METADATA | Capability.ZSTD)
        assert asked & Capability.FOUND_ROWS
        least = wanted(agreed(FLAGS & ~Capability.DEPRECATE_EOF, protocol), protocol, phi=False)
        assert not least & (Capability.DEPRECATE_EOF | Capability.FOUND_ROWS)
        assert OFFERED[protocol] & Capability.DEPRECATE_EOF
