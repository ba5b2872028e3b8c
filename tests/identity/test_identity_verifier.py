"""The whole way: a token from a real issuer, groups from a real directory."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from identity_tokens import ISSUER, NOW, claims, jwk, key_set, standard_key_set, token
from identity_web import Web, answer
from testbed.certificates import Certificates, write_private
from testbed.issuer import TestIssuer, client
from testbed.reactor import on_reactor, reactor
from testbed.slapd import Slapd
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from zope.interface import implementer
from zope.interface.verify import verifyObject

from hoopgate.errors import DirectoryUnavailable, IdentityRefused
from hoopgate.events import Principal
from hoopgate.gateway.spelling import Spellings
from hoopgate.identity.jwks import KeySource
from hoopgate.identity.verifier import IdentityVerifier, make_verifier
from hoopgate.interfaces import IGroupDirectory, IIdentityVerifier
from hoopgate.settings.model import (
    FileDirectory,
    Issuer,
    LDAPDirectory,
    Limits,
    Match,
    Node,
    Policy,
    Recording,
    Resource,
    Rule,
    Secret,
    Settings,
)

SECRET = "the agent's own secret"
CLINIC = Resource("clinic", "postgres", "tcp:db:5432", "db", "clinic", "pg:clinic", "app")
OTHER = dataclasses.replace(CLINIC, name="other", scope="pg:other")


def settings_with(directory: Any, *issuers: Issuer, path: Path = Path("/nowhere")) -> Settings:
    return Settings(
        path=path,
        node=Node("gw", path),
        listeners=(),
        issuers=issuers,
        directory=directory,
        resources={"clinic": CLINIC},
        policy=Policy((), (), (), ""),
        recording=Recording(path, "gw"),
        limits=Limits(token_bytes=8192),
    )


def verify(verifier: IdentityVerifier, text: str, resource: Resource = CLINIC) -> Principal:
    found: Principal = on_reactor(verifier.verify, text, resource)
    return found


def code(verifier: IdentityVerifier, text: str, resource: Resource = CLINIC) -> str:
    with pytest.raises((IdentityRefused, DirectoryUnavailable)) as refused:
        verify(verifier, text, resource)
    return refused.value.code


# --- real issuer, real directory ---------------------------------------------------------------


@pytest.fixture(scope="module")
def issuer(certificates: Certificates) -> Iterator[TestIssuer]:
    clients = {
        name: client(SECRET, scopes=scopes, claims={"owner": "dr.smith"})
        for name, scopes in {
            "agent": ["pg:clinic"],
            "stranger": ["pg:clinic"],
            "limited": ["pg:other"],
        }.items()
    }
    with TestIssuer(clients, dict.fromkeys(clients, SECRET), certificates) as running:
        yield running


@pytest.fixture
def directory(certificates: Certificates) -> Iterator[Slapd]:
    with Slapd(certificates) as server:
        server.add(
            server.user("agent")
            + server.user("limited")
            + server.group("agents", "agent")
            + server.group("staff", server.group_dn("agents"))
        )
        yield server


@pytest.fixture
def failures() -> list[str]:
    return []


@pytest.fixture
def verifier(
    issuer: TestIssuer, directory: Slapd, failures: list[str], tmp_path: Path
) -> Iterator[IdentityVerifier]:
    password = tmp_path / "bind.password"
    write_private(password, directory.reader_password.encode())
    ldap = LDAPDirectory(
        url=directory.url,
        base=directory.base,
        bind_dn=directory.reader_dn,
        bind_password=Secret(file=password),
        ca_file=directory.ca_file,
        timeout=1.0,
        cache_seconds=0.0,
        negative_cache_seconds=0.0,
    )
    accepted = Issuer(
        "main", issuer.url, ("hoopgate",), owner_claim="owner", ca_file=issuer.ca_file
    )
    made = on_reactor(make_verifier, settings_with(ldap, accepted), reactor, failures.append)
    yield made
    on_reactor(made.stop)


def test_from_token_to_groups(
    verifier: IdentityVerifier, issuer: TestIssuer, failures: list[str]
) -> None:
    verifyObject(IIdentityVerifier, verifier)
    principal = verify(verifier, issuer.token("agent"))
    assert principal.subject == "agent"
    assert principal.groups == {"agents", "staff"}
    assert principal.scopes == {"pg:clinic"}
    assert principal.owner == "dr.smith"
    assert principal.expires_at > time.time() + 800
    assert failures == []


def test_the_case_of_a_groups_name_is_the_settings_matter(
    verifier: IdentityVerifier, issuer: TestIssuer
) -> None:
    """A rule that blocks AGENTS blocks who the directory says is in agents; and the rules in force
    are asked, not those of the start."""
    rules = [Rule("one", "block", Match(groups=frozenset({"AGENTS", "others"})))]
    policy = [Policy(tuple(rules), (), (), "")]
    settings = settings_with(LDAPDirectory(url="ldap://x", base="dc=x"))
    verifier.spelled = Spellings(settings, lambda: policy[0])
    text = issuer.token("agent")
    assert verify(verifier, text).groups == {"agents", "staff", "AGENTS"}
    reviewed = Rule("two", "approve", reviewers=frozenset({"Staff", "agents"}))
    policy[0] = Policy((reviewed,), (), (), "")
    found = verify(verifier, text)
    assert found.groups == {"agents", "staff", "Staff"}
    assert on_reactor(verifier.recheck, found, CLINIC) == found


def test_who_does_not_get_in(
    verifier: IdentityVerifier, issuer: TestIssuer, failures: list[str]
) -> None:
    assert code(verifier, issuer.token("stranger")) == "identity.unknown"
    assert code(verifier, issuer.token("limited")) == "scope.missing"
    assert code(verifier, issuer.token("agent"), OTHER) == "scope.missing"
    assert code(verifier, "a" * 8193) == "identity.size"
    assert code(verifier, "") == "identity.malformed"
    assert code(verifier, token()) == "identity.issuer"
    assert failures == [
        "identity.unknown",
        "scope.missing",
        "scope.missing",
        "identity.size",
        "identity.malformed",
        "identity.issuer",
    ]


def test_a_session_is_looked_at_again(
    verifier: IdentityVerifier, issuer: TestIssuer, directory: Slapd
) -> None:
    principal = verify(verifier, issuer.token("agent"))
    directory.add(directory.group("more", "agent"))
    again = on_reactor(verifier.recheck, principal, CLINIC)
    assert again == dataclasses.replace(principal, groups=frozenset({"agents", "staff", "more"}))
    directory.pause()
    with pytest.raises(DirectoryUnavailable):
        on_reactor(verifier.recheck, principal, CLINIC)
    directory.resume()
    directory.modify(f"dn: uid=agent,{directory.people}\nchangetype: delete\n")
    with pytest.raises(IdentityRefused, match="no such account"):
        on_reactor(verifier.recheck, principal, CLINIC)
    ended = dataclasses.replace(principal, expires_at=time.time())
    with pytest.raises(IdentityRefused, match="expired"):
        on_reactor(verifier.recheck, ended, CLINIC)


# --- several issuers ---------------------------------------------------------------------------


@pytest.fixture
def two(web: Web) -> Iterator[IdentityVerifier]:
    """Two issuers with different keys under the same kid."""
    web.answers["/one"] = answer(standard_key_set())
    web.answers["/two"] = answer(key_set(jwk("p384", "e"), jwk("p256", "only two")))
    one = dataclasses.replace(ISSUER, jwks_url=web.url + "/one")
    two = dataclasses.replace(
        ISSUER, url="https://two.example.org", audiences=("two",), jwks_url=web.url + "/two"
    )
    members = {"agents": frozenset({"agent-7"})}
    made = IdentityVerifier(
        (one, two),
        make_verifier(settings_with(FileDirectory(members)), reactor)._directory,
        {each.url: on_reactor(KeySource, each, reactor) for each in (one, two)},
        now=lambda: NOW,
    )
    yield made
    on_reactor(made.stop)


def from_two(**changed: Any) -> dict[str, Any]:
    return claims(iss="https://two.example.org", aud="two", **changed)


def test_each_issuer_has_its_own_keys_and_audiences(two: IdentityVerifier) -> None:
    assert verify(two, token()).groups == {"agents"}
    good = token(from_two(), kind="p384", algorithm="ES384")
    assert verify(two, good).issuer == "https://two.example.org"
    # Signed by the first issuer's key of the same kid, in the second one's name
    assert code(two, token(from_two())) == "identity.algorithm"
    assert code(two, token(kind="p384", algorithm="ES384")) == "identity.algorithm"
    assert code(two, token(kid="only two")) == "identity.key"
    assert code(two, token(claims(iss="https://two.example.org"), kid="only two")) == (
        "identity.audience"
    )
    assert code(two, token(claims(iss="https://three.example.org"))) == "identity.issuer"


def test_a_bad_header_costs_no_fetch(two: IdentityVerifier, web: Web) -> None:
    for text in (token(typ="JWT"), token(alg="none"), token(kid=None), token(claims(iss="x"))):
        code(two, text)
    assert web.requests == []


def test_two_logins_keep_their_own_identity(two: IdentityVerifier) -> None:
    def both() -> Any:
        first = two.verify(token(), CLINIC)
        second = two.verify(token(claims(sub="evil")), CLINIC)
        second.addErrback(lambda failure: failure.value.code)
        return first.addCallback(lambda one: second.addCallback(lambda other: (one, other)))

    principal, refused = on_reactor(both)
    assert (principal.subject, refused) == ("agent-7", "identity.unknown")


# --- failures ----------------------------------------------------------------------------------


@implementer(IGroupDirectory)
class Broken:
    """A plugin with a bug, or one that takes its time."""

    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome

    def groups(self, principal: Principal) -> Deferred[frozenset[str]]:
        result: Deferred[frozenset[str]] = self.outcome()
        return result


def with_directory(web: Web, outcome: Any, **more: Any) -> IdentityVerifier:
    web.answers["/one"] = answer(standard_key_set())
    one = dataclasses.replace(ISSUER, jwks_url=web.url + "/one")
    keys = {one.url: on_reactor(KeySource, one, reactor)}
    return IdentityVerifier((one,), Broken(outcome), keys, **{"now": lambda: NOW, **more})


def test_a_directory_with_a_bug_lets_nobody_in(web: Web) -> None:
    counted: list[str] = []

    def raises() -> Any:
        raise KeyError("agent-7")

    for outcome in (raises, lambda: fail(ZeroDivisionError()), lambda: None):
        buggy = with_directory(web, outcome, on_failure=counted.append)
        assert code(buggy, token()) == "identity.internal"
    assert counted == ["identity.internal"] * 3


def test_a_failed_lookup_is_nobody(web: Web) -> None:
    """PgBouncer CVE-2015-6817: a failed look-up became the service user."""
    out = with_directory(web, lambda: fail(DirectoryUnavailable("directory.timeout", "…")))
    assert code(out, token()) == "directory.timeout"


def test_a_token_that_expires_while_the_directory_answers(web: Web) -> None:
    times = iter([NOW, NOW, NOW + 600.0])
    slow = with_directory(web, lambda: succeed(frozenset()), now=lambda: next(times))
    assert code(slow, token()) == "identity.expired"


def test_a_login_that_is_given_up_is_no_failure(web: Web) -> None:
    counted: list[str] = []
    waiting = with_directory(web, Deferred, on_failure=counted.append)

    def give_up() -> Any:
        asked = waiting.verify(token(), CLINIC)
        reactor.callLater(0.3, asked.cancel)
        return asked

    with pytest.raises(CancelledError):
        on_reactor(give_up)
    assert counted == []


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"))
def test_any_text_is_refused_by_the_two_promised_errors(text: str) -> None:
    verifier = IdentityVerifier((), Broken(None), {})
    with pytest.raises((IdentityRefused, DirectoryUnavailable)) as refused:
        on_reactor(verifier.verify, text, CLINIC)
    assert refused.value.code != "identity.internal"
