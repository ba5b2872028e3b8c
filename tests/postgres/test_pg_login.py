"""The gateway's login: at real servers by every method, and at hostile ones by transcript."""

from __future__ import annotations

import hashlib
import socket
import ssl
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from testbed.certificates import Certificates, KeyPair
from testbed.postgres import VERSIONS, Postgres

from hoopgate.errors import LocalProtocolError
from hoopgate.postgres import login, wire
from hoopgate.postgres.login import BackendLogin, Failed, Ready, Send, StartTLS

PASSWORD = "s3cret-é"


def machine(password: str | None = PASSWORD, tls_mode: str = "disable", **options) -> BackendLogin:
    options = {"user": "gate", "database": "postgres", "parameters": {}, **options}
    return BackendLogin(password=password, tls_mode=tls_mode, **options)


def only(actions: list[login.LoginAction]) -> login.LoginAction:
    [action] = actions
    return action


# --- transcripts -------------------------------------------------------------------------------


def begun(password: str | None = PASSWORD, **options) -> BackendLogin:
    """A login without TLS whose start-up message is out."""
    one = machine(password, **options)
    one.start()
    return one


def secured(password: str | None = PASSWORD, **options) -> BackendLogin:
    """A login inside TLS whose start-up message is out."""
    one = machine(password, "required", **options)
    assert one.start() == login.SSL_REQUEST
    assert one.received(b"S") == [StartTLS()]
    one.secured(None)
    return one


def failed(actions: list[login.LoginAction], code: str) -> Failed:
    action = actions[-1]
    assert isinstance(action, Failed)
    assert action.code == code
    return action


CLEARTEXT = wire.authentication_cleartext()
MD5 = b"R\0\0\0\x0c\0\0\0\5salt"
OK = wire.authentication_ok()
SASL = wire.authentication_sasl([b"SCRAM-SHA-256"])


def status(**parameters: str) -> bytes:
    settings = {
        "server_encoding": "UTF8",
        "client_encoding": "UTF8",
        "standard_conforming_strings": "on",
        **parameters,
    }
    return b"".join(wire.parameter_status(k.encode(), v.encode()) for k, v in settings.items())


KEY = wire.backend_key_data(7, b"abcd")
READY = wire.ready_for_query(b"I")


def test_the_startup_message() -> None:
    one = machine(parameters={"DateStyle": "ISO", "client_encoding": "LATIN1"}, minor=2)
    message = one.start()
    assert int.from_bytes(message[:4], "big") == len(message)
    assert message[4:8] == b"\0\3\0\2"
    strings = message[8:].split(b"\0")
    assert dict(zip(strings[::2], strings[1::2], strict=False)) == {
        b"user": b"gate",
        b"database": b"postgres",
        b"DateStyle": b"ISO",
        b"client_encoding": b"UTF8",
        b"synchronize_seqscans": b"off",
        b"": b"",
    }


@pytest.mark.parametrize("name", ["user", "User", "database", "options", "replication"])
def test_parameters_do_not_change_who_logs_in(name: str) -> None:
    with pytest.raises(LocalProtocolError):
        machine(parameters={name: "x"})


def test_a_nul_does_not_add_a_parameter() -> None:
    for options in ({"user": "a\0role"}, {"parameters": {"DateStyle": "ISO\0role\0root"}}):
        with pytest.raises(LocalProtocolError):
            machine(**options).start()


def test_md5() -> None:
    one = begun()
    inner = hashlib.md5((PASSWORD + "gate").encode()).hexdigest().encode()
    answer = b"md5" + hashlib.md5(inner + b"salt").hexdigest().encode() + b"\0"
    assert one.received(MD5) == [Send(wire.password(answer))]
    [ready] = one.received(OK + status(x="y") + KEY + READY + b"rest")
    assert isinstance(ready, Ready)
    assert ready.parameters["x"] == "y"
    assert (ready.pid, ready.key, ready.status, ready.rest) == (7, b"abcd", b"I", b"rest")
    assert one.received(b"more") == []


def test_cleartext_inside_verified_tls_only() -> None:
    action = only(secured(allow_cleartext=True).received(CLEARTEXT))
    assert action == Send(wire.password(PASSWORD.encode() + b"\0"))
    failed(secured().received(CLEARTEXT), "downgrade")
    failed(begun(allow_cleartext=True).received(CLEARTEXT), "downgrade")


