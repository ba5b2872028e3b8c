"""Groups from a real OpenLDAP server, and what its failures lead to (E7)."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ldap3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from identity_tokens import ISSUER, NOW
from identity_web import ShiftedReactor
from testbed.certificates import Certificates, write_private
from testbed.reactor import on_reactor, reactor
from testbed.slapd import DYNLIST, Slapd
from testbed.slapd import entry as ldif_of
from twisted.internet.defer import DeferredList
from twisted.internet.task import deferLater

from hoopgate.errors import DirectoryUnavailable, IdentityRefused, Refused
from hoopgate.events import Principal
from hoopgate.identity.directory import MAXIMUM_QUEUED, LDAPGroups
from hoopgate.identity.groups import FileGroups
from hoopgate.identity.ldap import (
    LDAPFailed,
    LDAPLookup,
    check_enabled,
    escape_filter,
    fill_filter,
    normal_dn,
)
from hoopgate.settings.model import FileDirectory, LDAPDirectory, Secret


@pytest.fixture(scope="session")
def people(slapd: Slapd) -> Slapd:
    """Who is in which group, see the tests."""
    user, group, dn = slapd.user, slapd.group, slapd.group_dn
    slapd.add(
        user("alice")
        + user("bob", title="engineer")
        + user("alone")
        + user("twin")
        + user("twin2", title="twin")
        + user("disabled", "accountStatus", userAccountControl="514")
        + user("enabled", "accountStatus", userAccountControl="512", accountExpires="0")
        + user("expired", "accountStatus", accountExpires="132000000000000000")
        + user("locked389", "accountStatus", nsAccountLock="TRUE")
        + user("unlocked389", "accountStatus", nsAccountLock="FALSE")
        + user("locked")
        + group("nurses", "alice")
        + group("staff", dn("nurses"))
        + group("everyone", dn("staff"))
        # A ring: each is a member of the next
        + group("ring1", "alice", dn("alone-group"))
        + group("ring2", dn("ring1"))
        + group("ring3", dn("ring2"))
        + group("unique", "alice", kind="groupOfUniqueNames")
        + group("unix", "alice", "bob", kind="posixGroup")
        # Called as a user is, and member of a group that counts: no way up for its members
        + group("bob", "alice")
        + group("comma, and (more) *", "bob")
        + user("enabled2", "accountStatus", userAccountControl="512")
    )
    slapd.modify(
        f"dn: {dn('ring1')}\nchangetype: modify\nadd: member\nmember: {dn('ring3')}\n\n"
        f"dn: uid=locked,{slapd.people}\nchangetype: modify\nadd: pwdAccountLockedTime\n"
        "pwdAccountLockedTime: 000001010000Z\n"
    )
    return slapd


@pytest.fixture
def secret(tmp_path: Path) -> Callable[[str], Secret]:
    def made(text: str) -> Secret:
        path = tmp_path / "bind.password"
        write_private(path, text.encode())
        return Secret(file=path)

    return made


@pytest.fixture
def base(people: Slapd, secret: Callable[[str], Secret]) -> LDAPDirectory:
    return directory_of(people, secret(people.reader_password))


def directory_of(server: Slapd, password: Secret) -> LDAPDirectory:
    return LDAPDirectory(
        url=server.url,
        base=server.base,
        bind_dn=server.reader_dn,
        bind_password=password,
        ca_file=server.ca_file,
        group_base=server.groups,
        timeout=60.0,
    )


Asked = Callable[..., frozenset[str]]


@pytest.fixture
def ask() -> Iterator[Asked]:
    """Ask a directory with these settings; each call has its own caches."""
    made: list[LDAPGroups] = []

    def asked(settings: LDAPDirectory, subject: str = "alice") -> frozenset[str]:
        directory = on_reactor(LDAPGroups, settings, reactor)
        made.append(directory)
        return groups(directory, subject)

    yield asked
    for directory in made:
        on_reactor(directory.stop)


def principal(subject: str) -> Principal:
    return Principal(ISSUER.url, subject, frozenset(), NOW + 600.0)


def groups(directory: Any, subject: str = "alice") -> frozenset[str]:
    found: frozenset[str] = on_reactor(directory.groups, principal(subject))
    return found


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(IdentityRefused) as caught:
        call()
    return caught.value.code


def outage(call: Callable[[], object]) -> str:
    with pytest.raises(DirectoryUnavailable) as caught:
        call()
    return caught.value.code


# --- groups ------------------------------------------------------------------------------------

_ALICE = {"nurses", "staff", "everyone", "ring1", "ring2", "ring3", "unique", "unix", "bob"}


def test_member_search_follows_nesting_and_survives_a_ring(ask: Asked, base: LDAPDirectory) -> None:
    assert ask(base) == _ALICE


def test_memberof_follows_nesting_and_survives_a_ring(ask: Asked, base: LDAPDirectory) -> None:
    # The overlay maintains groupOfNames only
    assert ask(dataclasses.replace(base, groups="memberof")) == _ALICE - {"unique", "unix"}


@pytest.mark.parametrize("kind", ["member", "memberof"])
@pytest.mark.parametrize(
    ("nested", "expected"),
    [
        (0, {"nurses", "ring1", "bob"}),
        (1, {"nurses", "ring1", "bob", "staff", "ring2"}),
        (2, {"nurses", "ring1", "bob", "staff", "ring2", "everyone", "ring3"}),
    ],
)
def test_nesting_has_a_depth(
    kind: str, nested: int, expected: set[str], ask: Asked, base: LDAPDirectory
) -> None:
    shallow = dataclasses.replace(base, groups=kind, nested=nested)
    assert ask(shallow) - {"unique", "unix"} == expected


def test_dynlist_tells_nested_and_computed_groups(
    ask: Asked, certificates: Certificates, secret: Callable[[str], Secret]
) -> None:
    """OpenLDAP's dynlist follows the nesting itself: the user's entry names them all."""
    with Slapd(certificates, overlay=DYNLIST) as server:
        url = f"ldap:///{server.people}??sub?(title=night)"
        server.add(
            server.user("alice", title="night")
            + server.user("bob")
            + server.group("nurses", "alice")
            + server.group("staff", server.group_dn("nurses"))
            + server.group("everyone", server.group_dn("staff"))
            + ldif_of(server.group_dn("night"), ["groupOfURLs"], cn="night", memberURL=url)
        )
        by_attribute = dataclasses.replace(
            directory_of(server, secret(server.reader_password)), groups="memberof", nested=0
        )
        assert ask(by_attribute) == {"nurses", "staff", "everyone", "night"}
        assert ask(by_attribute, "bob") == frozenset()
        # Its ways to ask that need no computed attribute see what is written down
        by_search = dataclasses.replace(by_attribute, groups="member", nested=8)
        assert ask(by_search) >= {"nurses", "staff", "everyone"}


def test_a_group_called_as_a_user_is_not_that_user(ask: Asked, base: LDAPDirectory) -> None:
    # alice is in group bob; user bob is in unix by memberUid, alice by her own
    assert ask(base, "bob") == {"unix", "comma, and (more) *"}
    only_uid = dataclasses.replace(base, group_filter="(memberUid={uid})")
    assert ask(only_uid) == {"unix"}


def test_a_user_without_groups_is_known(ask: Asked, base: LDAPDirectory) -> None:
    for kind in ("member", "memberof"):
        assert ask(dataclasses.replace(base, groups=kind), "alone") == frozenset()


def test_groups_outside_the_group_base_do_not_count(
    ask: Asked, base: LDAPDirectory, people: Slapd
) -> None:
    elsewhere = dataclasses.replace(base, group_base=people.people)
    for kind in ("member", "memberof"):
        assert ask(dataclasses.replace(elsewhere, groups=kind)) == frozenset()


def test_another_attribute_may_name_user_and_group(ask: Asked, base: LDAPDirectory) -> None:
    by_title = dataclasses.replace(base, user_filter="(title={subject})", group_name="gidNumber")
    assert ask(by_title, "engineer") == {"1000"}


# --- who counts --------------------------------------------------------------------------------


def test_accounts_that_are_no_use(ask: Asked, base: LDAPDirectory) -> None:
    for subject in ("disabled", "expired", "locked389", "locked"):
        assert refusal(lambda: ask(base, subject)) == "identity.disabled"  # noqa: B023
    for subject in ("enabled", "enabled2", "unlocked389"):
        assert ask(base, subject) == frozenset()
    assert refusal(lambda: ask(base, "nobody")) == "identity.unknown"


def test_two_accounts_are_none(ask: Asked, base: LDAPDirectory) -> None:
    either = dataclasses.replace(base, user_filter="(|(uid={subject})(title={subject}))")
    assert refusal(lambda: ask(either, "twin")) == "identity.ambiguous"


@pytest.mark.parametrize(
    "subject",
    [
        "*",
        "a*",
        "alice)(uid=*",
        "*)(objectClass=*",
        "alice\\2a",
        "alice ",
        " alice",
        "al  ice",
        "ａｌｉｃｅ",
        "alice,ou=people,dc=example,dc=org",
        "\\61lice",
        "{dn}",
        "{uid}",
        "alice\x00",
        "é" * 100,
        "(",
        ")",
    ],
)
def test_no_subject_reaches_another_account(subject: str, ask: Asked, base: LDAPDirectory) -> None:
    assert refusal(lambda: ask(base, subject)) == "identity.unknown"


def test_case_is_the_directorys_matter(ask: Asked, base: LDAPDirectory) -> None:
    assert ask(base, "ALICE") == _ALICE


# --- escaping ----------------------------------------------------------------------------------

_TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=30)


@given(_TEXT)
def test_an_escaped_value_is_one_value(value: str) -> None:
    escaped = escape_filter(value)
    assert not set(escaped) & set("()*\0 ")
    assert ldap3.utils.conv.ldap_escape_to_bytes(escaped) == value.encode()


@given(_TEXT)
def test_a_value_inside_a_dn_stays_one_rdn(value: str) -> None:
    filled = fill_filter("(member=uid={subject},ou=people,dc=org)", subject=value)
    dn = ldap3.utils.conv.ldap_escape_to_bytes(filled[len("(member=") : -1]).decode()
    assert filled.count("(") == 1
    if value and normal_dn(dn):
        assert normal_dn(dn)[1:] == (("ou", "people"), ("dc", "org"))


def test_a_filled_value_is_not_filled_again() -> None:
    assert fill_filter("(|(m={dn})(u={uid}))", dn="{uid}", uid="x") == "(|(m=\\7buid\\7d)(u=x))"


@settings(max_examples=30, deadline=None)
@given(_TEXT.filter(lambda text: text.casefold() not in {"alice", "bob", "twin", "twin2"}))
def test_any_subject_is_unknown(people: Slapd, subject: str) -> None:
    opened = LDAPLookup(
        LDAPDirectory(url=people.plain_url, base=people.people, user_filter="(uid={subject})")
    )
    try:
        opened.open()
        with pytest.raises((IdentityRefused, LDAPFailed)) as caught:
            opened.groups(subject)
        assert caught.value.code in ("identity.unknown", "directory.search")
    finally:
        opened.close()


# --- Active Directory's attributes -------------------------------------------------------------


def entry(**attributes: list[str]) -> dict[str, Any]:
    return {"raw_attributes": {k: [one.encode() for one in v] for k, v in attributes.items()}}


@pytest.mark.parametrize(
    ("attributes", "enabled"),
    [
        ({}, True),
        ({"USERACCOUNTCONTROL": ["514"]}, False),
        ({"userAccountControl": ["66050"]}, False),
        ({"userAccountControl": ["66048"]}, True),
        ({"accountExpires": ["9223372036854775807"]}, True),
        ({"accountExpires": ["0"]}, True),
        ({"accountExpires": ["1"]}, False),
        ({"nsAccountLock": ["true"]}, False),
        ({"loginDisabled": ["TRUE"]}, False),
        ({"ds-pwp-account-disabled": ["true"]}, False),
        ({"pwdAccountLockedTime": ["20260101000000Z"]}, False),
    ],
)
def test_flags_of_disabled_accounts(attributes: dict[str, list[str]], enabled: bool) -> None:
    if enabled:
        check_enabled(entry(**attributes), NOW)
    else:
        assert refusal(lambda: check_enabled(entry(**attributes), NOW)) == "identity.disabled"


# --- connection --------------------------------------------------------------------------------


def test_start_tls(ask: Asked, base: LDAPDirectory, people: Slapd) -> None:
    started = dataclasses.replace(base, url=people.plain_url, start_tls=True)
    assert ask(started) == _ALICE


def test_the_servers_certificate_is_verified(
    ask: Asked, base: LDAPDirectory, people: Slapd, tmp_path: Path
) -> None:
    other = Certificates(tmp_path / "other")
    for untrusted in (
        dataclasses.replace(base, ca_file=other.ca),
        dataclasses.replace(base, ca_file=None),
        dataclasses.replace(base, url=people.plain_url, start_tls=True, ca_file=other.ca),
        dataclasses.replace(base, ca_file=tmp_path / "missing.pem"),
        dataclasses.replace(base, url=people.plain_url.replace("ldap:", "ldaps:")),
        dataclasses.replace(base, url=people.url.replace("ldaps:", "ldap:")),
    ):
        assert outage(lambda: ask(untrusted)).startswith("directory.")  # noqa: B023


def test_the_certificates_name_is_verified(
    ask: Asked, certificates: Certificates, secret: Callable[[str], Secret]
) -> None:
    with Slapd(certificates, pair="ldap.example.org") as misnamed:
        misnamed.add(misnamed.user("alice"))
        settings = directory_of(misnamed, secret(misnamed.reader_password))
        started = dataclasses.replace(settings, url=misnamed.plain_url, start_tls=True)
        for wrong in (settings, started):
            assert outage(lambda: ask(wrong)) == "directory.connection"  # noqa: B023
        plain = dataclasses.replace(settings, url=misnamed.plain_url)
        assert ask(plain) == frozenset(), "on loopback it may be plain"


def test_plain_ldap_is_for_loopback(ask: Asked, base: LDAPDirectory) -> None:
    far = dataclasses.replace(base, url="ldap://198.51.100.1")
    started = time.monotonic()
    assert outage(lambda: ask(far)) == "directory.insecure"
    assert time.monotonic() - started < base.timeout, "it was tried"


def test_an_empty_password_never_reaches_the_server(
    ask: Asked, base: LDAPDirectory, secret: Callable[[str], Secret]
) -> None:
    for empty in (secret(""), secret("\n"), None):
        without = dataclasses.replace(base, bind_password=empty)
        assert outage(lambda: ask(without)) == "directory.bind"  # noqa: B023


def test_a_wrong_password_is_an_outage(
    ask: Asked, base: LDAPDirectory, secret: Callable[[str], Secret]
) -> None:
    wrong = dataclasses.replace(base, bind_password=secret("wrong"))
    assert outage(lambda: ask(wrong)) == "directory.bind"


def test_anonymous_bind_is_for_those_who_say_so(ask: Asked, base: LDAPDirectory) -> None:
    nobody = dataclasses.replace(base, bind_dn="", bind_password=None)
    # This server lets nobody read without a name
    assert outage(lambda: ask(nobody)) == "directory.search"


def test_a_connection_is_used_again(people: Slapd, base: LDAPDirectory) -> None:
    with Counted(people) as counted:
        directory = on_reactor(
            LDAPGroups,
            dataclasses.replace(base, url=counted.url.replace("ldap:", "ldaps:")),
            reactor,
        )
        for subject in ("alice", "bob", "alone", "nobody", "twin"):
            try:
                groups(directory, subject)
            except IdentityRefused:
                assert subject == "nobody"
        assert counted.connections == 1
        counted.cut()
        assert groups(directory, "twin2") == frozenset(), "a connection that died is no outage"
        assert counted.connections == 2
        on_reactor(directory.stop)
        assert outage(lambda: groups(directory, "enabled")) == "directory.busy"


# --- limits and failures -----------------------------------------------------------------------


def test_size_limits_are_outages(
    ask: Asked, certificates: Certificates, secret: Callable[[str], Secret]
) -> None:
    with Slapd(certificates, options="sizelimit 3") as limited:
        limited.add(
            limited.user("alice")
            + limited.user("bob")
            + "".join(limited.group(f"g{number}", "alice") for number in range(4))
            + "".join(limited.group(f"h{number}", "bob") for number in range(3))
        )
        settings = directory_of(limited, secret(limited.reader_password))
        assert outage(lambda: ask(settings)) == "directory.limit"
        assert ask(settings, "bob") == {"h0", "h1", "h2"}
        everyone = dataclasses.replace(settings, user_filter="(|(uid={subject})(objectClass=*))")
        assert refusal(lambda: ask(everyone)) == "identity.ambiguous"


def test_referrals_are_not_followed(
    ask: Asked, certificates: Certificates, secret: Callable[[str], Secret]
) -> None:
    with Trap() as trap, Slapd(certificates, options=f"referral {trap.url}") as referring:
        referring.add(referring.user("alice"))
        settings = directory_of(referring, secret(referring.reader_password))
        elsewhere = dataclasses.replace(settings, base="dc=elsewhere,dc=org")
        assert outage(lambda: ask(elsewhere)) == "directory.search"
        referring.add(
            f"dn: ou=far,{referring.people}\nobjectClass: referral\n"
            f"objectClass: extensibleObject\nou: far\nref: {trap.url}/ou=far\n\n"
        )
        assert ask(settings) == frozenset(), "a reference beside the answer is left alone"
        assert trap.connections == 0


@pytest.fixture
def own(
    certificates: Certificates, secret: Callable[[str], Secret]
) -> Iterator[tuple[Slapd, LDAPDirectory]]:
    """A server that a test may stop."""
    with Slapd(certificates) as server:
        server.add(
            server.user("alice")
            + server.user("bob")
            + server.group("nurses", "alice")
            + server.group("unix", "bob", kind="posixGroup")
        )
        settings = directory_of(server, secret(server.reader_password))
        yield server, dataclasses.replace(settings, timeout=0.4, threads=2)


def test_a_hanging_server_costs_the_deadline(own: tuple[Slapd, LDAPDirectory]) -> None:
    server, settings = own
    directory = on_reactor(LDAPGroups, settings, reactor)
    server.pause()
    started = time.monotonic()
    assert outage(lambda: groups(directory)) == "directory.timeout"
    assert 0.35 < time.monotonic() - started < 30
    server.resume()
    wait_for(lambda: _answers(directory))
    on_reactor(directory.stop)


def test_a_server_that_hangs_on_a_bound_connection(own: tuple[Slapd, LDAPDirectory]) -> None:
    server, settings = own
    directory = on_reactor(LDAPGroups, settings, reactor)
    wait_for(lambda: _answers(directory))
    server.pause()
    assert outage(lambda: groups(directory, "alice")) == "directory.timeout"
    server.resume()
    wait_for(lambda: _answers(directory))
    on_reactor(directory.stop)


def test_threads_are_free_again_soon_after_a_hang(own: tuple[Slapd, LDAPDirectory]) -> None:
    server, settings = own
    directory = on_reactor(LDAPGroups, settings, reactor)
    server.pause()

    def crowd() -> Any:
        asked = [directory.groups(principal(f"user{number}")) for number in range(200)]
        return DeferredList(asked, consumeErrors=True)

    started = time.monotonic()
    codes = [failure.value.code for _, failure in on_reactor(crowd)]
    assert time.monotonic() - started < 10  # one after the other: 13 s
    assert codes.count("directory.timeout") == settings.threads + MAXIMUM_QUEUED
    assert codes.count("directory.busy") == 200 - settings.threads - MAXIMUM_QUEUED
    server.resume()
    wait_for(lambda: _answers(directory))
    on_reactor(directory.stop)


def test_stopping_does_not_wait_for_a_hanging_server(own: tuple[Slapd, LDAPDirectory]) -> None:
    server, settings = own
    directory = on_reactor(LDAPGroups, dataclasses.replace(settings, timeout=300.0), reactor)
    server.pause()

    def ask_and_stop() -> Any:
        asked = directory.groups(principal("alice")).addErrback(lambda failure: failure.value.code)
        stopped = deferLater(reactor, 0.3, directory.stop)
        return stopped.addCallback(lambda _: asked)

    started = time.monotonic()
    assert on_reactor(ask_and_stop) == "directory.timeout"
    assert time.monotonic() - started < 120


def test_an_outage_is_a_denial_and_passes(own: tuple[Slapd, LDAPDirectory]) -> None:
    server, settings = own
    settings = dataclasses.replace(settings, cache_seconds=0.0, timeout=60.0)
    directory = on_reactor(LDAPGroups, settings, reactor)
    assert groups(directory) == {"nurses"}
    server.stop()
    assert outage(lambda: groups(directory)) == "directory.connection"
    server.start()
    assert groups(directory) == {"nurses"}
    on_reactor(directory.stop)


def test_answers_are_kept_for_a_while(own: tuple[Slapd, LDAPDirectory]) -> None:
    server, settings = own
    shifted = ShiftedReactor()
    directory = on_reactor(LDAPGroups, dataclasses.replace(settings, timeout=60.0), shifted)
    assert groups(directory) == {"nurses"}
    assert refusal(lambda: groups(directory, "carol")) == "identity.unknown"
    server.add(server.user("carol") + server.group("doctors", "alice", "carol"))
    assert groups(directory) == {"nurses"}
    assert refusal(lambda: groups(directory, "carol")) == "identity.unknown"
    shifted.offset += 11
    assert groups(directory) == {"nurses"}
    assert groups(directory, "carol") == {"doctors"}
    shifted.offset += 50
    assert groups(directory) == {"nurses", "doctors"}
    server.modify(f"dn: uid=alice,{server.people}\nchangetype: delete\n")
    shifted.offset += 61
    assert refusal(lambda: groups(directory)) == "identity.unknown"
    on_reactor(directory.stop)


def test_one_question_at_a_time_for_a_subject(people: Slapd, base: LDAPDirectory) -> None:
    with Counted(people) as counted:
        directory = on_reactor(
            LDAPGroups,
            dataclasses.replace(base, url=counted.url.replace("ldap:", "ldaps:")),
            reactor,
        )

        def crowd() -> Any:
            asked = [directory.groups(principal("alice")) for _ in range(50)]
            asked[0].addErrback(lambda _: frozenset(_ALICE))
            asked[0].cancel()
            return DeferredList(asked)

        assert {found for _, found in on_reactor(crowd)} == {frozenset(_ALICE)}
        assert counted.connections == 1
        on_reactor(directory.stop)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_from_a_server_are_an_outage(data: bytes) -> None:
    with Babble(data) as server:
        settings = LDAPDirectory(url=server.url, base="dc=example", timeout=0.5)
        directory = on_reactor(LDAPGroups, settings, reactor)
        assert outage(lambda: groups(directory)).startswith("directory.")
        on_reactor(directory.stop)


# --- the settings file -------------------------------------------------------------------------


def test_groups_in_the_settings() -> None:
    members = {"nurses": frozenset({"alice", "bob"}), "staff": frozenset({"alice"})}
    directory = FileGroups(FileDirectory(members))
    assert groups(directory, "alice") == {"nurses", "staff"}
    assert groups(directory, "bob") == {"nurses"}
    assert refusal(lambda: groups(directory, "Alice")) == "identity.unknown"


# --- small servers -----------------------------------------------------------------------------


class Listening:
    """Accepts on a free port of 127.0.0.1, on a thread."""

    def __enter__(self) -> Any:
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"ldap://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(60)

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            with peer:
                self.serve(peer)

    def serve(self, peer: socket.socket) -> None:
        """Talk to one client."""


class Trap(Listening):
    """Nobody should come here."""


class Babble(Listening):
    """Answers the first message with any bytes, then closes."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def serve(self, peer: socket.socket) -> None:
        peer.recv(4096)
        peer.sendall(self._data)


