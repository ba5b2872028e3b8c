"""The embedded issuer over real sockets: who gets a token, for what, and who does not."""

from __future__ import annotations

import base64
import json
import secrets
import socket
import stat
import sys
import threading
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st
from identity_issuer import ASSERTION_TYPE, HASH, SECRET, Running, agent, basic, by_post, config
from identity_tokens import private_key, public_pem
from testbed.certificates import Certificates, write_private
from testbed.issuer import TestIssuer, client
from testbed.reactor import on_reactor, reactor
from twisted.internet.defer import Deferred

from hoopgate.cli import issuer as issuer_command
from hoopgate.errors import HoopgateError, IdentityRefused, SettingsError
from hoopgate.identity.client_secrets import hash_secret, is_hash, matches, new_secret
from hoopgate.identity.issuer import MAXIMUM_BODY, EmbeddedIssuer
from hoopgate.identity.issuer_keys import MAXIMUM_LIFETIME, SigningKeys
from hoopgate.identity.issuer_settings import load_issuer_settings
from hoopgate.identity.jose import parse_key_set
from hoopgate.identity.oidc import verify_token
from hoopgate.settings.model import Issuer


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    for kind in ("p256", "ed25519", "rsa2048"):
        (tmp_path / f"{kind}.pem").write_bytes(public_pem(kind))
    clients = {
        "agent": agent(),
        "signer": agent(secret_hash=None, public_keys=["p256.pem", "ed25519.pem", "rsa2048.pem"]),
        "reviewer": agent(subject="dr.jones", scopes=["approve"], lifetime=60, claims={}),
    }
    started = Running(config(tmp_path, clients))
    yield started
    on_reactor(started.issuer.stop)


# --- tokens ------------------------------------------------------------------------------------


def test_claims(running: Running) -> None:
    claims = running.claims(running.post({}, basic()))
    times = {claims.pop("iat"), claims.pop("exp"), claims.pop("jti")}
    assert len(times) == 3
    assert claims == {
        "iss": running.url,
        "sub": "agent",
        "aud": "hoopgate",
        "client_id": "agent",
        "scope": "pg:clinic pg:other",
        "owner": "dr.smith",
        "act": {"sub": "orchestrator"},
    }


def test_a_person_is_a_client_with_a_subject(running: Running) -> None:
    claims = running.claims(running.post(by_post("reviewer")))
    assert (claims["sub"], claims["scope"]) == ("dr.jones", "approve")
    assert claims["exp"] - claims["iat"] == 60


def test_the_gateway_accepts_what_is_issued(running: Running) -> None:
    accepting = Issuer("own", running.url, ("hoopgate",), owner_claim="owner")
    keys = parse_key_set(json.dumps(running.request("/jwks")[1]).encode(), ["ES256"])
    for resources in (["hoopgate"], ["https://console.example.org", "hoopgate"]):
        _, document, _ = running.post({"resource": resources}, basic())
        principal = verify_token(document["access_token"], accepting, keys, time.time())
        assert principal.subject == principal.client_id == "agent"
        assert (principal.owner, principal.actors) == ("dr.smith", ("orchestrator",))
        assert principal.scopes == {"pg:clinic", "pg:other"}
    other = running.post({"resource": "https://console.example.org"}, basic())[1]["access_token"]
    with pytest.raises(IdentityRefused) as refused:
        verify_token(other, accepting, keys, time.time())
    assert refused.value.code == "identity.audience"


def test_every_token_has_its_own_id(running: Running) -> None:
    assert len({running.claims(running.post({}, basic()))["jti"] for _ in range(3)}) == 3


def test_scopes_can_be_narrowed_but_not_widened(running: Running) -> None:
    assert running.claims(running.post({"scope": "pg:other"}, basic()))["scope"] == "pg:other"
    for scope in ("approve", "pg:clinic approve", "pg:clinic\tapprove"):
        assert running.post({"scope": scope}, basic())[:2] == (
            400,
            {
                "error": "invalid_scope",
                "error_description": "the client may not ask for this scope",
            },
        )


