"""Access tokens: what is accepted, and every evil one with the code it is refused by (E1, E2)."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from identity_tokens import (
    ISSUER,
    NOW,
    URL,
    b64,
    claims,
    hmac_token,
    jwk,
    keys,
    private_key,
    public_pem,
    sign_raw,
    token,
)

from hoopgate.errors import IdentityRefused
from hoopgate.events import Principal
from hoopgate.identity.oidc import verify_token
from hoopgate.settings.model import Issuer


def verify(text: str, issuer: Issuer = ISSUER, now: float = NOW) -> Principal:
    return verify_token(text, issuer, keys(), now)


def code(text: str, issuer: Issuer = ISSUER, now: float = NOW) -> str:
    with pytest.raises(IdentityRefused) as refused:
        verify(text, issuer, now)
    for part in text.split("."):
        assert len(part) < 8 or part not in str(refused.value), "the message quotes the token"
    return refused.value.code


# --- what is accepted --------------------------------------------------------------------------


def test_principal_has_what_the_token_says() -> None:
    issuer = dataclasses.replace(ISSUER, owner_claim="owner")
    acting = {"sub": "agent-7", "act": {"sub": "orchestrator", "iss": URL}}
    principal = verify(token(claims(act=acting, owner="dr.smith", nbf=NOW)), issuer)
    assert principal == Principal(
        issuer=URL,
        subject="agent-7",
        scopes=frozenset({"pg:clinic", "pg:other"}),
        expires_at=float(NOW + 600),
        actors=("agent-7", "orchestrator"),
        owner="dr.smith",
        client_id="client-7",
        token_id="one",
    )
    assert principal.groups == frozenset()


@pytest.mark.parametrize(
    ("kind", "algorithm", "kid"),
    [("rsa2048", "RS256", "r"), ("p256", "ES256", "e"), ("ed25519", "EdDSA", "d")],
)
def test_pinned_algorithms_verify(kind: str, algorithm: str, kid: str) -> None:
    assert verify(token(kind=kind, algorithm=algorithm, kid=kid)).subject == "agent-7"


@pytest.mark.parametrize(
    "changed",
    [
        {"scope": ["pg:clinic", "pg:other"]},
        {"scope": "pg:clinic  pg:other "},
        {"aud": ["hoopgate"]},
        {"aud": ["other", "hoopgate"], "azp": "client-7"},
        {"iat": NOW + 30, "nbf": NOW + 30},
        {"exp": NOW + 1},
    ],
)
def test_unusual_but_good(changed: dict[str, Any]) -> None:
    assert verify(token(claims(**changed))).scopes == {"pg:clinic", "pg:other"}


@pytest.mark.parametrize("kind", ["at+jwt", "AT+JWT", "application/at+jwt"])
def test_type_is_compared_as_a_media_type(kind: str) -> None:
    assert verify(token(typ=kind)).subject == "agent-7"


def test_another_claim_names_the_subject_and_the_scopes() -> None:
    issuer = dataclasses.replace(ISSUER, subject_claim="upn", scope_claim="scp")
    principal = verify(token(claims(upn="a@example.org", scp="x", scope=None)), issuer)
    assert (principal.subject, principal.scopes) == ("a@example.org", {"x"})
    assert code(token(claims(sub=None, upn="a@example.org")), issuer) == "identity.claims"


def test_keys_offered_by_the_token_are_ignored() -> None:
    offered = {
        "jwk": jwk("p256", "e"),
        "jku": "https://evil.example/jwks",
        "x5u": "https://evil.example/chain",
        "x5c": ["AAAA"],
    }
    assert verify(token(**offered)).subject == "agent-7"
    private_key("p384")
    mine = token(kind="p384", algorithm="ES384", **{**offered, "jwk": jwk("p384", "e")})
    assert code(mine) == "identity.algorithm"


# --- what is refused ---------------------------------------------------------------------------

_HEADER = '{"alg":"ES256","typ":"at+jwt","kid":"e"}'
_DEEP = '{"a":' * 5000 + "1" + "}" * 5000

EVIL: dict[str, tuple[str, str]] = {
    # E1: form
    "empty": ("", "identity.malformed"),
    "words": ("correct horse battery staple", "identity.malformed"),
    "two parts": ("a.b", "identity.malformed"),
    "four parts": (token() + ".AAAA", "identity.malformed"),
    "JWE": ("a.b.c.d.e", "identity.encrypted"),
    "padding": (token() + "=", "identity.malformed"),
    "newline": (token() + "\n", "identity.malformed"),
    "not ASCII": (token() + "é", "identity.malformed"),
    "standard alphabet": (token().replace(".", "+.", 1), "identity.malformed"),
    "too long": ("a" * 65_537, "identity.size"),
    "header is no JSON": (sign_raw("{", json.dumps(claims())), "identity.malformed"),
    "header is a list": (sign_raw("[]", json.dumps(claims())), "identity.malformed"),
    "payload is no JSON": (sign_raw(_HEADER, "hello"), "identity.malformed"),
    "payload is a number": (sign_raw(_HEADER, "1"), "identity.malformed"),
    "payload is Latin-1": (sign_raw(_HEADER, b'{"sub":"\xe9"}'), "identity.malformed"),
    "payload is too deep": (sign_raw(_HEADER, _DEEP), "identity.malformed"),
    "NaN": (sign_raw(_HEADER, '{"exp":NaN}'), "identity.malformed"),
    "a number of 5000 digits": (
        sign_raw(_HEADER, '{"exp":' + "9" * 5000 + "}"),
        "identity.malformed",
    ),
    "duplicate header member": (
        sign_raw('{"alg":"ES256","alg":"none","typ":"at+jwt","kid":"e"}', json.dumps(claims())),
        "identity.malformed",
    ),
    "duplicate claim": (
        sign_raw(_HEADER, json.dumps(claims())[:-1] + ',"sub":"root"}'),
        "identity.malformed",
    ),
    "duplicate claim inside act": (
        sign_raw(_HEADER, json.dumps(claims())[:-1] + ',"act":{"sub":"a","sub":"b"}}'),
        "identity.malformed",
    ),
    # E1: algorithm and key
    "alg none": (
        f"{b64(json.dumps({'alg': 'none', 'typ': 'at+jwt', 'kid': 'e'}))}."
        f"{b64(json.dumps(claims()))}.AA",
        "identity.algorithm",
    ),
    "alg None": (token().replace(".", "."), ""),
    "alg missing": (token(alg=None), "identity.algorithm"),
    "alg is a list": (token(alg=["ES256"]), "identity.algorithm"),
    "alg in lower case": (token(alg="es256"), "identity.algorithm"),
    "HS256 with the public key": (hmac_token(public_pem("p256")), "identity.algorithm"),
    "HS256 with the JWK": (
        hmac_token(json.dumps(jwk("p256", "e")).encode()),
        "identity.algorithm",
    ),
    "another algorithm of the key's family": (
        token(kind="rsa2048", algorithm="PS256", kid="r"),
        "identity.algorithm",
    ),
    "RS256 with an EC key": (
        token(kind="rsa2048", algorithm="RS256", kid="e"),
        "identity.algorithm",
    ),
    "kid missing": (token(kid=None), "identity.key"),
    "kid empty": (token(kid=""), "identity.key"),
    "kid a number": (token(kid=1), "identity.key"),
    "kid a list": (token(kid=["e"]), "identity.key"),
    "kid a path": (token(kid="../../../dev/null"), "identity.key"),
    "kid SQL": (token(kid="e' UNION SELECT 'x"), "identity.key"),
    "kid unknown": (token(kid="other"), "identity.key"),
    "kid with a control character": (token(kid="e\n"), "identity.key"),
    "crit": (token(crit=["exp"]), "identity.header"),
    "crit empty": (token(crit=[]), "identity.header"),
    "b64": (token(b64=False), "identity.header"),
    "b64 and crit": (token(b64=False, crit=["b64"]), "identity.header"),
    "zip": (token(zip="DEF"), "identity.header"),
    # E2: kind of token
    "typ missing": (token(typ=None), "identity.type"),
    "typ JWT": (token(typ="JWT"), "identity.type"),
    "typ ID token": (token(typ="id+jwt"), "identity.type"),
    "typ logout": (token(typ="logout+jwt"), "identity.type"),
    "typ DPoP proof": (token(typ="dpop+jwt"), "identity.type"),
    "typ a list": (token(typ=["at+jwt"]), "identity.type"),
    "nonce of an ID token": (token(claims(nonce="n")), "identity.type"),
    "at_hash of an ID token": (token(claims(at_hash="n")), "identity.type"),
    "events of a logout token": (token(claims(events={})), "identity.type"),
    "typ claim of a refresh token": (token(claims(typ="Refresh")), "identity.type"),
    "token_use id": (token(claims(token_use="id")), "identity.type"),
    # E2: times
    "exp missing": (token(claims(exp=None)), "identity.claims"),
    "exp a string": (token(claims(exp=str(NOW + 600))), "identity.claims"),
    "exp a float": (token(claims(exp=NOW + 600.0)), "identity.claims"),
    "exp true": (token(claims(exp=True)), "identity.claims"),
    "exp 10^300": (token(claims(exp=10**300)), "identity.claims"),
    "exp 1e300": (
        sign_raw(_HEADER, json.dumps(claims(exp=0)).replace('"exp": 0', '"exp": 1e300')),
        "identity.claims",
    ),
    "exp negative": (token(claims(exp=-1)), "identity.claims"),
    "exp now": (token(claims(exp=NOW)), "identity.expired"),
    "exp past, within the leeway": (token(claims(exp=NOW - 5)), "identity.expired"),
    "iat missing": (token(claims(iat=None)), "identity.claims"),
    "iat a float": (token(claims(iat=NOW - 0.5)), "identity.claims"),
    "iat in the future": (token(claims(iat=NOW + 31)), "identity.not_yet"),
    "nbf in the future": (token(claims(nbf=NOW + 31)), "identity.not_yet"),
    "nbf a string": (token(claims(nbf="now")), "identity.claims"),
    "lives too long": (token(claims(iat=NOW - 1, exp=NOW + 3600)), "identity.lifetime"),
    "iat after exp": (token(claims(iat=NOW + 20, exp=NOW + 10)), "identity.lifetime"),
    # E2: names
    "iss missing": (token(claims(iss=None)), "identity.issuer"),
    "iss another": (token(claims(iss="https://evil.example")), "identity.issuer"),
    "iss with a slash": (token(claims(iss=URL + "/")), "identity.issuer"),
    "iss in capitals": (token(claims(iss=URL.upper())), "identity.issuer"),
    "iss a list": (token(claims(iss=[URL])), "identity.issuer"),
    "aud missing": (token(claims(aud=None)), "identity.claims"),
    "aud empty": (token(claims(aud=[])), "identity.audience"),
    "aud another": (token(claims(aud="console")), "identity.audience"),
    "aud a prefix": (token(claims(aud="hoopgate2")), "identity.audience"),
    "aud an object": (token(claims(aud={"hoopgate": 1})), "identity.claims"),
    "aud with a number": (token(claims(aud=["hoopgate", 1])), "identity.claims"),
    "aud of seventeen": (token(claims(aud=["hoopgate"] * 17)), "identity.claims"),
    "several aud without azp": (token(claims(aud=["hoopgate", "x"])), "identity.audience"),
    "several aud, azp of another": (
        token(claims(aud=["hoopgate", "x"], azp="evil")),
        "identity.audience",
    ),
    "sub missing": (token(claims(sub=None)), "identity.claims"),
    "sub empty": (token(claims(sub="")), "identity.claims"),
    "sub a number": (token(claims(sub=7)), "identity.claims"),
    "sub with NUL": (token(claims(sub="agent\0-7")), "identity.claims"),
    "sub with a newline": (token(claims(sub="agent\n7")), "identity.claims"),
    "sub half a surrogate": (
        sign_raw(_HEADER, json.dumps(claims()).replace("agent-7", "\\ud800")),
        "identity.claims",
    ),
    "sub too long": (token(claims(sub="a" * 257)), "identity.claims"),
    "jti a number": (token(claims(jti=1)), "identity.claims"),
    "client_id a list": (token(claims(client_id=["x"])), "identity.claims"),
    "scope a number": (token(claims(scope=1)), "identity.claims"),
    "scope of numbers": (token(claims(scope=[1])), "identity.claims"),
    "scope of lists": (token(claims(scope=[["pg:clinic"]])), "identity.claims"),
    # E4, E5
    "bound to a DPoP key": (token(claims(cnf={"jkt": "x"})), "identity.bound"),
    "bound to a certificate": (token(claims(cnf={"x5t#S256": "x"})), "identity.bound"),
    "bound to nothing": (token(claims(cnf={})), "identity.bound"),
    "act a string": (token(claims(act="root")), "identity.actor"),
    "act without sub": (token(claims(act={"iss": URL})), "identity.actor"),
    "act of null": (
        sign_raw(_HEADER, json.dumps(claims())[:-1] + ',"act":null}'),
        "identity.actor",
    ),
    "act of nine": (
        sign_raw(
            _HEADER,
            json.dumps(claims())[:-1] + "," + '"act":{"sub":"a",' * 9 + '"x":1' + "}" * 10,
        ),
        "identity.actor",
    ),
    # Signature
    "signed by another key": (token(kind="p256", kid="d"), "identity.algorithm"),
    "signature of another token": (
        token().rpartition(".")[0] + "." + token(claims(sub="root")).rpartition(".")[2],
        "identity.signature",
    ),
    "signature empty": (token().rpartition(".")[0] + ".", "identity.malformed"),
    "signature of zeros (CVE-2022-21449)": (
        token().rpartition(".")[0] + "." + b64(bytes(64)),
        "identity.signature",
    ),
    "signature in DER": (
        token().rpartition(".")[0] + "." + b64(b"\x30\x06\x02\x01\x01\x02\x01\x01"),
        "identity.signature",
    ),
}
del EVIL["alg None"]


@pytest.mark.parametrize("name", EVIL)
def test_evil_token(name: str) -> None:
    text, expected = EVIL[name]
    assert code(text) == expected


def test_leeway_is_a_minute_at_most() -> None:
    patient = dataclasses.replace(ISSUER, leeway=3600.0)
    assert code(token(claims(iat=NOW + 61)), patient) == "identity.not_yet"
    assert verify(token(claims(iat=NOW + 60)), patient)


def test_symmetric_algorithms_cannot_be_pinned() -> None:
    careless = dataclasses.replace(ISSUER, algorithms=("HS256", "none", "ES256"))
    assert code(hmac_token(public_pem("p256")), careless) == "identity.algorithm"


def test_owner_must_be_a_name() -> None:
    issuer = dataclasses.replace(ISSUER, owner_claim="owner")
    assert code(token(claims(owner=["dr.smith"])), issuer) == "identity.claims"
    assert verify(token(), issuer).owner == ""


def test_type_policy_is_the_issuers() -> None:
    old = dataclasses.replace(ISSUER, types=("jwt", ""))
    assert verify(token(typ="JWT"), old)
    assert verify(token(typ=None), old)
    assert code(token(claims(typ="ID"), typ="JWT"), old) == "identity.type"


# --- properties --------------------------------------------------------------------------------

_GOOD = {
    "ES256": token(),
    "RS256": token(kind="rsa2048", algorithm="RS256", kid="r"),
    "EdDSA": token(kind="ed25519", algorithm="EdDSA", kid="d"),
}
_JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(st.sampled_from(sorted(_GOOD)), st.data())
def test_any_changed_character_is_refused(algorithm: str, data: st.DataObject) -> None:
    good = _GOOD[algorithm]
    position = data.draw(st.integers(0, len(good) - 1))
    character = data.draw(st.characters())
    changed = good[:position] + character + good[position + 1 :]
    if changed != good:
        code(changed)


@given(st.sampled_from(sorted(_GOOD)), st.data())
def test_any_cut_or_insertion_is_refused(algorithm: str, data: st.DataObject) -> None:
    good = _GOOD[algorithm]
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(len(good), start + 40)))
    changed = good[:start] + data.draw(st.text("aZ09-_.=", max_size=8)) + good[end:]
    if changed != good:
        code(changed)


@given(st.sampled_from([*sorted(claims()), "nbf", "azp", "act", "cnf", "typ"]), _JSON)
def test_any_value_in_a_claim_is_taken_or_refused(claim: str, value: Any) -> None:
    try:
        principal = verify(token({**claims(), claim: value}))
    except IdentityRefused:
        return
    assert principal.subject == (value if claim == "sub" else "agent-7")
    assert NOW < principal.expires_at <= NOW + 3600
    assert all(isinstance(scope, str) for scope in principal.scopes)


@given(st.sampled_from(["alg", "typ", "kid", "crit", "jwk", "b64", "x"]), _JSON)
def test_any_value_in_the_header_is_taken_or_refused(member: str, value: Any) -> None:
    try:
        principal = verify(token(**{member: value}))
    except IdentityRefused:
        return
    assert principal.subject == "agent-7"


@given(st.dictionaries(st.text(max_size=10), _JSON), st.dictionaries(st.text(max_size=10), _JSON))
def test_any_signed_json_is_refused(header: dict[str, Any], payload: dict[str, Any]) -> None:
    code(sign_raw(json.dumps(header), json.dumps(payload)))
    code(sign_raw(_HEADER, json.dumps(payload)))


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_signed_bytes_are_refused(header: bytes, payload: bytes) -> None:
    code(sign_raw(header, payload))
    code(sign_raw(_HEADER, payload))


@given(st.text(max_size=300))
def test_any_text_is_refused(text: str) -> None:
    code(text)
