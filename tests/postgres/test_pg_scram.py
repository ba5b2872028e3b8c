"""SCRAM by the RFC's own exchange and against hostile servers; OAUTHBEARER as libpq speaks it."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.errors import IdentityRefused, LimitExceeded, LocalProtocolError, RemoteProtocolError
from hoopgate.postgres.scram import OAuthBearer, ScramClient, saslprep, server_end_point

BOTH = (b"SCRAM-SHA-256-PLUS", b"SCRAM-SHA-256")
NONCE = "rOprNGfwEbeRWgbNEkqO"
SERVER_NONCE = NONCE + "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
SALT = "W22ZaJ0SNY7soEsUEjb6gQ=="


def client(mechanisms=BOTH[1:], binding=None, **options) -> ScramClient:
    return ScramClient("pencil", mechanisms, binding, nonce=NONCE, **options)


def server_first(nonce: str = SERVER_NONCE, salt: str = SALT, iterations: object = 4096) -> bytes:
    return f"r={nonce},s={salt},i={iterations}".encode()


def signature(first_bare: bytes, first: bytes, final: bytes, password: bytes = b"pencil") -> bytes:
    """The server's, computed as RFC 5802 section 3 says."""
    salted = hashlib.pbkdf2_hmac("sha256", password, base64.b64decode(SALT), 4096)
    key = hmac.digest(salted, b"Server Key", "sha256")
    message = b",".join((first_bare, first, final[: final.rindex(b",p=")]))
    return b"v=" + base64.b64encode(hmac.digest(key, message, "sha256"))


def test_rfc_7677_key_derivation() -> None:
    """RFC 7677 section 3, but for the user name, which PostgreSQL wants empty."""
    scram = client()
    assert scram.first() == b"n,,n=,r=" + NONCE.encode()
    final = scram.final(server_first())
    assert final.startswith(b"c=biws,r=" + SERVER_NONCE.encode() + b",p=")
    proof = base64.b64decode(final[final.rindex(b",p=") + 3 :])
    # The server recovers ClientKey from the proof and compares its hash with StoredKey.
    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", base64.b64decode(SALT), 4096)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    bare = b"n=,r=" + NONCE.encode()
    message = b",".join((bare, server_first(), final[: final.rindex(b",p=")]))
    masked = hmac.digest(stored, message, "sha256")
    key = bytes(a ^ b for a, b in zip(proof, masked, strict=True))
    assert hashlib.sha256(key).digest() == stored
    scram.verify(signature(bare, server_first(), final))
    assert scram.verified


@pytest.mark.parametrize(
    ("mechanisms", "binding", "chosen", "header"),
    [
        (BOTH, b"hash", b"SCRAM-SHA-256-PLUS", b"p=tls-server-end-point,,"),
        (BOTH, None, b"SCRAM-SHA-256", b"n,,"),
        (BOTH[1:], b"hash", b"SCRAM-SHA-256", b"y,,"),  # a real server with -PLUS refuses this
        (BOTH[1:], None, b"SCRAM-SHA-256", b"n,,"),
    ],
)
def test_channel_binding_is_used_wherever_it_can_be(mechanisms, binding, chosen, header) -> None:
    scram = client(mechanisms, binding)
    assert scram.mechanism == chosen
    assert scram.first().startswith(header)
    final = scram.final(server_first())
    bound = base64.b64decode(final[2 : final.index(b",")])
    assert bound == header + (b"hash" if header.startswith(b"p") else b"")