def test_resources_are_the_clients(running: Running) -> None:
    for resource in ("https://evil.example", "hoopgate2", ""):
        status, document, _ = running.post({"resource": resource}, basic())
        assert (status, document["error"]) == (400, "invalid_target")


def test_metadata(running: Running) -> None:
    status, document, headers = running.request("/.well-known/openid-configuration")
    assert status == 200
    assert headers["Content-Type"] == "application/json"
    assert document["issuer"] == running.url
    assert document["token_endpoint"] == running.url + "/token"
    assert document["jwks_uri"] == running.url + "/jwks"
    assert document == running.request("/.well-known/oauth-authorization-server")[1]
    status, document, headers = running.request("/jwks", method="HEAD")
    assert (status, document) == (200, {})
    for key in running.request("/jwks")[1]["keys"]:
        assert set(key) == {"kty", "crv", "x", "y", "kid", "alg", "use"}


# --- who is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "authorization", "status", "error"),
    [
        ({}, None, 401, "invalid_client"),
        ({}, basic(secret="wrong"), 401, "invalid_client"),
        ({}, basic(secret=""), 401, "invalid_client"),
        ({}, basic("nobody"), 401, "invalid_client"),
        ({}, basic("signer"), 401, "invalid_client"),
        ({}, basic("Agent"), 401, "invalid_client"),
        ({}, "Basic", 401, "invalid_client"),
        ({}, "Basic !!!!", 401, "invalid_client"),
        ({}, "Basic " + base64.b64encode(b"agent").decode(), 401, "invalid_client"),
        ({}, "Basic " + base64.b64encode(b"\xff:\xff").decode(), 401, "invalid_client"),
        ({}, "Bearer x", 401, "invalid_client"),
        ({}, basic(secret="x" * 2000), 401, "invalid_client"),
        (by_post(secret="wrong"), None, 401, "invalid_client"),
        (by_post(client_id=""), None, 401, "invalid_client"),
        ({"client_secret": SECRET}, None, 401, "invalid_client"),
        ({"client_id": "agent"}, None, 401, "invalid_client"),
        (by_post(), basic(), 400, "invalid_request"),
        ({"client_id": "reviewer"}, basic(), 401, "invalid_client"),
        ({"client_id": ["agent", "agent"]}, basic(), 400, "invalid_request"),
        ({"grant_type": "password"}, basic(), 400, "unsupported_grant_type"),
        ({"grant_type": "refresh_token"}, basic(), 400, "unsupported_grant_type"),
        ({"resource": ["hoopgate"] * 17}, basic(), 400, "invalid_request"),
        ({f"field{number}": "x" for number in range(40)}, basic(), 400, "invalid_request"),
        ({"client_assertion": "x"}, None, 400, "invalid_request"),
        ({"client_assertion_type": ASSERTION_TYPE}, None, 401, "invalid_client"),
    ],
)
def test_refusal(
    fields: Any, authorization: str | None, status: int, error: str, running: Running
) -> None:
    found, document, headers = running.post(fields, authorization)
    assert (found, document["error"]) == (status, error)
    assert set(document) == {"error", "error_description"}
    assert headers["Cache-Control"] == "no-store"
    assert (headers["WWW-Authenticate"] is not None) == (status == 401)


def test_form_of_the_request(running: Running) -> None:
    good = urlencode({"grant_type": "client_credentials", **by_post()})
    form = {"Content_Type": "application/x-www-form-urlencoded"}

    def status(path: str, body: Any = good, method: str | None = None, **headers: str) -> int:
        return running.request(path, body, method, **(headers or form))[0]

    assert status("/token") == 200
    assert status("/token", Content_Type="application/x-www-form-urlencoded; charset=UTF-8") == 200
    assert status("/token?x=y") == 400
    assert status("/token?" + good, b"") == 400
    assert status("/token", Content_Type="application/json") == 415
    assert status("/token", b"\xff\xfe=1") == 400
    assert status("/token", b"%ff=1") == 400
    assert status("/token", b"a;b&&c") == 400
    assert status("/token", b"") == 401
    assert status("/token", None, "GET") == 405
    assert status("/token", good, "PUT") == 405
    assert status("/jwks", good) == 405
    for path in ("/", "/Token", "/token/", "//token", "/jwks/..", "/issuer-keys.json"):
        assert status(path) == 404


