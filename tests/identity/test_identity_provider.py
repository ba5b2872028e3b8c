"""Issuers of others: npm's oidc-provider, opaque tokens, workload tokens of platforms."""

from __future__ import annotations

import dataclasses
import http.server
import json
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from identity_tokens import jwk, key_set, token
from testbed.certificates import Certificates, write_private
from testbed.console import browsing
from testbed.node import HOOPGATE
from testbed.oidcprovider import RESOURCE, OIDCProvider, program, public
from testbed.reactor import on_reactor, reactor

from hoopgate.cli import oauth
from hoopgate.cli.token import by_client
from hoopgate.errors import IdentityRefused
from hoopgate.events import Principal
from hoopgate.identity.verifier import IdentityVerifier, make_verifier
from hoopgate.settings.model import (
    FileDirectory,
    Introspection,
    Issuer,
    Node,
    Policy,
    Recording,
    Resource,
    Secret,
    Settings,
)

CLINIC = Resource("clinic", "postgres", "tcp:db:5432", "db", "clinic", "pg:clinic", "app")
SECRET = "the-secret-of-a-client-of-the-provider"
POD = "system:serviceaccount:agents:triage"
JOB = "repo:clinic/agents:ref:refs/heads/main"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


def settings_of(*issuers: Issuer) -> Settings:
    nowhere = Path("/nowhere")
    return Settings(
        path=nowhere,
        node=Node("gw", nowhere),
        listeners=(),
        issuers=issuers,
        directory=FileDirectory({"agents": frozenset({"agent", "opaque-agent", POD, JOB})}),
        resources={"clinic": CLINIC},
        policy=Policy((), (), (), ""),
        recording=Recording(nowhere, "gw"),
    )


@contextmanager
def verifying(*issuers: Issuer) -> Iterator[IdentityVerifier]:
    verifier = on_reactor(make_verifier, settings_of(*issuers), reactor)
    try:
        yield verifier
    finally:
        on_reactor(verifier.stop)


def verify(verifier: IdentityVerifier, text: str) -> Principal:
    found: Principal = on_reactor(verifier.verify, text, CLINIC)
    return found


def code(verifier: IdentityVerifier, text: str) -> str:
    with pytest.raises(IdentityRefused) as refused:
        verify(verifier, text)
    return refused.value.code


# --- npm's oidc-provider -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def provider(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OIDCProvider]:
    clients = [
        program("agent", SECRET),
        program("opaque-agent", SECRET),
        program("gateway", SECRET),
        public("cli", [DEVICE, "refresh_token"]),
    ]
    directory = tmp_path_factory.mktemp("provider")
    with OIDCProvider(
        directory, certificates, clients, scopes=["pg:clinic", "pg:other"]
    ) as running:
        yield running


@pytest.fixture
def issuer(provider: OIDCProvider, tmp_path: Path) -> Issuer:
    secret = tmp_path / "introspection.secret"
    write_private(secret, SECRET.encode())
    return Issuer(
        name="provider",
        url=provider.url,
        audiences=(RESOURCE,),
        ca_file=provider.certificates.ca,
        introspection=Introspection("gateway", Secret(file=secret)),
    )


def client_token(provider: OIDCProvider, who: str, directory: Path, *scopes: str) -> str:
    secret = directory / f"{who}.client"
    if not secret.exists():
        write_private(secret, SECRET.encode())
    answer = by_client(
        provider.url,
        who,
        secret_file=secret,
        private_key=None,
        resources=[RESOURCE],
        scopes=scopes or ["pg:clinic"],
        ca_file=provider.certificates.ca,
    )
    return str(answer["access_token"])


def test_client_credentials(provider: OIDCProvider, issuer: Issuer, tmp_path: Path) -> None:
    text = client_token(provider, "agent", tmp_path)
    with verifying(issuer) as verifier:
        found = verify(verifier, text)
        assert (found.subject, found.client_id, found.issuer) == ("agent", "agent", provider.url)
        assert (found.scopes, found.groups) == ({"pg:clinic"}, {"agents"})
        assert code(verifier, client_token(provider, "agent", tmp_path, "pg:other")) == (
            "scope.missing"
        )
        assert code(verifier, text[:-4] + "AAAA") == "identity.signature"


