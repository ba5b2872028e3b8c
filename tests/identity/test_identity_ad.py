"""Groups from Active Directory, by Samba's domain controller: nested, disabled, signed."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from identity_tokens import ISSUER, NOW
from testbed.certificates import Certificates, write_private
from testbed.reactor import on_reactor, reactor
from testbed.samba import DISABLED, NORMAL, Samba

from hoopgate.errors import DirectoryUnavailable, IdentityRefused
from hoopgate.events import Principal
from hoopgate.identity.directory import LDAPGroups
from hoopgate.settings.model import LDAPDirectory, Secret

_FILETIME_EPOCH = 11_644_473_600


@pytest.fixture(scope="module")
def domain(certificates: Certificates) -> Iterator[SimpleNamespace]:
    """A domain with people; DNs by name."""
    with Samba(certificates) as samba:
        user, group = samba.user, samba.group
        alice, bob = user("alice"), user("bob")
        gone = user("gone", userAccountControl=DISABLED)
        past = int((time.time() - 86_400 + _FILETIME_EPOCH) * 1e7)
        expired = user("expired", accountExpires=past)
        nurses = group("nurses", alice, gone, expired)
        staff = group("staff", nurses)
        everyone = group("everyone", staff)
        ring = group("ring1", alice)
        second = group("ring2", ring)
        samba.change(ring, member=[alice, second])
        wide = group("wide", *[user(f"nurse{number}") for number in range(20)], everyone)
        group("odd (name)", bob)
        yield SimpleNamespace(samba=samba, alice=alice, bob=bob, nurses=nurses, wide=wide)


@pytest.fixture
def settings(domain: SimpleNamespace, tmp_path: Path) -> LDAPDirectory:
    secret = tmp_path / "bind.password"
    write_private(secret, domain.samba.reader_password.encode())
    return LDAPDirectory(
        url=domain.samba.url,
        base=domain.samba.base,
        user_filter="(sAMAccountName={subject})",
        bind_dn=domain.samba.reader_dn,
        bind_password=Secret(file=secret),
        ca_file=domain.samba.ca_file,
        groups="ad",
        timeout=60.0,
    )


Asked = Callable[[LDAPDirectory, str], frozenset[str]]


@pytest.fixture
def ask() -> Iterator[Asked]:
    made: list[LDAPGroups] = []

    def asked(settings: LDAPDirectory, subject: str) -> frozenset[str]:
        directory = on_reactor(LDAPGroups, settings, reactor)
        made.append(directory)
        principal = Principal(ISSUER.url, subject, frozenset(), NOW + 600.0)
        found: frozenset[str] = on_reactor(directory.groups, principal)
        return found

    yield asked
    for directory in made:
        on_reactor(directory.stop)


_ALICE = {"nurses", "staff", "everyone", "ring1", "ring2", "wide"}


def test_the_matching_rule_follows_nesting_and_a_ring(ask: Asked, settings: LDAPDirectory) -> None:
    assert ask(settings, "alice") == _ALICE
    assert ask(settings, "Alice") == _ALICE  # names are without case in a domain
    assert ask(settings, "nurse7") == {"wide"}


def test_memberof_finds_the_same(ask: Asked, settings: LDAPDirectory) -> None:
    assert ask(dataclasses.replace(settings, groups="memberof"), "alice") == _ALICE


def test_by_principal_name(ask: Asked, settings: LDAPDirectory) -> None:
    by_upn = dataclasses.replace(settings, user_filter="(userPrincipalName={subject})")
    assert ask(by_upn, "alice@clinic.example") == _ALICE


def test_start_tls(ask: Asked, settings: LDAPDirectory, domain: SimpleNamespace) -> None:
    started = dataclasses.replace(settings, url=domain.samba.plain_url, start_tls=True)
    assert ask(started, "alice") == _ALICE


def test_the_domain_refuses_a_password_in_the_clear(
    ask: Asked, settings: LDAPDirectory, domain: SimpleNamespace
) -> None:
    """It requires strong authentication: signing, or TLS."""
    with pytest.raises(DirectoryUnavailable) as caught:
        ask(dataclasses.replace(settings, url=domain.samba.plain_url), "alice")
    assert caught.value.code == "directory.bind"


@pytest.mark.parametrize(
    ("who", "code"),
    [
        ("gone", "identity.disabled"),
        ("expired", "identity.disabled"),
        ("nobody", "identity.unknown"),
        ("*", "identity.unknown"),
    ],
)
def test_who_does_not_count(who: str, code: str, ask: Asked, settings: LDAPDirectory) -> None:
    with pytest.raises(IdentityRefused) as caught:
        ask(settings, who)
    assert caught.value.code == code


def test_an_account_is_disabled_and_enabled(
    ask: Asked, settings: LDAPDirectory, domain: SimpleNamespace
) -> None:
    domain.samba.change(domain.bob, userAccountControl=DISABLED)
    with pytest.raises(IdentityRefused) as caught:
        ask(settings, "bob")
    assert caught.value.code == "identity.disabled"
    domain.samba.change(domain.bob, userAccountControl=NORMAL)
    assert ask(settings, "bob") == {"odd (name)"}