class Counted(Listening):
    """Passes connections on to slapd, counts them, and can cut them."""

    def __init__(self, server: Slapd) -> None:
        self._target = int(server.url.rpartition(":")[2])
        self._open: list[socket.socket] = []

    def cut(self) -> None:
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def serve(self, peer: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._target)) as backend:
            self._open = [peer, backend]
            back = threading.Thread(target=_copy, args=(backend, peer), daemon=True)
            back.start()
            _copy(peer, backend)
            back.join(60)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


def _answers(directory: LDAPGroups) -> bool:
    try:
        return groups(directory, "bob") == {"unix"}
    except DirectoryUnavailable:
        return False


def wait_for(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_reading_a_password_that_others_may_read(
    ask: Asked, base: LDAPDirectory, tmp_path: Path
) -> None:
    path = tmp_path / "open.password"
    path.write_text("reader of the testbed")
    path.chmod(0o644)
    exposed = dataclasses.replace(base, bind_password=Secret(file=path))
    assert outage(lambda: ask(exposed)) == "directory.bind"
    assert issubclass(DirectoryUnavailable, Refused)


# --- attributes in parts -----------------------------------------------------------------------


class InParts(LDAPLookup):
    """What Active Directory does with more values than MaxValRange (MS-ADTS 3.1.1.3.1.3.3).

    The one thing no free server does: Samba gives all values at once.
    """

    def __init__(self, values: list[str], size: int, *, endless: bool = False) -> None:
        super().__init__(LDAPDirectory(url="ldap://127.0.0.1", base="dc=x"))
        self._all, self._size, self._endless = values, size, endless
        self.asked: list[str] = []

    def part(self, first: int) -> dict[str, Any]:
        values = self._all[first : first + self._size]
        last = first + self._size - 1
        end = "*" if last >= len(self._all) - 1 and not self._endless else str(last)
        name = f"memberOf;range={first}-{end}"
        if first == 0 and end == "*":
            name = "memberOf"
        return {"dn": "cn=x", "raw_attributes": {name: [value.encode() for value in values]}}

    def _read(self, dn: str, attributes: Any) -> list[dict[str, Any]]:
        self.asked += attributes
        first = attributes[0].removeprefix("memberOf;range=").removesuffix("-*")
        return [self.part(int(first))]


@given(st.integers(0, 60), st.integers(1, 30))
def test_attributes_in_parts_are_read_whole(count: int, size: int) -> None:
    values = [f"cn=g{number}" for number in range(count)]
    server = InParts(values, size)
    assert server.ranged(server.part(0), "memberOf") == values
    assert server.ranged({"dn": "cn=x", "raw_attributes": {}}, "memberOf") == []


def test_parts_without_end_are_an_outage() -> None:
    server = InParts([], 10, endless=True)
    with pytest.raises(LDAPFailed, match="all of memberOf"):
        server.ranged(server.part(0), "memberOf")
    assert len(server.asked) <= 101