def test_a_person_by_the_device_flow(
    provider: OIDCProvider, issuer: Issuer, tmp_path: Path
) -> None:
    """``hoopgate login``; the person is in a real browser at the provider's own pages."""
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    process = subprocess.Popen(
        [
            *(HOOPGATE, "login", "--issuer", provider.url, "--client-id", "cli"),
            *("--ca-file", provider.certificates.ca, "--scope", "openid"),
            *("--scope", "offline_access", "--scope", "pg:clinic", "--resource", RESOURCE),
        ],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    told = ""
    while "or open " not in told:
        line = process.stderr.readline()
        assert line, told
        told += line
    whole = told.partition("or open ")[2].split()[0]
    with browsing() as browser:
        page = browser.new_context(ignore_https_errors=True).new_page()
        page.set_default_timeout(60_000)
        page.goto(whole)
        page.get_by_role("button", name="Continue").click()
        page.get_by_placeholder("Enter any login").fill("agent")
        page.get_by_placeholder("and password").fill("any")
        page.get_by_role("button", name="Sign-in").click()
        page.get_by_role("button", name="Continue").click()
        page.get_by_text("Success").first.wait_for()
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, f"logged in as agent at {provider.url}\n"), error
    state = tmp_path / ".local" / "state" / "hoopgate"
    kept = json.loads((state / (state / "current").read_text().strip()).read_text())
    assert kept["refresh"]
    with verifying(issuer) as verifier:
        assert verify(verifier, kept["token"]).subject == "agent"


def test_keys_are_rotated(provider: OIDCProvider, issuer: Issuer, tmp_path: Path) -> None:
    """New tokens are good at once, whoever is logged in stays so, old tokens are worth nothing."""
    quick = dataclasses.replace(issuer)
    before = client_token(provider, "agent", tmp_path)
    with verifying(quick) as verifier:
        session = verify(verifier, before)
        provider.rotate()
        # An unknown key asks at once where the last question is ten seconds old
        verifier._keys[provider.url]._tried_at -= 11  # type: ignore[attr-defined]
        assert verify(verifier, client_token(provider, "agent", tmp_path)).subject == "agent"
        assert code(verifier, before) == "identity.key"
        again: Principal = on_reactor(verifier.recheck, session, CLINIC)
        assert again.groups == {"agents"}


# --- opaque tokens -----------------------------------------------------------------------------


def test_an_opaque_token(provider: OIDCProvider, issuer: Issuer, tmp_path: Path) -> None:
    text = client_token(provider, "opaque-agent", tmp_path)
    assert text.count(".") == 0
    with verifying(issuer) as verifier:
        found = verify(verifier, text)
        assert (found.subject, found.issuer) == ("opaque-agent", provider.url)
        assert (found.scopes, found.groups) == ({"pg:clinic"}, {"agents"})
        assert found.expires_at <= time.time() + 601
        assert code(verifier, "no-such-token") == "identity.inactive"
        assert code(verifier, client_token(provider, "opaque-agent", tmp_path, "pg:other")) == (
            "scope.missing"
        )
    with verifying(dataclasses.replace(issuer, audiences=("another",))) as verifier:
        assert code(verifier, text) == "identity.audience"
    with verifying(dataclasses.replace(issuer, introspection=None)) as verifier:
        assert code(verifier, text) == "identity.malformed"


def revoke(provider: OIDCProvider, who: str, text: str) -> None:
    context = oauth.trust(provider.certificates.ca)
    fields = [("client_id", who), ("client_secret", SECRET), ("token", text)]
    endpoint = oauth.discover(provider.url, context)["revocation_endpoint"]
    oauth.ask(endpoint, context, fields)


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_a_revoked_token(
    seconds: float, provider: OIDCProvider, issuer: Issuer, tmp_path: Path
) -> None:
    """An answer holds for as long as the settings say."""
    assert issuer.introspection is not None
    asking = dataclasses.replace(issuer.introspection, cache_seconds=seconds)
    text = client_token(provider, "opaque-agent", tmp_path)
    with verifying(dataclasses.replace(issuer, introspection=asking)) as verifier:
        verify(verifier, text)
        revoke(provider, "opaque-agent", text)
        if seconds:
            assert verify(verifier, text).subject == "opaque-agent"
        else:
            assert code(verifier, text) == "identity.inactive"