def test_an_oversized_body_is_cut_off(running: Running) -> None:
    for head in (
        f"Content-Length: {MAXIMUM_BODY + 1}\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n" + f"{MAXIMUM_BODY + 1:x}\r\n",
    ):
        with socket.create_connection(("127.0.0.1", running.port), 5) as raw:
            raw.sendall(b"POST /token HTTP/1.1\r\nHost: x\r\n" + head.encode())
            try:
                for _ in range(100):
                    raw.sendall(b"x" * 1024)
                assert raw.recv(1000) in (b"", b"HTTP/1.1 400 Bad Request\r\n\r\n")
            except (ConnectionResetError, BrokenPipeError):
                pass
    assert running.request("/jwks")[0] == 200


def test_guessing_is_slowed_down(running: Running) -> None:
    for _ in range(5):
        assert running.post(by_post(secret="wrong"))[0] == 401
    status, document, headers = running.post(by_post())
    assert (status, document["error"]) == (429, "slow_down")
    assert 0 < int(headers["Retry-After"]) <= 61
    assert running.post(by_post("reviewer"))[0] == 200, "another client is not locked out"
    running.clock.offset += 61
    assert running.post(by_post())[0] == 200


def test_guesses_at_the_same_time_count(running: Running) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: running.post(by_post(secret="wrong"))[0], range(20)))
    assert sorted(answers) == [401] * 5 + [429] * 15


def test_guessing_many_clients_is_slowed_down(running: Running) -> None:
    for number in range(5):
        assert running.post(by_post(f"client{number}"))[0] == 401
    assert running.post(by_post("client6"))[0] == 429, "names that do not exist count together"
    assert running.post(by_post())[0] == 200


def test_success_costs_nothing(running: Running) -> None:
    for _ in range(10):
        assert running.post(by_post())[0] == 200


def test_the_reactor_stays_free_while_secrets_are_hashed(running: Running) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(running.post, by_post()) for _ in range(5)]
        slowest = 0.0
        while not all(answer.done() for answer in answers):
            started = time.monotonic()
            on_reactor(lambda: None)
            slowest = max(slowest, time.monotonic() - started)
    assert [answer.result()[0] for answer in answers] == [200] * 5
    assert slowest < 0.2


# --- private_key_jwt ---------------------------------------------------------------------------


def assertion(url: str, *, kind: str = "p256", algorithm: str = "ES256", **changed: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": "signer",
        "sub": "signer",
        "aud": url,
        "iat": now,
        "exp": now + 60,
        "jti": secrets.token_urlsafe(8),
        **changed,
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, private_key(kind), algorithm=algorithm)


def by_assertion(text: str, **more: str) -> dict[str, str]:
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": text, **more}


@pytest.mark.parametrize(
    ("kind", "algorithm"), [("p256", "ES256"), ("ed25519", "EdDSA"), ("rsa2048", "RS256")]
)
def test_assertions_prove_a_key(kind: str, algorithm: str, running: Running) -> None:
    for audience in (running.url, running.url + "/token", [running.url]):
        text = assertion(running.url, kind=kind, algorithm=algorithm, aud=audience)
        claims = running.claims(running.post(by_assertion(text, client_id="signer")))
        assert claims["sub"] == "signer"


def test_an_assertion_is_good_once(running: Running) -> None:
    text = assertion(running.url)
    assert running.post(by_assertion(text))[0] == 200
    assert running.post(by_assertion(text))[1]["error"] == "invalid_client"


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "agent"},
        {"sub": "agent"},
        {"iss": "agent", "sub": "agent"},
        {"sub": ["signer"]},
        {"aud": "https://evil.example"},
        {"aud": None},
        {"aud": []},
        {"aud": ["https://evil.example", "HERE"]},
        {"exp": None},
        {"exp": 1},
        {"exp": int(time.time()) + 3600},
        {"exp": float(int(time.time()) + 60)},
        {"jti": None},
        {"jti": 7},
        {"nbf": int(time.time()) + 3600},
        {"iat": int(time.time()) + 3600},
        {"kind": "p384", "algorithm": "ES384"},
    ],
)
def test_bad_assertions(changed: dict[str, Any], running: Running) -> None:
    if isinstance(changed.get("aud"), list):
        changed = {"aud": [running.url if one == "HERE" else one for one in changed["aud"]]}
    status, document, _ = running.post(by_assertion(assertion(running.url, **changed)))
    assert (status, document["error"]) == (401, "invalid_client")


