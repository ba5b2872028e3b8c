"""A client's login, sans-I/O: what counts as one, and what does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given
from hypothesis import strategies as st
from twisted.conch.ssh.keys import Key

from hoopgate.errors import IdentityRefused, RemoteProtocolError
from hoopgate.ssh import authentication as auth
from hoopgate.ssh.authentication import (
    AwaitDevice,
    BeginDevice,
    CheckCertificate,
    CheckSecret,
    Login,
    Proven,
    Send,
)
from hoopgate.ssh.certificates import UserCertificate
from hoopgate.ssh.wire import string

SESSION = b"s" * 32
ALGORITHM = b"ssh-ed25519-cert-v01@openssh.com"
BLOB = string(ALGORITHM) + b"rest"
KEY = Key(ed25519.Ed25519PrivateKey.generate())
OTHER = Key(ed25519.Ed25519PrivateKey.generate())
CERTIFICATE = UserCertificate("hg-x", KEY.public(), None)


def login() -> Login:
    return Login(SESSION, secret_limit=1000)


def request(method: bytes, rest: bytes = b"", user: bytes = b"agent%ward") -> bytes:
    return string(user) + string(b"ssh-connection") + string(method) + rest


def password(text: bytes) -> bytes:
    return request(b"password", b"\0" + string(text))


def signed(
    key: Key = KEY,
    *,
    session: bytes = SESSION,
    user: bytes = b"agent%ward",
    claimed: bytes = ALGORITHM,
    told: bytes = b"ssh-ed25519",
) -> bytes:
    body = request(b"publickey", b"\1" + string(claimed) + string(BLOB), user)
    signature = key.sign(string(session) + bytes((auth.REQUEST,)) + body, signatureType=told)
    return body + string(signature)


def offered(user: bytes = b"agent%ward") -> bytes:
    return request(b"publickey", b"\0" + string(ALGORITHM) + string(BLOB), user)


def test_an_offer_is_no_login() -> None:
    one = login()
    assert one.received(auth.REQUEST, offered()) == [CheckCertificate(BLOB)]
    (answer,) = one.certificate(CERTIFICATE)
    assert isinstance(answer, Send)
    assert answer.number == auth.PK_OK


def test_a_signature_by_the_certificate_s_key_is_one() -> None:
    one = login()
    assert one.received(auth.REQUEST, signed()) == [CheckCertificate(BLOB)]
    assert one.certificate(CERTIFICATE) == [Proven(CERTIFICATE)]


@pytest.mark.parametrize(
    "message",
    [
        signed(OTHER),
        signed(session=b"t" * 32),
        signed()[:-1] + bytes((signed()[-1] ^ 1,)),
    ],
    ids=["another key", "another session", "another signature"],
)
def test_another_signature_is_none(message: bytes) -> None:
    one = login()
    one.received(auth.REQUEST, message)
    (answer,) = one.certificate(CERTIFICATE)
    assert isinstance(answer, Send)
    assert answer.number == auth.FAILURE


def test_a_plain_key_is_refused_at_once() -> None:
    one = login()
    blob = KEY.public().blob()
    body = request(b"publickey", b"\0" + string(b"ssh-ed25519") + string(blob))
    (answer,) = one.received(auth.REQUEST, body)
    assert isinstance(answer, Send)
    assert answer.number == auth.FAILURE


@pytest.mark.parametrize(
    "step",
    [
        lambda one: one.received(auth.REQUEST, request(b"none", user=b"root%ward")),
        lambda one: one.received(auth.REQUEST, offered(b"root%ward")),
    ],
)
def test_the_user_may_not_change(step: Callable[[Login], object]) -> None:
    one = login()
    one.received(auth.REQUEST, request(b"none"))
    with pytest.raises(RemoteProtocolError, match="may not change"):
        step(one)


def test_a_second_request_does_not_overtake_the_first() -> None:
    one = login()
    assert one.received(auth.REQUEST, password(b"a.b.c")) == [CheckSecret("a.b.c")]
    with pytest.raises(RemoteProtocolError, match="second"):
        one.received(auth.REQUEST, password(b"x"))


def test_another_service_is_refused() -> None:
    body = string(b"a") + string(b"ssh-userauth") + string(b"none")
    with pytest.raises(RemoteProtocolError):
        login().received(auth.REQUEST, body)


@pytest.mark.parametrize("number", [5, 51, 52, 60, 61, 80, 90, 94, 98])
def test_nothing_else_is_heard_before_a_login(number: int) -> None:
    with pytest.raises(RemoteProtocolError):
        login().received(number, string(b"x"))


def test_tries_are_counted_and_told_why() -> None:
    one = login()
    why = IdentityRefused("identity.expired", "the token has expired")
    for _ in range(auth.MOST_TRIES - 1):
        one.received(auth.REQUEST, password(b"a.b.c"))
        banner, failure = one.refused(why)
        assert isinstance(banner, Send)
        assert b"identity.expired" in banner.body
        assert isinstance(failure, Send)
        assert failure.number == auth.FAILURE
    one.received(auth.REQUEST, password(b"a.b.c"))
    with pytest.raises(RemoteProtocolError, match="too many"):
        one.refused(why)


def test_offers_are_counted_apart() -> None:
    one = login()
    for _ in range(auth.MOST_OFFERS):
        one.received(auth.REQUEST, offered())
        one.refused()
    with pytest.raises(RemoteProtocolError, match="too many keys"):
        one.received(auth.REQUEST, offered())


def test_a_password_that_is_too_long_or_no_ascii_is_wrong() -> None:
    for text in (b"x" * 1001, b"\xff", b""):
        (answer,) = login().received(auth.REQUEST, password(text))
        assert isinstance(answer, Send)
        assert answer.number == auth.FAILURE


def test_one_prompt_for_clients_that_know_no_other_way() -> None:
    one = login()
    body = request(b"keyboard-interactive", string(b"") + string(b""))
    (asked,) = one.received(auth.REQUEST, body)
    assert isinstance(asked, Send)
    assert asked.number == auth.INFO_REQUEST
    answer = (1).to_bytes(4, "big") + string(b"a.b.c")
    assert one.received(auth.INFO_RESPONSE, answer) == [CheckSecret("a.b.c")]


KEYBOARD = request(b"keyboard-interactive", string(b"") + string(b""))


def answer(text: bytes) -> bytes:
    return (1).to_bytes(4, "big") + string(text)


def test_a_person_may_log_in_by_an_issuer_once() -> None:
    one = Login(SESSION, secret_limit=1000, device=True)
    assert one.received(auth.REQUEST, KEYBOARD) == [BeginDevice()]
    with pytest.raises(RemoteProtocolError, match="second"):
        one.received(auth.INFO_RESPONSE, answer(b""))
    (told,) = one.device("open https://issuer.example/device")
    assert isinstance(told, Send)
    assert b"https://issuer.example/device" in told.body
    assert one.received(auth.INFO_RESPONSE, answer(b"")) == [AwaitDevice()]
    one.refused(IdentityRefused("identity.device", "nobody has allowed it in time"))
    # From here on it is a prompt, where an empty answer is a wrong one.
    (asked,) = one.received(auth.REQUEST, KEYBOARD)
    assert isinstance(asked, Send)
    (refusal,) = one.received(auth.INFO_RESPONSE, answer(b""))
    assert isinstance(refusal, Send)
    assert refusal.number == auth.FAILURE


def test_who_has_a_secret_may_give_it_instead() -> None:
    one = Login(SESSION, secret_limit=1000, device=True)
    one.received(auth.REQUEST, KEYBOARD)
    one.device("open it")
    assert one.received(auth.INFO_RESPONSE, answer(b"a.b.c")) == [CheckSecret("a.b.c")]


def test_another_method_ends_what_was_begun() -> None:
    one = Login(SESSION, secret_limit=1000, device=True)
    one.received(auth.REQUEST, KEYBOARD)
    one.device("open it")
    one.received(auth.REQUEST, request(b"none"))
    with pytest.raises(RemoteProtocolError):
        one.received(auth.INFO_RESPONSE, answer(b""))


@given(st.integers(0, 255), st.binary(max_size=200))
def test_any_bytes_raise_one_error_only(number: int, payload: bytes) -> None:
    one = login()
    try:
        steps = one.received(number, payload)
    except RemoteProtocolError:
        return
    assert not any(isinstance(step, Proven) for step in steps)


@pytest.mark.parametrize(
    ("user", "found"),
    [
        ("agent%ward", ("agent", "ward")),
        ("agent", ("agent", "")),
        ("a@b%c", ("a@b", "c")),
        ("agent%%ward", ("agent", "ward")),
    ],
)
def test_user_and_resource(user: str, found: tuple[str, str]) -> None:
    assert auth.split_user(user, "%") == found


@pytest.mark.parametrize("user", ["a%b%c", "%b", "", "%", "a%%b%c", "a%%%b", "a%%b%%c", "%%b"])
def test_what_is_ambiguous_is_refused(user: str) -> None:
    with pytest.raises(IdentityRefused, match="user name"):
        auth.split_user(user, "%")
