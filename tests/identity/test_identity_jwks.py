"""An issuer's keys: which are used, and what an issuer that misbehaves can do (E1, E3)."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from identity_tokens import ALL_ALGORITHMS, ISSUER, jwk, key_set, private_key, standard_key_set
from identity_web import ShiftedReactor, Web, answer
from testbed.certificates import Certificates
from testbed.issuer import TestIssuer, client
from testbed.reactor import on_reactor
from twisted.internet.defer import Deferred, gatherResults

from hoopgate.errors import IdentityRefused, SettingsError
from hoopgate.identity import fetch
from hoopgate.identity.fetch import FetchFailed, checked_url
from hoopgate.identity.jose import JSONRefused, parse_key_set
from hoopgate.identity.jwks import DISCOVERY_PATH, KeySource

# --- key sets ----------------------------------------------------------------------------------


def parsed(*keys: dict[str, Any]) -> dict[str, frozenset[str]]:
    found = parse_key_set(key_set(*keys), ALL_ALGORITHMS)
    return {kid: key.algorithms for kid, key in found.items()}


def test_keys_are_pinned_to_their_algorithms() -> None:
    assert parsed(
        jwk("rsa2048", "any RSA"),
        jwk("rsa2048", "one RSA", alg="PS256"),
        jwk("p256", "EC", key_ops=["verify"]),
        jwk("p384", "EC 384"),
        jwk("ed25519", "OKP", use="sig"),
    ) == {
        "any RSA": {"RS256", "PS256"},
        "one RSA": {"PS256"},
        "EC": {"ES256"},
        "EC 384": {"ES384"},
        "OKP": {"EdDSA"},
    }


@pytest.mark.parametrize(
    "bad",
    [
        jwk("rsa1024", "x"),
        jwk("p256", "x", use="enc"),
        jwk("p256", "x", key_ops=["encrypt"]),
        jwk("p256", "x", key_ops="verify"),
        jwk("p256", "x", alg="ES384"),
        jwk("p256", "x", alg="HS256"),
        jwk("p256", "x", alg=["ES256"]),
        jwk("p256", "x", d="AAAA"),
        jwk("p256", "x", crv="P-384"),
        jwk("p256", "x", crv="secp256k1"),
        jwk("p256", "x", x="AAAA"),
        jwk("p256", "x", x=7),
        jwk("p256", "x", y=jwk("p256", "x")["x"]),
        jwk("ed25519", "x", crv="X25519"),
        jwk("p256", ""),
        {**jwk("p256", "x"), "kid": None},
        {**jwk("p256", "x"), "kid": 1},
        {**jwk("p256", "x"), "kty": ["EC"]},
        {"kty": "oct", "kid": "x", "k": "AAAA", "alg": "HS256"},
        jwk("rsa2048", "x", e="AQ"),
        jwk("rsa2048", "x", e="A" * 400),
        jwk("rsa2048", "x", n="A" * 100_000),
        {},
    ],
)
def test_a_key_that_cannot_be_trusted_is_left_out(bad: dict[str, Any]) -> None:
    assert parsed(bad, jwk("p256", "good")) == {"good": {"ES256"}}


def test_a_kid_that_appears_twice_names_no_key() -> None:
    assert parsed(jwk("p256", "x"), jwk("p384", "x"), jwk("ed25519", "y")) == {"y": {"EdDSA"}}
    assert parsed(jwk("p256", "x"), jwk("rsa1024", "x")) == {}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":[],"keys":[]}',
        key_set(*[jwk("p256", str(number)) for number in range(65)]),
    ],
)
def test_what_is_no_key_set(data: bytes) -> None:
    with pytest.raises(JSONRefused):
        parse_key_set(data, ALL_ALGORITHMS)


@given(st.data())
def test_a_changed_key_set_is_read_or_refused(data: st.DataObject) -> None:
    good = standard_key_set()
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, len(good)))
    changed = good[:start] + data.draw(st.binary(max_size=20)) + good[end:]
    try:
        keys = parse_key_set(changed, ALL_ALGORITHMS)
    except JSONRefused:
        return
    assert all(key.algorithms for key in keys.values())


@given(
    st.dictionaries(
        st.sampled_from(["kty", "kid", "alg", "use", "crv", "x", "y", "n", "e", "key_ops"]),
        st.none() | st.integers() | st.text(max_size=50) | st.lists(st.text(), max_size=2),
    )
)
def test_any_members_make_a_key_or_none(changed: dict[str, Any]) -> None:
    for kind in ("rsa2048", "p256", "ed25519"):
        parse_key_set(key_set({**jwk(kind, "x"), **changed}), ALL_ALGORITHMS)


# --- a good issuer -----------------------------------------------------------------------------


def discovery(web: Web, **changed: Any) -> bytes:
    document = {"issuer": web.url, "jwks_uri": web.url + "/jwks", **changed}
    return answer(json.dumps({k: v for k, v in document.items() if v is not None}).encode())


@pytest.fixture
def issuer(web: Web) -> Web:
    web.answers[DISCOVERY_PATH] = discovery(web)
    web.answers["/jwks"] = answer(standard_key_set())
    return web


@pytest.fixture
def source(web: Web, shifted: ShiftedReactor) -> Iterator[KeySource]:
    made = KeySource(dataclasses.replace(ISSUER, url=web.url), shifted)
    yield made
    on_reactor(made.stop)


def kids(source: KeySource, kid: str = "e") -> set[str]:
    return set(on_reactor(lambda: Deferred.fromCoroutine(source.keys(kid))))


def refused(source: KeySource, kid: str = "e") -> str:
    with pytest.raises(IdentityRefused) as caught:
        kids(source, kid)
    return caught.value.code


def wait_for(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_keys_are_fetched_once_and_kept(issuer: Web, source: KeySource) -> None:
    assert kids(source) == kids(source, "r") == {"r", "e", "d"}
    assert issuer.requests == [DISCOVERY_PATH, "/jwks"]
    wait_for(lambda: issuer.open == 0)


def test_one_fetch_serves_everyone_who_waits(issuer: Web, source: KeySource) -> None:
    def all_at_once() -> Any:
        return gatherResults([Deferred.fromCoroutine(source.keys("e")) for _ in range(50)])

    assert len(on_reactor(all_at_once)) == 50
    assert issuer.requests == [DISCOVERY_PATH, "/jwks"]


def test_one_who_leaves_takes_nothing_from_the_others(issuer: Web, source: KeySource) -> None:
    def leave() -> Any:
        leaving, staying = (Deferred.fromCoroutine(source.keys("e")) for _ in range(2))
        leaving.addErrback(lambda _: None)
        leaving.cancel()
        return staying

    assert set(on_reactor(leave)) == {"r", "e", "d"}


def test_rotation_is_seen_by_the_unknown_kid(
    issuer: Web, source: KeySource, shifted: ShiftedReactor
) -> None:
    assert "new" not in kids(source)
    issuer.answers["/jwks"] = answer(key_set(jwk("p384", "new")))
    assert "new" not in kids(source, "new"), "asked again within the pause"
    assert len(issuer.requests) == 2
    shifted.offset += 11
    assert kids(source, "new") == {"new"}, "withdrawn keys are gone as well"
    for number in range(20):
        kids(source, f"made up {number}")
    assert len(issuer.requests) == 4


def test_a_withdrawn_key_is_gone_when_the_keys_are_old(
    issuer: Web, source: KeySource, shifted: ShiftedReactor
) -> None:
    kids(source)
    issuer.answers["/jwks"] = answer(key_set(jwk("p384", "new")))
    shifted.offset += 301
    assert kids(source) == {"new"}


def test_keys_are_refreshed_ahead_without_waiting(
    issuer: Web, source: KeySource, shifted: ShiftedReactor
) -> None:
    kids(source)
    issuer.answers["/jwks"] = answer(key_set(jwk("p256", "e")))
    shifted.offset += 250
    assert kids(source) == {"r", "e", "d"}, "the log-in that starts a refresh does not wait"
    wait_for(lambda: len(issuer.requests) == 4 and kids(source) == {"e"})


def test_old_keys_bridge_an_outage_but_not_for_ever(
    issuer: Web, source: KeySource, shifted: ShiftedReactor
) -> None:
    kids(source)
    issuer.answers[DISCOVERY_PATH] = answer(b"", status="503 Service Unavailable")
    shifted.offset += 3000
    assert kids(source) == {"r", "e", "d"}
    asked = len(issuer.requests)
    assert kids(source) == {"r", "e", "d"}
    assert len(issuer.requests) == asked, "asked again at once"
    shifted.offset += 601
    assert refused(source) == "identity.keys_unavailable"
    issuer.answers[DISCOVERY_PATH] = discovery(issuer)
    shifted.offset += 6
    assert kids(source) == {"r", "e", "d"}


def test_a_jwks_address_from_the_settings_needs_no_discovery(
    web: Web, shifted: ShiftedReactor
) -> None:
    web.answers["/other"] = answer(standard_key_set(), kind="application/jwk-set+json; x=y")
    settings = dataclasses.replace(ISSUER, jwks_url=web.url + "/other")
    assert "e" in kids(KeySource(settings, shifted))
    assert web.requests == ["/other"]


def test_an_issuer_with_a_path_has_its_own_discovery(web: Web, shifted: ShiftedReactor) -> None:
    url = web.url + "/realms/x"
    web.answers["/realms/x" + DISCOVERY_PATH] = discovery(web, issuer=url)
    web.answers["/jwks"] = answer(standard_key_set())
    assert "e" in kids(KeySource(dataclasses.replace(ISSUER, url=url), shifted))


# --- a bad issuer ------------------------------------------------------------------------------

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_CHUNK = b"x" * 65_536


def flood(transport: Any) -> None:
    """Ten megabytes, and more as long as somebody reads."""
    head = _HEAD + b"Content-Length: 10485760\r\n\r\n"
    transport.write(head + b'{"keys":[' + _CHUNK * 160)


def endless_header(transport: Any) -> None:
    transport.write(b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"a" * 1000 + b"\r\n")
    for _ in range(2000):
        transport.write(b"X-A: " + b"a" * 1000 + b"\r\n")


def chunks(transport: Any) -> None:
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    transport.write(head + (b"10000\r\n" + _CHUNK + b"\r\n") * 160)


def hang_up(transport: Any) -> None:
    transport.write(_HEAD + b"Content-Length: 99\r\n\r\n{")
    transport.loseConnection()


BAD_ANSWERS: dict[str, Any] = {
    "HTML": answer(b"<html>Log in</html>", kind="text/html"),
    "HTML that says it is JSON": answer(b"<html>"),
    "JSON that says it is HTML": answer(standard_key_set(), kind="text/html"),
    "two content types": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    b"Content-Type: text/html\r\nContent-Length: 2\r\n\r\n{}",
    "error with a good body": answer(standard_key_set(), status="500 Oops"),
    "created": answer(standard_key_set(), status="201 Created"),
    "ten megabytes": flood,
    "endless header": endless_header,
    "endless chunks": chunks,
    "cut short": hang_up,
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "no keys": answer(key_set()),
    "only weak keys": answer(key_set(jwk("rsa1024", "e"))),
    "only symmetric keys": answer(key_set({"kty": "oct", "k": "AAAA", "kid": "e"})),
    "duplicate members": answer(b'{"keys":[],"keys":[]}'),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_bad_key_set(
    name: str, issuer: Web, source: KeySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "FETCH_SECONDS", 300.0)
    issuer.answers["/jwks"] = BAD_ANSWERS[name]
    started = time.monotonic()
    assert refused(source) == "identity.keys_unavailable"
    assert time.monotonic() - started < 120, "refused by its deadline"
    wait_for(lambda: issuer.open == 0)


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_bad_key_set_keeps_the_good_one(
    name: str, issuer: Web, source: KeySource, shifted: ShiftedReactor
) -> None:
    kids(source)
    issuer.answers["/jwks"] = BAD_ANSWERS[name]
    shifted.offset += 400
    assert kids(source) == {"r", "e", "d"}


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"jwks_uri": None},
        {"jwks_uri": 7},
        {"jwks_uri": "http://198.51.100.1/jwks"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "ftp://127.0.0.1/"},
        {"jwks_uri": "//127.0.0.1/jwks"},
    ],
)
def test_bad_discovery(changed: dict[str, Any], issuer: Web, source: KeySource) -> None:
    issuer.answers[DISCOVERY_PATH] = discovery(issuer, **changed)
    assert refused(source) == "identity.keys_unavailable"
    assert issuer.requests == [DISCOVERY_PATH]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int, issuer: Web, source: KeySource) -> None:
    issuer.answers["/moved"] = answer(standard_key_set())
    issuer.answers["/jwks"] = (
        f"HTTP/1.1 {status} Moved\r\nLocation: {issuer.url}/moved\r\n"
        "Content-Type: application/json\r\nContent-Length: 0\r\n\r\n"
    ).encode()
    assert refused(source) == "identity.keys_unavailable"
    assert "/moved" not in issuer.requests


def drip(transport: Any) -> None:
    """A byte now and then, for ever: every pause is short."""
    transport.write(_HEAD + b"Content-Length: 9999\r\n\r\n")

    def more() -> None:
        if transport.connected:
            transport.write(b" ")
            transport.reactor.callLater(0.05, more)

    more()


@pytest.mark.parametrize("slow", [drip, lambda transport: None], ids=["drip", "silence"])
def test_a_slow_issuer_costs_its_deadline_and_no_more(
    slow: Any, issuer: Web, source: KeySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "FETCH_SECONDS", 0.3)
    issuer.answers["/jwks"] = slow
    started = time.monotonic()
    assert refused(source) == "identity.keys_unavailable"
    assert 0.25 < time.monotonic() - started < 60
    assert refused(source) == "identity.keys_unavailable"
    assert len(issuer.requests) == 2, "asked again within the pause"
    wait_for(lambda: issuer.open == 0)


def test_nobody_listens(web: Web, source: KeySource) -> None:
    web.close()
    assert refused(source) == "identity.keys_unavailable"


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example.org/x",
        "http://198.51.100.1/",
        "http://localhost.example.org/",
        "https://user:password@issuer.example.org/",
        "https:///x",
        "https://issuer.example.org:port/",
        "https://issuer.example.org/\r\nX: y",
        "https://issuer.example.org/ x",
        "https://ïssuer.example.org/",
        "ldap://127.0.0.1/",
        "",
    ],
)
def test_addresses_that_are_never_asked(url: str) -> None:
    with pytest.raises(FetchFailed):
        checked_url(url)


# --- TLS ---------------------------------------------------------------------------------------


def test_the_issuers_certificate_is_verified(
    certificates: Certificates, tmp_path: Path, shifted: ShiftedReactor
) -> None:
    clients = {"a": client("0123456789abcdef", scopes=["x"])}
    with TestIssuer(clients, {}, certificates) as issuer:
        good = dataclasses.replace(ISSUER, url=issuer.url, ca_file=certificates.ca)
        assert len(kids_of(good, shifted)) == 1
        other = Certificates(tmp_path / "other")
        for bad in (
            dataclasses.replace(good, ca_file=other.ca),
            dataclasses.replace(good, ca_file=None),
            dataclasses.replace(good, url=issuer.url.replace("https", "http")),
        ):
            with pytest.raises(IdentityRefused):
                kids_of(bad, shifted)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_the_certificates_name_is_verified(
    host: str, tmp_path: Path, shifted: ShiftedReactor
) -> None:
    authority = Certificates(tmp_path / "authority")
    names = (
        {"dns": [], "addresses": ["127.0.0.1"]}
        if host == "localhost"
        else {
            "dns": ["localhost"],
            "addresses": [],
        }
    )
    authority.server = authority.issue("wrong", **names)
    clients = {"a": client("0123456789abcdef", scopes=["x"])}
    with TestIssuer(clients, {}, authority) as issuer:
        wrong = issuer.url.replace("127.0.0.1", host)
        settings = dataclasses.replace(ISSUER, url=wrong, ca_file=authority.ca)
        with pytest.raises(IdentityRefused):
            kids_of(dataclasses.replace(settings, jwks_url=wrong + "/jwks"), shifted)
        right = issuer.url.replace("127.0.0.1", "localhost" if host == "127.0.0.1" else "127.0.0.1")
        assert kids_of(dataclasses.replace(settings, jwks_url=right + "/jwks"), shifted)


def kids_of(settings: Any, shifted: ShiftedReactor) -> set[str]:
    return kids(on_reactor(KeySource, settings, shifted))


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_an_unusable_ca_file_is_a_mistake_in_the_settings(
    content: bytes | None, tmp_path: Path, shifted: ShiftedReactor
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    private_key("p256")
    with pytest.raises(SettingsError, match=r"ca\.pem: ca_file"):
        KeySource(dataclasses.replace(ISSUER, ca_file=path), shifted)