def test_forged_assertions(running: Running) -> None:
    good = assertion(running.url)
    head, payload, signature = good.split(".")
    forged = jwt.encode(
        jwt.decode(good, options={"verify_signature": False}),
        public_pem("p256").replace(b"-----", b"====="),
        algorithm="HS256",
    )
    for text in (
        f"{head}.{payload}.{signature[:-4]}AAAA",
        forged,
        "x",
        "",
        "a.b.c.d.e",
    ):
        assert running.post(by_assertion(text))[0] == 401
    fields = by_assertion(good, client_id="agent")
    assert running.post(fields)[0] in (401, 429)
    running.clock.offset += 0
    fields = {**by_assertion(good), "client_assertion_type": "x"}
    assert running.post(fields)[1]["error"] == "invalid_request"


# --- keys --------------------------------------------------------------------------------------


def test_key_file_is_private_and_lasts(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    first = SigningKeys(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SigningKeys(path).kid == first.kid
    path.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        SigningKeys(path)


def test_rotation_keeps_the_old_key_for_the_tokens_it_signed(
    running: Running, tmp_path: Path
) -> None:
    def kid() -> str:
        text = running.post(by_post())[1]["access_token"]
        return str(jwt.get_unverified_header(text)["kid"])

    def published() -> set[str]:
        return {key["kid"] for key in running.request("/jwks")[1]["keys"]}

    old = kid()
    new = SigningKeys(tmp_path / "issuer-keys.json").rotate(time.time())
    assert kid() == new != old
    assert published() == {old, new}
    running.clock.offset += MAXIMUM_LIFETIME + 61
    assert published() == {new}
    newest = SigningKeys(tmp_path / "issuer-keys.json").rotate(running.clock())
    assert published() == {new, newest}
    assert len(json.loads((tmp_path / "issuer-keys.json").read_text())["keys"]) == 2


def test_rotations_at_once_lose_no_key(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: SigningKeys(path).rotate(time.time()), range(8)))
    kids = {key["kid"] for key in json.loads(path.read_text())["keys"]}
    assert kids >= set(made)
    assert len(kids) == 9


@pytest.mark.parametrize(
    "content",
    ["", "{}", '{"keys":[]}', '{"keys":[{}]}', '{"keys":[1]}', "KEY WITHOUT d", "RETIRED"],
)
def test_a_broken_key_file_stops_the_issuer(content: str, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    SigningKeys(path)
    if content in ("KEY WITHOUT d", "RETIRED"):
        key = json.loads(path.read_text())["keys"][0]
        changed = {**key, "retired": 1} if content == "RETIRED" else {**key, "d": "AA"}
        content = json.dumps({"keys": [changed]})
    path.write_text(content)
    with pytest.raises(SettingsError, match=r"keys\.json: key_file"):
        SigningKeys(path)


# --- settings ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"issuer": None}, "issuer: "),
        ({"issuer": "http://issuer.example.org"}, "issuer: http is for loopback"),
        ({"issuer": "https://issuer.example.org"}, "certificate: write certificate and key"),
        ({"issuer": "ftp://127.0.0.1"}, "issuer: write https"),
        ({"issuer": "http://127.0.0.1:0/?x"}, "issuer: write a URL without"),
        ({"issuer": "http://127.0.0.1:x"}, "issuer: not a URL"),
        ({"certificate": "x"}, "certificate: write certificate and key"),
        ({"lifetime": 901}, "lifetime: write seconds from 1 to 900"),
        ({"lifetime": "900"}, "lifetime: write seconds"),
        ({"clients": {}}, "clients: no client"),
        ({"clients": {"a": 1}}, "clients.a: write a table"),
        ({"clients": {"a": agent(secret_hash="x")}}, "clients.a.secret_hash: write what"),
        ({"clients": {"a": agent(secret_hash=None)}}, "clients.a.secret_hash: no way to log in"),
        ({"clients": {"a": agent(resources=[])}}, "clients.a.resources: no audience"),
        ({"clients": {"a": agent(resources="x")}}, "clients.a.resources: not a list"),
        ({"clients": {"a": agent(scopes=["x y"])}}, "clients.a.scopes: a scope holds a space"),
        ({"clients": {"a": agent(public_keys=["no.pem"])}}, "clients.a.public_keys: "),
        ({"clients": {"a": agent(claims={"iss": "x"})}}, "clients.a.claims.iss: the issuer"),
        ({"clients": {"a": agent(claims={"exp": 1})}}, "clients.a.claims.exp: the issuer"),
        ({"clients": {"a": agent(claims={"act": "x"})}}, "clients.a.claims.act: write act"),
        ({"clients": {"a": agent(secret="x")}}, "clients.a.secret: unknown key"),
        ({"unknown": 1}, "unknown: unknown key; known are"),
    ],
)
def test_mistakes_in_the_settings(changed: Any, problem: str, tmp_path: Path) -> None:
    clients = changed.get("clients", {"a": agent()})
    path = config(tmp_path, **{**changed, "clients": clients})
    with pytest.raises(SettingsError) as wrong:
        load_issuer_settings(path)
    assert any(f"issuer.toml: {problem}" in line for line in wrong.value.problems)
    assert SECRET not in str(wrong.value)


