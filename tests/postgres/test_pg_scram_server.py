"""The two sides of SCRAM against each other, and the server's against everything else."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.errors import IdentityRefused, LocalProtocolError
from hoopgate.events import Principal
from hoopgate.identity.credentials import Credentials, ScramVerifier
from hoopgate.postgres.scram import SCRAM, SCRAM_PLUS, ScramClient
from hoopgate.postgres.scram_server import ScramServer

BINDING = b"\x01" * 32
PASSWORD = "correct-horse"
VERIFIER = ScramVerifier.of(PASSWORD, b"salt" * 4)


def exchange(server: ScramServer, client: ScramClient) -> None:
    challenge = server.first(client.mechanism, client.first())
    client.verify(server.final(client.final(challenge)))


@pytest.mark.parametrize("binding", [None, BINDING], ids=["plain", "bound"])
def test_both_sides_agree(binding: bytes | None) -> None:
    server = ScramServer(VERIFIER, binding)
    client = ScramClient(PASSWORD, server.mechanisms, binding)
    assert client.mechanism == (SCRAM if binding is None else SCRAM_PLUS)
    exchange(server, client)
    assert client.verified


def test_the_vector_of_rfc_7677() -> None:
    import base64

    verifier = ScramVerifier.of("pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="))
    server = ScramServer(verifier, None, nonce="%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
    challenge = server.first(SCRAM, b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
    assert challenge == (
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    )
    final = server.final(
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    assert final == b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_a_wrong_password_is_refused() -> None:
    server = ScramServer(VERIFIER, None)
    with pytest.raises(IdentityRefused) as caught:
        exchange(server, ScramClient("wrong", server.mechanisms))
    assert caught.value.code == "identity.credential"


def test_another_certificate_is_noticed() -> None:
    """A man in the middle has a certificate of his own (CVE-2025-49146's kind)."""
    server = ScramServer(VERIFIER, BINDING)
    with pytest.raises(IdentityRefused) as caught:
        exchange(server, ScramClient(PASSWORD, server.mechanisms, b"\x02" * 32))
    assert caught.value.code == "identity.binding"


def test_a_downgrade_is_noticed() -> None:
    server = ScramServer(VERIFIER, BINDING)
    with pytest.raises(IdentityRefused) as caught:
        exchange(server, ScramClient(PASSWORD, (SCRAM,), BINDING))
    assert caught.value.code == "identity.binding"


@given(st.binary(max_size=200), st.binary(max_size=200), st.sampled_from([SCRAM, SCRAM_PLUS, b"X"]))
def test_arbitrary_messages_are_refused(first: bytes, final: bytes, mechanism: bytes) -> None:
    server = ScramServer(VERIFIER, BINDING)
    with pytest.raises(IdentityRefused):
        server.first(mechanism, first)
        server.final(final)


@given(st.data())
def test_any_changed_byte_of_the_proof_is_refused(data: st.DataObject) -> None:
    server = ScramServer(VERIFIER, None)
    client = ScramClient(PASSWORD, server.mechanisms)
    final = bytearray(client.final(server.first(client.mechanism, client.first())))
    at = data.draw(st.integers(0, len(final) - 1))
    final[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(IdentityRefused):
        server.final(bytes(final))


def test_steps_come_once() -> None:
    server = ScramServer(VERIFIER, None)
    client = ScramClient(PASSWORD, server.mechanisms)
    first = client.first()
    server.first(client.mechanism, first)
    with pytest.raises(LocalProtocolError):
        server.first(client.mechanism, first)


# --- the credentials ------------------------------------------------------------------------------


def principal(expires: float = 1e6) -> Principal:
    return Principal("https://issuer", "agent", frozenset({"hoopgate:clinic"}), expires)


def test_a_credential_is_short_bound_and_revocable() -> None:
    now = [1000.0]
    credentials = Credentials(lambda: now[0])
    credential, password = credentials.issue(principal(), "clinic", lifetime=60)
    assert len(credential.user) + len(password) < 63
    assert ScramVerifier.of(password, credential.verifier.salt) == credentials.verifier(
        credential.user
    )
    assert credentials.principal(credential.user, "clinic").subject == "agent"
    with pytest.raises(IdentityRefused):
        credentials.principal(credential.user, "payroll")
    now[0] += 61
    with pytest.raises(IdentityRefused):
        credentials.principal(credential.user, "clinic")
    credential, _ = credentials.issue(principal(), "clinic")
    assert credentials.revoke(credential.user)
    assert credentials.find(credential.user) is None
    assert password not in repr(credential)


def test_a_credential_never_outlives_its_token() -> None:
    credential, _ = Credentials(lambda: 1000.0).issue(principal(expires=1010.0), "clinic")
    assert credential.principal.expires_at == 1010.0


def test_unknown_users_look_like_known_ones() -> None:
    credentials = Credentials(lambda: 0.0)
    user = "hg-" + secrets.token_hex(4)
    assert credentials.verifier(user).salt == credentials.verifier(user).salt
    assert credentials.verifier(user).salt != credentials.verifier(user + "x").salt