@pytest.mark.parametrize("mechanisms", [(), (b"PLAIN",), (b"SCRAM-SHA-1",), BOTH[:1]])
def test_other_mechanisms_are_refused(mechanisms) -> None:
    with pytest.raises(RemoteProtocolError):
        client(mechanisms)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"r=" + SERVER_NONCE.encode(),
        server_first(nonce="other"),
        server_first(nonce=NONCE),  # nothing of the server's in it
        server_first(nonce=NONCE + "\x07"),
        server_first(nonce=NONCE + "é"),
        server_first(salt=""),
        server_first(salt="***"),
        server_first(iterations="-1"),
        server_first(iterations="0"),
        server_first(iterations="4096x"),
        server_first(iterations="04096"),
        server_first(iterations="4095"),
        server_first(iterations=10**30),
        server_first(iterations="٤٠٩٦"),
        b"m=ext," + server_first(),
        b"s=" + SALT.encode() + b",r=" + SERVER_NONCE.encode() + b",i=4096",
        server_first() + b"," + b"x" * 5000,
    ],
)
def test_a_server_first_message_that_cannot_be_is_refused(message: bytes) -> None:
    scram = client()
    scram.first()
    with pytest.raises(RemoteProtocolError):
        scram.final(message)


def test_iterations_are_bounded_before_they_are_run() -> None:
    """RUSTSEC-2026-0178: a server burns the client's time."""
    for count in (100_001, 2**31 - 1, 9_999_999_999):
        scram = client()
        scram.first()
        with pytest.raises(LimitExceeded):
            scram.final(server_first(iterations=count))
    scram = client(maximum_iterations=5000)
    scram.first()
    with pytest.raises(LimitExceeded):
        scram.final(server_first(iterations=5001))


@pytest.mark.parametrize(
    "message",
    [b"", b"e=invalid-proof", b"v=", b"v=AAAA", b"v=***", b"v=" + base64.b64encode(bytes(32))],
)
def test_a_server_that_does_not_know_the_password_is_refused(message: bytes) -> None:
    scram = client()
    scram.first()
    scram.final(server_first())
    with pytest.raises(RemoteProtocolError) as caught:
        scram.verify(message)
    assert "invalid-proof" not in str(caught.value)
    assert not scram.verified


def test_each_step_once_and_in_order() -> None:
    scram = client()
    with pytest.raises(LocalProtocolError):
        scram.final(server_first())
    scram.first()
    with pytest.raises(LocalProtocolError):
        scram.first()
    with pytest.raises(LocalProtocolError):
        scram.verify(b"v=AAAA")


@given(st.binary(max_size=200), st.binary(max_size=100))
def test_arbitrary_bytes_raise_nothing_but_protocol_errors(first: bytes, final: bytes) -> None:
    scram = client(minimum_iterations=1)
    scram.first()
    try:
        scram.final(first)
    except RemoteProtocolError:
        pass
    scram = client()
    scram.first()
    scram.final(server_first())
    with pytest.raises(RemoteProtocolError):
        scram.verify(final)


def test_nonces_differ() -> None:
    assert len({ScramClient("x", BOTH).first() for _ in range(50)}) == 50


@pytest.mark.parametrize(
    ("password", "prepared"),
    [
        ("pencil", "pencil"),
        ("I\u00adX", "IX"),  # RFC 4013 section 3
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b", "a b"),
        ("\u0007é", "\u0007é"),  # prohibited: as it is
        ("\u0627\u0031", "\u0627\u0031"),  # fails the bidirectional rule: as it is
        ("\u0627\u0031\u0628", "\u0627\u0031\u0628"),
        ("\u00ad", "\u00ad"),
    ],
)
def test_saslprep(password: str, prepared: str) -> None:
    assert saslprep(password) == prepared


def _certificate(key, algorithm) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, algorithm)
        .public_bytes(serialization.Encoding.DER)
    )


def test_server_end_point_uses_the_certificates_own_hash() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    for algorithm, name in ((hashes.SHA256(), "sha256"), (hashes.SHA384(), "sha384")):
        der = _certificate(key, algorithm)
        assert server_end_point(der) == hashlib.new(name, der).digest()
    assert server_end_point(_certificate(ed25519.Ed25519PrivateKey.generate(), None)) is None
    assert server_end_point(b"not a certificate") is None


# --- OAUTHBEARER -------------------------------------------------------------------------------


def initial(data: bytes, mechanism: bytes = b"OAUTHBEARER") -> bytes:
    return mechanism + b"\0" + len(data).to_bytes(4, "big") + data