def test_weak_client_keys_are_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "weak.pem").write_bytes(public_pem("rsa1024"))
    path = config(tmp_path, {"a": agent(public_keys=["weak.pem"])})
    with pytest.raises(SettingsError, match=r"weak\.pem: write an EC P-256"):
        load_issuer_settings(path)


def test_http_listens_on_loopback_only(tmp_path: Path) -> None:
    path = config(tmp_path, {"a": agent()}, listen="tcp:0")
    issuer = on_reactor(EmbeddedIssuer, load_issuer_settings(path), reactor)
    with pytest.raises(SettingsError, match="listen: http is for loopback only"):
        on_reactor(lambda: Deferred.fromCoroutine(issuer.start()))
    assert issuer._port.disconnected


@pytest.mark.parametrize("listen", ["nonsense", "tcp:port", "tcp:0:interface=198.51.100.1"])
def test_an_unusable_endpoint_is_a_mistake(listen: str, tmp_path: Path) -> None:
    path = config(tmp_path, {"a": agent()}, listen=listen)
    issuer = on_reactor(EmbeddedIssuer, load_issuer_settings(path), reactor)
    with pytest.raises(SettingsError, match="listen: "):
        on_reactor(lambda: Deferred.fromCoroutine(issuer.start()))


def test_an_unusable_certificate_is_a_mistake(certificates: Certificates, tmp_path: Path) -> None:
    other = certificates.issue("other")
    path = config(
        tmp_path,
        {"a": agent()},
        issuer="https://127.0.0.1:0",
        certificate=str(certificates.server.certificate),
        key=str(other.key),
    )
    with pytest.raises(SettingsError, match="certificate, key: cannot be used"):
        EmbeddedIssuer(load_issuer_settings(path), reactor)


# --- secrets of clients ------------------------------------------------------------------------


def test_hashes_tell_secrets_apart() -> None:
    assert matches(SECRET, HASH)
    assert not matches(SECRET + " ", HASH)
    assert not matches("", HASH)
    assert SECRET not in HASH
    assert hash_secret(SECRET) != HASH
    assert len(new_secret()) == 43


@settings(max_examples=200)
@given(st.integers(0, len(HASH)), st.text("scrypt:=,lnrp019AZ", max_size=4))
def test_a_hash_that_would_be_weak_or_ruinous_is_none(position: int, inserted: str) -> None:
    changed = HASH[:position] + inserted + HASH[position + len(inserted) :]
    if is_hash(changed):
        assert changed.split(":")[1] in {
            f"ln={n},r=8,p={p}" for n in (14, 15, 16, 17) for p in (1, 2, 3, 4)
        }


# --- the commands ------------------------------------------------------------------------------