def test_an_issuer_that_cannot_be_asked(
    provider: OIDCProvider, issuer: Issuer, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.secret"
    write_private(wrong, b"not-the-secret-of-the-gateway")
    text = client_token(provider, "opaque-agent", tmp_path)
    for asking in (
        Introspection("gateway", Secret(file=wrong)),
        Introspection("gateway", Secret(file=tmp_path / "gone")),
        Introspection("gateway", Secret(file=wrong), url="http://127.0.0.1:1/introspect"),
    ):
        with verifying(dataclasses.replace(issuer, introspection=asking)) as verifier:
            assert code(verifier, text) == "identity.introspection"


# --- workloads of platforms --------------------------------------------------------------------


class KeyServer:
    """Discovery and keys by HTTPS, as a platform publishes them."""

    def __init__(self, certificates: Certificates, keys: bytes) -> None:
        self.ca = certificates.ca
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                discovery = self.path.startswith("/.well-known/")
                found = {"issuer": owner.url, "jwks_uri": owner.url + "/keys"}
                body = json.dumps(found).encode() if discovery else keys
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.server.certificate, certificates.server.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def platform(certificates: Certificates) -> Iterator[KeyServer]:
    server = KeyServer(certificates, key_set(jwk("rsa2048", "r", alg="RS256", use="sig")))
    yield server
    server.close()


Signed = Callable[..., str]


def kubernetes(platform: KeyServer, **changed: Any) -> str:
    """A projected service account token (no ``typ``, ``aud`` a list)."""
    now = int(time.time())
    claims = {
        "aud": ["hoopgate"],
        "exp": now + 3607,
        "iat": now,
        "iss": platform.url,
        "jti": "4b5f2f1a-6f0f-4f2e-9a52-6f0b7c1d2e3f",
        "kubernetes.io": {
            "namespace": "agents",
            "node": {"name": "node-1", "uid": "5d0c"},
            "pod": {"name": "triage-7d9c", "uid": "6e1d"},
            "serviceaccount": {"name": "triage", "uid": "7f2e"},
        },
        "nbf": now,
        "sub": POD,
        **changed,
    }
    return token(claims, kind="rsa2048", algorithm="RS256", kid="r", typ=None)


def github(platform: KeyServer, **changed: Any) -> str:
    """The token of a job of GitHub's (``typ: JWT``, five minutes)."""
    now = int(time.time())
    claims = {
        "jti": "e3c0",
        "sub": JOB,
        "aud": "hoopgate",
        "ref": "refs/heads/main",
        "repository": "clinic/agents",
        "repository_owner": "clinic",
        "repository_id": "1296269",
        "run_id": "30433642",
        "workflow": "nightly",
        "actor": "rita",
        "event_name": "schedule",
        "ref_type": "branch",
        "job_workflow_ref": "clinic/agents/.github/workflows/nightly.yml@refs/heads/main",
        "runner_environment": "github-hosted",
        "iss": platform.url,
        "nbf": now - 600,
        "exp": now + 300,
        "iat": now,
        **changed,
    }
    return token(claims, kind="rsa2048", algorithm="RS256", kid="r", typ="JWT", x5t="abc")


def workload_issuer(platform: KeyServer, kind: str, subjects: tuple[str, ...]) -> Issuer:
    return Issuer(
        name="platform",
        url=platform.url,
        audiences=("hoopgate",),
        types=(kind,),
        maximum_lifetime=3660.0,
        ca_file=platform.ca,
        subjects=subjects,
        scopes=frozenset({"pg:clinic"}),
    )


def test_a_kubernetes_workload(platform: KeyServer) -> None:
    accepted = workload_issuer(platform, "", ("system:serviceaccount:agents:*",))
    with verifying(accepted) as verifier:
        found = verify(verifier, kubernetes(platform))
        assert found.subject == "system:serviceaccount:agents:triage"
        assert found.scopes == {"pg:clinic"}
        other = "system:serviceaccount:kube-system:triage"
        assert code(verifier, kubernetes(platform, sub=other)) == "identity.subject"
        assert code(verifier, kubernetes(platform, aud=["api"])) == "identity.audience"
        # The API server's own audience beside ours, and nobody says who asked for it
        assert code(verifier, kubernetes(platform, aud=["hoopgate", "api"])) == "identity.audience"
        legacy = kubernetes(platform, exp=None, aud=None, iat=None)
        assert code(verifier, legacy) == "identity.claims"
        year = kubernetes(platform, exp=int(time.time()) + 31_536_000)
        assert code(verifier, year) == "identity.lifetime"
    # Where only access tokens are accepted, it is none
    with verifying(dataclasses.replace(accepted, types=("at+jwt",))) as verifier:
        assert code(verifier, kubernetes(platform)) == "identity.type"


def test_a_github_job(platform: KeyServer) -> None:
    accepted = workload_issuer(platform, "jwt", ("repo:clinic/agents:ref:refs/heads/main",))
    with verifying(accepted) as verifier:
        assert verify(verifier, github(platform)).subject.startswith("repo:clinic/agents:")
        for other in (
            "repo:clinic/agents:pull_request",
            "repo:evil/agents:ref:refs/heads/main",
            "repo:clinic/agents:ref:refs/heads/main2",
            "REPO:clinic/agents:ref:refs/heads/main",
        ):
            assert code(verifier, github(platform, sub=other)) == "identity.subject"
    # Without their scope its tokens open nothing
    with verifying(dataclasses.replace(accepted, scopes=frozenset())) as verifier:
        assert code(verifier, github(platform)) == "scope.missing"


def test_several_issuers(
    platform: KeyServer, provider: OIDCProvider, issuer: Issuer, tmp_path: Path
) -> None:
    """Each vouches for its own tokens and no others."""
    accepted = workload_issuer(platform, "jwt", ())
    with verifying(accepted, issuer) as verifier:
        assert verify(verifier, github(platform)).issuer == platform.url
        assert verify(verifier, client_token(provider, "agent", tmp_path)).issuer == provider.url
        assert code(verifier, github(platform, iss=provider.url)) == "identity.type"
        assert code(verifier, github(platform, iss="https://other")) == "identity.issuer"