def bearer() -> OAuthBearer:
    return OAuthBearer("https://id.example/.well-known/openid-configuration", "clinic")


@pytest.mark.parametrize(
    "data",
    [
        b"n,,\1auth=Bearer abc.DEF-1_2~+/=\1\1",
        b"y,,\1auth=bearer  abc.DEF-1_2~+/=\1\1",
        b"n,,\1host=db\1port=5432\1auth=Bearer abc.DEF-1_2~+/=\1\1",
    ],
)
def test_a_token(data: bytes) -> None:
    assert bearer().initial(initial(data)) == "abc.DEF-1_2~+/="


def test_discovery_is_answered_and_ends_in_a_refusal() -> None:
    exchange = bearer()
    challenge = exchange.initial(initial(b"n,,\1auth=\1\1"))
    assert isinstance(challenge, bytes)
    assert json.loads(challenge) == {
        "status": "invalid_token",
        "openid-configuration": "https://id.example/.well-known/openid-configuration",
        "scope": "clinic",
    }
    with pytest.raises(IdentityRefused):
        exchange.response(b"\1")


def test_a_token_that_is_not_accepted_is_answered_before_the_refusal() -> None:
    """RFC 7628 3.2.3."""
    for code, status in (
        ("identity.expired", "invalid_token"),
        ("scope.missing", "insufficient_scope"),
    ):
        exchange = bearer()
        assert exchange.initial(initial(b"n,,\1auth=Bearer abc\1\1")) == "abc"
        assert json.loads(exchange.failure(code))["status"] == status
        with pytest.raises(RemoteProtocolError):
            exchange.response(b"")
        with pytest.raises(IdentityRefused, match="why"):
            exchange.response(b"\1", IdentityRefused(code, "why"))


@pytest.mark.parametrize("body", [b"", b"\1\1", b"n,,\1auth=Bearer x\1\1"])
def test_discovery_ends_with_one_byte_only(body: bytes) -> None:
    exchange = bearer()
    exchange.initial(initial(b"n,,\1auth=\1\1"))
    with pytest.raises(RemoteProtocolError):
        exchange.response(body)
    with pytest.raises(RemoteProtocolError):
        bearer().response(b"\1")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"n,,",
        b"n,,\1",
        b"n,,\1\1",
        b"n,,\1auth=Bearer x",
        b"n,,\1auth=Bearer x\1",
        b"n,,\1auth=Bearer x\1\1\1",
        b"n,,\1auth=Bearer x\1auth=Bearer y\1\1",
        b"n,a=root,\1auth=Bearer x\1\1",
        b"p=tls-server-end-point,,\1auth=Bearer x\1\1",
        b"n,,\1=x\1\1",
        b"n,,\1auth=Bearer \xff\1\1",
        b"n,,\1auth=Bearer x\0\1\1",
    ],
)
def test_a_malformed_message_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        bearer().initial(initial(data))


@pytest.mark.parametrize("value", [b"Basic abc", b"Bearer", b"Bearer ", b"Bearer a b", b"x"])
def test_other_credentials_are_refused(value: bytes) -> None:
    with pytest.raises(IdentityRefused):
        bearer().initial(initial(b"n,,\1auth=" + value + b"\1\1"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OAUTHBEARER",
        b"OAUTHBEARER\0\0\0",
        b"OAUTHBEARER\0\xff\xff\xff\xff",
        b"OAUTHBEARER\0\0\0\0\1",
        initial(b"n,,\1auth=Bearer x\1\1", b"SCRAM-SHA-256"),
        initial(b"n,,\1auth=Bearer x\1\1") + b"x",
    ],
)
def test_a_broken_frame_is_refused(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        bearer().initial(body)


@given(st.binary(max_size=80))
def test_arbitrary_sasl_bytes_raise_nothing_but_refusals(data: bytes) -> None:
    for body in (data, initial(data), initial(b"n,,\1auth=" + data + b"\1\1")):
        try:
            bearer().initial(body)
        except (RemoteProtocolError, IdentityRefused):
            pass