def test_a_server_that_asks_for_nothing_is_refused() -> None:
    failed(begun().received(OK), "downgrade")
    failed(secured().received(OK), "downgrade")
    assert begun(None).received(OK) == []  # peer authentication
    assert secured(certificate_login=True).received(OK) == []


@pytest.mark.parametrize("answer", [b"N", b"E", b"ERROR", b"s", b"\0", b"NS"])
def test_a_server_without_tls_is_refused(answer: bytes) -> None:
    one = machine(tls_mode="required")
    one.start()
    failed(one.received(answer), "tls")
    assert one.received(b"S") == []


def test_bytes_behind_the_tls_answer_are_fatal() -> None:
    """CVE-2021-23222."""
    one = machine(tls_mode="required")
    one.start()
    failed(one.received(b"S" + OK), "protocol")


@pytest.mark.parametrize("code", [1, 2, 4, 6, 7, 8, 9, 13, 99, 2**32 - 1])
def test_unknown_authentication_is_refused(code: int) -> None:
    message = b"R\0\0\0\x08" + code.to_bytes(4, "big")
    failed(begun().received(message), "authentication")


@pytest.mark.parametrize("message", [MD5, SASL, CLEARTEXT])
def test_a_password_that_is_not_there_is_not_sent(message: bytes) -> None:
    failed(secured(None, allow_cleartext=True).received(message), "authentication")


@pytest.mark.parametrize(
    "messages",
    [
        [MD5, MD5],
        [MD5, SASL],
        [SASL, MD5],
        [SASL, SASL],
        [SASL, OK],  # the server proof was skipped
        [SASL, status()],
        [SASL, READY],
        [SASL, wire.sasl_final(b"v=AAAA")],
        [wire.sasl_continue(b"r=x,s=AAAA,i=4096")],
        [wire.sasl_final(b"v=AAAA")],
        [MD5, wire.sasl_final(b"v=AAAA")],
        [MD5, KEY],
        [MD5, OK, OK],
        [MD5, OK, MD5],
        [MD5, OK, status(), KEY, KEY],
        [MD5, OK, status(), wire.ready_for_query(b"T")],
        [MD5, OK, wire.data_row([b"x"])],
        [MD5, OK, wire.backend_key_data(1, b"k" * 32)],  # 3.2's key under 3.0
        [READY],
        [status()],
        [b"X\0\0\0\4"],
        [b"R\0\0\0\3"],
        [b"R\0\0\0\x04"],
        [b"R\0\0\0\x0b\0\0\0\5sal"],
        [MD5, b"R\0\0\0\x0a\0\0\0\0xx"],
        [b"R\xff\xff\xff\xff"],
        [b"N\0\x20\0\0"],
        [wire.authentication_sasl([b"PLAIN"])],
    ],
)
def test_what_is_out_of_order_or_malformed_is_refused(messages: list[bytes]) -> None:
    one = begun()
    actions = []
    for message in messages:
        actions += one.received(message)
    assert isinstance(actions[-1], Failed)
    assert actions[-1].code in ("protocol", "authentication")
    assert one.received(READY) == []


@pytest.mark.parametrize(
    "parameters",
    [
        {"server_encoding": "SQL_ASCII"},
        {"server_encoding": "LATIN1"},
        {"client_encoding": "SJIS"},
        {"standard_conforming_strings": "off"},
    ],
)
def test_encodings_that_change_how_sql_reads_are_refused(parameters: dict[str, str]) -> None:
    one = begun()
    one.received(MD5)
    failed(one.received(OK + status(**parameters) + KEY + READY), "encoding")


def test_encodings_that_are_not_told_are_refused() -> None:
    one = begun()
    one.received(MD5)
    failed(one.received(OK + KEY + READY), "encoding")


def test_an_error_is_told_by_its_sqlstate_alone() -> None:
    error = wire.error_response("FATAL", "28P01", 'password of "gate" is s3cret', "detail", "hint")
    action = failed(begun().received(error), "refused")
    assert action.sqlstate == "28P01"
    assert "28P01" in action.message
    assert "gate" not in action.message
    assert "s3cret" not in repr(action)


def test_messages_are_bounded_in_number_and_size() -> None:
    one = begun()
    notice = wire.notice_response("NOTICE", "00000", "x")
    failed(one.received(notice * 1001), "protocol")
    failed(begun().received(b"N" + (100_000).to_bytes(4, "big")), "protocol")