def run_issuer(*arguments: str) -> int:
    parser = ArgumentParser()
    issuer_command.add(parser.add_subparsers())
    options = parser.parse_args(["issuer", *arguments])
    status: int = options.run(options)
    return status


def test_hash_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Input:
        def __init__(self, text: str, terminal: bool) -> None:
            self.readline, self.isatty = (lambda: text), (lambda: terminal)

    monkeypatch.setattr(sys, "stdin", Input("0123456789abcdef\n", False))
    assert run_issuer("hash") == 0
    assert matches("0123456789abcdef", capsys.readouterr().out.strip())
    monkeypatch.setattr(sys, "stdin", Input("short\n", False))
    with pytest.raises(HoopgateError, match="16 characters"):
        run_issuer("hash")
    monkeypatch.setattr(sys, "stdin", Input("", True))
    assert run_issuer("hash") == 0
    made = dict(line.split(" = ") for line in capsys.readouterr().out.splitlines())
    stored = {name.strip(): value for name, value in made.items()}
    assert matches(stored["secret"], stored["secret_hash"])


@pytest.mark.parametrize("encrypted", [False, True], ids=["http", "https"])
def test_as_users_run_it(
    encrypted: bool, certificates: Certificates, tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "p256.pem").write_bytes(public_pem("p256"))
    write_private(
        tmp_path / "p256.key",
        private_key("p256").private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
    clients = {
        "agent": client(SECRET, scopes=["pg:clinic"], resources=["hoopgate", "other"]),
        "signer": client(scopes=["x"], public_keys=["p256.pem"]),
    }
    issuer = TestIssuer(
        clients, {"agent": SECRET}, certificates if encrypted else None, directory=tmp_path
    )
    with issuer:
        text = issuer.token("agent", scopes=["pg:clinic"], resources=["other"])
        claims = jwt.decode(text, options={"verify_signature": False})
        assert (claims["aud"], claims["scope"]) == ("other", "pg:clinic")
        trust = ["--ca-file", str(issuer.ca_file)] if encrypted else []
        signer = ["--issuer", issuer.url, "--client-id", "signer", *trust]
        key = ["--private-key", str(tmp_path / "p256.key")]
        output = tmp_path / "token"
        assert issuer.run_command(*signer, *key, "--output", str(output)) == ""
        assert stat.S_IMODE(output.stat().st_mode) == 0o600
        assert output.read_text().count(".") == 2
        with pytest.raises(HoopgateError, match="invalid_scope"):
            issuer.token("agent", scopes=["root"])
        write_private(tmp_path / "wrong.secret", b"0123456789abcdef")
        wrong = ["--issuer", issuer.url, "--client-id", "agent", *trust, "--client-secret-file"]
        with pytest.raises(HoopgateError, match="invalid_client"):
            issuer.run_command(*wrong, str(tmp_path / "wrong.secret"))
        (tmp_path / "wrong.secret").chmod(0o644)
        with pytest.raises(HoopgateError, match="chmod 600"):
            issuer.run_command(*wrong, str(tmp_path / "wrong.secret"))
        if encrypted:
            with pytest.raises(HoopgateError, match="its certificate is not trusted"):
                issuer.run_command(*signer[:4], *key)
        assert run_issuer("rotate", "--config", str(issuer.config)) == 0
        kid = capsys.readouterr().out.strip()
        assert jwt.get_unverified_header(issuer.token("agent"))["kid"] == kid
        log = issuer.log_text()
    assert "issued to agent at 127.0.0.1" in log
    assert "Traceback" not in log
    assert SECRET not in log
    assert text.split(".")[2] not in log


def test_idle_connections_end(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    running.issuer._site.timeOut = 0.2
    with socket.create_connection(("127.0.0.1", running.port), 5) as raw:
        assert raw.recv(1) == b""


def test_a_client_that_leaves_leaves_no_error(running: Running) -> None:
    head = "POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    body = urlencode({"grant_type": "client_credentials", **by_post()})
    with socket.create_connection(("127.0.0.1", running.port), 5) as raw:
        raw.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    assert running.post(by_post())[0] == 200
    assert threading.active_count() < 100