@pytest.mark.parametrize(
    ("minor", "message", "fine"),
    [
        (2, wire.negotiate_protocol_version(0, []), True),
        (2, wire.negotiate_protocol_version(2, []), False),
        (2, wire.negotiate_protocol_version(3, []), False),
        (2, wire.negotiate_protocol_version(0, [b"_pq_.x"]), False),
        (2, wire.negotiate_protocol_version(0, []) * 2, False),
        (0, wire.negotiate_protocol_version(0, []), False),
    ],
)
def test_versions_are_negotiated_downwards_once(minor: int, message: bytes, fine: bool) -> None:
    one = begun(minor=minor)
    actions = one.received(message)
    if fine:
        assert actions == []
        assert isinstance(only(one.received(MD5)), Send)
    else:
        failed(actions, "protocol")


def test_secrets_are_in_no_repr() -> None:
    one = secured(allow_cleartext=True)
    assert "s3cret" not in repr(one.received(CLEARTEXT))
    assert "abcd" not in repr(Ready({"a": "x"}, 1, b"abcd", b"I", b"abcd"))


CONVERSATIONS = [
    OK,
    MD5 + OK + status() + KEY + READY + b"rest",
    MD5 + OK + status(client_encoding="SJIS") + READY,
    SASL + OK,
    wire.error_response("FATAL", "28P01", "x"),
    MD5 + b"Q\0\0\0\4",
]


@given(st.sampled_from(CONVERSATIONS), st.lists(st.integers(1, 300), max_size=8))
def test_any_cut_gives_the_same_outcome(data: bytes, cuts: list[int]) -> None:
    def run(at: list[int]) -> list[login.LoginAction]:
        one = begun()
        edges = sorted({0, len(data), *(c % len(data) for c in at)})
        actions = []
        rest = b""
        for a, b in pairwise(edges):
            got = one.received(data[a:b])
            actions += got
            if got and isinstance(got[-1], Ready):
                rest = got[-1].rest + data[b:]  # what follows is the session's
                break
        return [
            Ready(x.parameters, x.pid, x.key, x.status, rest)
            if isinstance(x, Ready)
            else Send(x.data[:30])  # without the nonce
            if isinstance(x, Send)
            else x
            for x in actions
        ]

    assert run(cuts) == run([])


@given(st.lists(st.sampled_from([MD5, SASL, OK, KEY, READY, status()]) | st.binary(max_size=30)))
def test_arbitrary_answers_raise_nothing(chunks: list[bytes]) -> None:
    for one in (begun(), begun(None, minor=2)):
        actions = [action for chunk in chunks for action in one.received(chunk)]
        assert sum(isinstance(action, Failed | Ready) for action in actions) <= 1


# --- real servers ------------------------------------------------------------------------------

HBA = [
    "local all postgres trust",
    "hostssl all scram 127.0.0.1/32 scram-sha-256",
    "hostssl all md5 127.0.0.1/32 md5",
    "hostssl all plain 127.0.0.1/32 password",
    "hostssl all cert 127.0.0.1/32 cert",
    "hostnossl all loopback 127.0.0.1/32 scram-sha-256",
    "host all trusting 127.0.0.1/32 trust",
]


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda version: f"postgres{version}")
def server(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[Postgres]:
    with Postgres(request.param, certificates, hba=HBA) as server:
        for name in ("scram", "plain", "loopback", "trusting"):
            server.create_role(name, PASSWORD)
        server.psql(f"SET password_encryption = md5; CREATE ROLE md5 LOGIN PASSWORD '{PASSWORD}'")
        server.psql("CREATE ROLE cert LOGIN")
        yield server


@pytest.fixture(scope="module")
def client_certificate(certificates: Certificates) -> KeyPair:
    return certificates.issue("cert", client=True)


def log_in(
    server: Postgres, one: BackendLogin, pair: KeyPair | None = None, step: int = 65536
) -> tuple[Ready | Failed, socket.socket]:
    """Drive a login with a plain socket and the standard library's TLS."""
    connection: socket.socket = socket.create_connection((server.host, server.port), 10)
    connection.sendall(one.start())
    while True:
        data = connection.recv(step)
        assert data, "the server closed the connection"
        for action in one.received(data):
            if isinstance(action, Send):
                connection.sendall(action.data)
            elif isinstance(action, StartTLS):
                context = ssl.create_default_context(cafile=str(server.certificates.ca))
                if pair is not None:
                    context.load_cert_chain(pair.certificate, pair.key)
                connection = context.wrap_socket(connection, server_hostname="localhost")
                connection.sendall(one.secured(connection.getpeercert(binary_form=True)))
            else:
                return action, connection


@pytest.mark.parametrize("step", [1, 65536])
@pytest.mark.parametrize(
    ("user", "mode"),
    [
        ("scram", "required"),
        ("md5", "required"),
        ("plain", "required"),
        ("loopback", "disable"),
    ],
)
def test_a_real_login(server: Postgres, user: str, mode: str, step: int) -> None:
    one = machine(
        user=user, tls_mode=mode, allow_cleartext=True, parameters={"DateStyle": "ISO, DMY"}
    )
    outcome, connection = log_in(server, one, step=step)
    with connection:
        assert isinstance(outcome, Ready), outcome
        assert outcome.parameters["DateStyle"] == "ISO, DMY"
        assert outcome.parameters["client_encoding"] == "UTF8"
        assert outcome.pid
        assert len(outcome.key) == 4
        if user == "scram":  # channel binding was there to be used, and was
            assert one.channel_binding is not None
            assert one._scram is not None
            assert one._scram.mechanism == b"SCRAM-SHA-256-PLUS"
        connection.sendall(wire.query(b"SELECT current_user"))
        reader = wire.BackendReader(10_000)
        while reader.peek() != ord("D"):
            if reader.peek() is not None:
                reader.take()
                continue
            reader.feed(connection.recv(65536))
        assert wire.data_row_values(reader.take()) == (user.encode(),)


def test_a_client_certificate_logs_in(server: Postgres, client_certificate: KeyPair) -> None:
    one = machine(None, "required", user="cert", certificate_login=True)
    outcome, connection = log_in(server, one, client_certificate)
    connection.close()
    assert isinstance(outcome, Ready), outcome


@pytest.mark.parametrize("user", ["scram", "md5", "plain", "nobody"])
def test_a_wrong_password_is_refused_without_words(server: Postgres, user: str) -> None:
    one = machine("wrong", "required", user=user, allow_cleartext=True)
    outcome, connection = log_in(server, one)
    connection.close()
    assert isinstance(outcome, Failed)
    assert outcome.code == "refused"
    assert outcome.sqlstate == ("28000" if user == "nobody" else "28P01")
    assert user not in outcome.message


def test_a_server_that_trusts_anybody_is_refused(server: Postgres) -> None:
    outcome, connection = log_in(server, machine(user="trusting", tls_mode="required"))
    connection.close()
    assert isinstance(outcome, Failed)
    assert outcome.code == "downgrade"


def test_a_removed_channel_binding_is_noticed_by_the_server(server: Postgres) -> None:
    """Somebody between strips -PLUS from the offer: our "y" tells the server, which refuses."""
    one = machine(user="scram", tls_mode="required")
    received = one.received

    def strip(data: bytes) -> list[login.LoginAction]:
        full = wire.authentication_sasl([b"SCRAM-SHA-256-PLUS", b"SCRAM-SHA-256"])
        return received(SASL if data == full else data)

    one.received = strip  # type: ignore[method-assign]
    outcome, connection = log_in(server, one)
    connection.close()
    assert isinstance(outcome, Failed)
    assert outcome.sqlstate == "28000"


def test_protocol_3_2_is_negotiated_or_spoken(server: Postgres) -> None:
    outcome, connection = log_in(server, machine(user="scram", tls_mode="required", minor=2))
    connection.close()
    assert isinstance(outcome, Ready), outcome
    assert len(outcome.key) == (32 if server.version >= 18 else 4)


def test_a_cancel_request_reaches_its_query(server: Postgres) -> None:
    outcome, connection = log_in(server, machine(user="loopback"))
    with connection:
        assert isinstance(outcome, Ready), outcome
        connection.sendall(wire.query(b"SELECT pg_sleep(20)"))
        reader = wire.BackendReader(10_000)
        connection.settimeout(0.3)
        while reader.peek() != ord("E"):
            if reader.peek() is not None:
                reader.take()
                continue
            try:
                reader.feed(connection.recv(65536))
            except TimeoutError:  # the query runs: cancel it (again)
                with socket.create_connection((server.host, server.port), 10) as canceler:
                    canceler.sendall(login.cancel_request(outcome.pid, outcome.key))
                    assert canceler.recv(1) == b""
        assert wire.error_fields(reader.take())[b"C"] == b"57014"
