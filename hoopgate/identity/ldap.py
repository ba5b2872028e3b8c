"""Groups of an account in LDAP, over one connection. Blocking: ``directory.py`` gives it threads.

Bounded in time by socket timeouts and by :meth:`LDAPLookup.abort`, which another thread may call.
Referrals are not followed: they would hand our credentials to a server nobody verified. Sources:
RFC 4511, 4513, 4515; MS-ADTS 3.1.1.3.1.3.3 (ranged attributes), 3.1.1.3.4.4 (matching rules).
"""

from __future__ import annotations

import math
import re
import socket
import ssl
import time
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

import ldap3
from ldap3.core.exceptions import LDAPException
from ldap3.core.results import (
    RESULT_NO_SUCH_OBJECT,
    RESULT_SIZE_LIMIT_EXCEEDED,
    RESULT_SUCCESS,
)
from ldap3.core.tls import Tls
from ldap3.utils.dn import escape_rdn, parse_dn

from hoopgate.errors import IdentityRefused, Refused
from hoopgate.identity.fetch import is_loopback
from hoopgate.identity.secrets import read_secret
from hoopgate.settings.model import LDAPDirectory

MAXIMUM_GROUPS = 5000
_BATCH = 50  #: DNs asked for in one filter
_RANGES = 100  #: pages of one ranged attribute
_IN_CHAIN = "1.2.840.113556.1.4.1941"
#: Always false where objectClass can be read: every entry has one (RFC 4512 2.4).
_NEVER = "(!(objectClass=*))"

_ACCOUNT_DISABLE = 0x2  # userAccountControl, MS-ADTS 2.2.16
_FILETIME_EPOCH = 11_644_473_600
_FILETIME_NEVER = (0, 0x7FFF_FFFF_FFFF_FFFF)
_FLAGS = ("nsAccountLock", "loginDisabled", "ds-pwp-account-disabled")
_STATUS = ("uid", "memberOf", "userAccountControl", "accountExpires", "pwdAccountLockedTime")

Entry = dict[str, Any]


class LDAPFailed(Exception):
    """The server did not do what was asked. ``code`` as in :class:`DirectoryUnavailable`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class _VerifiedTls(Tls):
    """TLS whose certificate and host name OpenSSL verifies in the handshake.

    ldap3's own check runs after it, and knows no IP addresses from Python 3.12 on.
    """

    def __init__(self, host: str, ca_file: str | None) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._host = host
        self._context = ssl.create_default_context(cafile=ca_file)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        connection.socket = self._context.wrap_socket(
            connection.socket, server_hostname=self._host, do_handshake_on_connect=False
        )
        # Only now, when abort() finds the socket: the plain one has lost its descriptor
        connection.socket.do_handshake()


def escape_filter(value: str) -> str:
    """``value`` for an assertion in a search filter (RFC 4515 3): plain letters stay, no other."""
    return "".join(
        chr(byte) if chr(byte).isalnum() and byte < 0x80 else f"\\{byte:02x}"
        for byte in value.encode("utf-8")
    )


def fill_filter(template: str, **values: str) -> str:
    """A filter with ``{name}`` filled in, escaped.

    Inside a DN (``(member=uid={subject},ou=people)``) the value is escaped as part of a DN first
    (RFC 4514 2.4).
    """

    def fill(match: re.Match[str]) -> str:
        value = values[match["name"]]
        assertion = template[template.rfind("(", 0, match.start()) + 1 : match.start()]
        in_dn = assertion.rstrip().endswith("=") and assertion.count("=") > 1
        return escape_filter(escape_rdn(value) if in_dn and value else value)

    names = "|".join(re.escape(name) for name in values)
    return re.sub(r"\{(?P<name>" + names + r")\}", fill, template)


def _without(template: str, name: str) -> str:
    """The filter with every assertion on ``{name}`` made false."""
    return re.sub(r"\([^()]*\{" + name + r"\}[^()]*\)", _NEVER, template)


def normal_dn(dn: str) -> tuple[tuple[str, str], ...]:
    """A DN for comparing: types and values in lower case. Empty where it is no DN."""
    try:
        return tuple((kind.lower(), value.lower()) for kind, value, _ in parse_dn(dn, strip=True))
    except LDAPException:
        return ()


def _values(entry: Entry, name: str) -> list[str]:
    """Values of an attribute, whatever the case of its name."""
    for found, values in entry["raw_attributes"].items():
        if found.lower() == name.lower():
            return [value.decode("utf-8", "replace") for value in values]
    return []


class LDAPLookup:
    """One bound connection. Not for two threads at once, but for :meth:`abort`."""

    def __init__(self, settings: LDAPDirectory) -> None:
        self._settings = settings
        self._connection: Any = None
        self._aborted = False
        self.used_at = 0.0

    # --- connection ----------------------------------------------------------------------------

    def open(self) -> None:
        """Connect, secure and bind, unless that is done.

        :raises LDAPFailed: anything but a connection that is bound as the settings say.
        """
        if self._connection is not None:
            return
        settings = self._settings
        parts = urlsplit(settings.url)
        host = parts.hostname or ""
        secure = parts.scheme == "ldaps"
        if not secure and not settings.start_tls and not is_loopback(host):
            raise LDAPFailed("directory.insecure", "the directory is neither ldaps nor StartTLS")
        password = self._password()
        timeout = max(1, math.ceil(settings.timeout))  # ldap3 packs it as an integer
        tls = _VerifiedTls(host, str(settings.ca_file) if settings.ca_file else None)
        server = ldap3.Server(
            host,
            port=parts.port or (636 if secure else 389),
            use_ssl=secure,
            tls=tls,
            get_info=ldap3.NONE,
            connect_timeout=timeout,
        )
        self._connection = ldap3.Connection(
            server,
            user=settings.bind_dn or None,
            password=password,
            authentication=ldap3.SIMPLE if settings.bind_dn else ldap3.ANONYMOUS,
            auto_bind=ldap3.AUTO_BIND_NONE,
            auto_referrals=False,
            auto_range=False,
            check_names=False,
            read_only=True,
            receive_timeout=timeout,
            raise_exceptions=False,
        )
        self._connection.open(read_server_info=False)
        self._check_time()
        if settings.start_tls and not secure and not self._connection.start_tls():
            raise LDAPFailed("directory.tls", "the directory refused StartTLS")
        self._check_time()
        if not self._connection.bind(read_server_info=False):
            raise LDAPFailed("directory.bind", "the directory refused our bind")

    def _password(self) -> str | None:
        if not self._settings.bind_dn:
            return None
        if self._settings.bind_password is None:
            raise LDAPFailed("directory.bind", "bind_dn is set without a bind_password")
        try:
            # Never empty: that would be an unauthenticated bind, which succeeds (RFC 4513 5.1.2)
            return read_secret(self._settings.bind_password)
        except Refused as refused:
            raise LDAPFailed("directory.bind", f"bind_password: {refused}") from None

    def abort(self) -> None:
        """Make whatever waits on this connection fail now. May be called from any thread."""
        self._aborted = True
        connection = self._connection
        sock = connection.socket if connection is not None else None
        if sock is not None:
            try:
                # Of the base class: SSLSocket.shutdown takes the TLS state from a reading thread
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                pass

    def _check_time(self) -> None:
        # abort() may have come between two sockets' lives
        if self._aborted:
            raise LDAPFailed("directory.timeout", "the directory did not answer in time")

    def close(self) -> None:
        """Close the socket. The courtesy of an unbind could block."""
        connection = self._connection
        if connection is not None and connection.socket is not None:
            try:
                connection.socket.close()
            except OSError:
                pass

    # --- lookup --------------------------------------------------------------------------------

    def groups(self, subject: str) -> frozenset[str]:
        """Names of all groups of the account of ``subject``.

        :raises IdentityRefused: ``identity.unknown``, ``identity.ambiguous``,
            ``identity.disabled``.
        :raises LDAPFailed: the directory could not answer in full.
        """
        self.used_at = time.monotonic()
        user = self._user(subject)
        check_enabled(user, time.time())
        if self._settings.groups == "memberof":
            return self._by_attribute(user)
        if self._settings.groups == "ad":
            return self._in_chain(user)
        return self._by_search(user, subject)

    def _user(self, subject: str) -> Entry:
        template = self._settings.user_filter
        # What the filter compares is read back, see below
        named = re.findall(r"\(\s*([A-Za-z][A-Za-z0-9;.-]*)\s*=\s*\{subject\}\s*\)", template)
        entries, limited = self._search(
            self._settings.base,
            fill_filter(template, subject=subject),
            (*_STATUS, *_FLAGS, *named),
            size_limit=2,
        )
        if len(entries) > 1:
            raise IdentityRefused("identity.ambiguous", "the directory has several such accounts")
        if limited:
            raise LDAPFailed("directory.limit", "the directory did not search everything")
        if not entries:
            raise IdentityRefused("identity.unknown", "the directory knows no such account")
        user = entries[0]
        # LDAP ignores case, width and outer spaces; an issuer's subjects differ by them. Case is
        # left to the directory: it can never hold two accounts that differ in it alone.
        folded = [value.casefold() for name in named for value in _values(user, name)]
        if named and subject.casefold() not in folded:
            raise IdentityRefused("identity.unknown", "the directory knows no such account")
        return user

    def _by_attribute(self, user: Entry) -> frozenset[str]:
        """``memberOf`` of the user, and of its groups in turn."""
        names: set[str] = set()
        seen: set[object] = set()
        frontier = self.ranged(user, "memberOf")
        for _ in range(self._settings.nested + 1):
            following: list[str] = []
            for dn in frontier:
                normal = normal_dn(dn)
                if normal in seen or not self._holds_groups(normal):
                    continue
                seen.add(normal)
                _check_count(seen)
                for group in self._read(dn, (self._settings.group_name, "memberOf")):
                    names.update(_values(group, self._settings.group_name))
                    following.extend(self.ranged(group, "memberOf"))
            if not following:
                break
            frontier = following
        return frozenset(names)

    def _holds_groups(self, dn: tuple[tuple[str, str], ...]) -> bool:
        """Groups elsewhere do not count: others may administer them."""
        base = normal_dn(self._group_base)
        return bool(dn) and dn[len(dn) - len(base) :] == base

    def _by_search(self, user: Entry, subject: str) -> frozenset[str]:
        """Groups that name the user as a member, then groups that name those."""
        uids = _values(user, "uid") or [subject]
        uid = next((uid for uid in uids if uid.casefold() == subject.casefold()), uids[0])
        template = self._settings.group_filter
        names: set[str] = set()
        seen: set[object] = set()
        filters = [fill_filter(template, dn=user["dn"], uid=uid)]
        for _ in range(self._settings.nested + 1):
            fresh: list[str] = []
            for group in self._groups(filters):
                normal = normal_dn(group["dn"]) or group["dn"]
                if normal not in seen:
                    seen.add(normal)
                    _check_count(seen)
                    names.update(_values(group, self._settings.group_name))
                    fresh.append(group["dn"])
            if not fresh:
                break
            # memberUid names accounts: a group called as an account is not that account
            filters = [fill_filter(_without(template, "uid"), dn=dn) for dn in fresh]
        return frozenset(names)

    def _in_chain(self, user: Entry) -> frozenset[str]:
        """Active Directory follows the nesting itself (LDAP_MATCHING_RULE_IN_CHAIN)."""
        found = self._groups([fill_filter(f"(member:{_IN_CHAIN}:={{dn}})", dn=user["dn"])])
        names = (name for group in found for name in _values(group, self._settings.group_name))
        return frozenset(names)

    def _groups(self, filters: Sequence[str]) -> Iterable[Entry]:
        for start in range(0, len(filters), _BATCH):
            batch = "".join(filters[start : start + _BATCH])
            entries, limited = self._search(
                self._group_base, f"(|{batch})", (self._settings.group_name,)
            )
            if limited:
                raise LDAPFailed("directory.limit", "the directory did not return every group")
            yield from entries

    @property
    def _group_base(self) -> str:
        return self._settings.group_base or self._settings.base

    def ranged(self, entry: Entry, name: str) -> list[str]:
        """All values of an attribute that the server may give in parts (``name;range=0-1499``)."""
        values = _values(entry, name)
        part = _range_of(entry, name)
        for _ in range(_RANGES):
            if part is None:
                return values
            option, last = part
            values += _values(entry, option)
            if last is None:
                return values
            wanted = f"{name};range={last + 1}-*"
            entry = next(iter(self._read(entry["dn"], (wanted,))), {"raw_attributes": {}})
            part = _range_of(entry, name)
            if part is None:
                break
        raise LDAPFailed("directory.limit", f"the directory did not return all of {name}")

    def _read(self, dn: str, attributes: Sequence[str]) -> list[Entry]:
        """The entry of ``dn``; nothing when it is gone."""
        entries, limited = self._search(dn, "(objectClass=*)", attributes, scope=ldap3.BASE)
        if limited:
            raise LDAPFailed("directory.limit", "the directory did not return an entry")
        return entries

    def _search(
        self,
        base: str,
        search_filter: str,
        attributes: Sequence[str],
        scope: str = ldap3.SUBTREE,
        size_limit: int = 0,
    ) -> tuple[list[Entry], bool]:
        """Entries found, and whether the server stopped at a size limit."""
        self._check_time()
        connection = self._connection
        connection.search(
            base,
            search_filter,
            search_scope=scope,
            dereference_aliases=ldap3.DEREF_NEVER,
            attributes=list(dict.fromkeys(attributes)),
            size_limit=size_limit,
            time_limit=max(1, math.ceil(self._settings.timeout)),
        )
        result = connection.result["result"]
        missing = result == RESULT_NO_SUCH_OBJECT and scope == ldap3.BASE
        limited = result == RESULT_SIZE_LIMIT_EXCEEDED
        if result != RESULT_SUCCESS and not limited and not missing:
            # A referral is an answer from elsewhere, and every other code no full answer
            raise LDAPFailed("directory.search", f"the directory answered with result {result}")
        entries = [
            entry for entry in connection.response or () if entry["type"] == "searchResEntry"
        ]
        return entries, limited


def _check_count(groups: set[object]) -> None:
    if len(groups) > MAXIMUM_GROUPS:
        raise LDAPFailed("directory.limit", f"an account is in more than {MAXIMUM_GROUPS} groups")


def _range_of(entry: Entry, name: str) -> tuple[str, int | None] | None:
    """The attribute description with a range, and the last index (None: the end)."""
    for found in entry["raw_attributes"]:
        match = re.fullmatch(re.escape(name) + r";range=(\d+)-(\d+|\*)", found, flags=re.IGNORECASE)
        if match:
            return found, None if match[2] == "*" else int(match[2])
    return None


def check_enabled(user: Entry, now: float) -> None:
    """:raises IdentityRefused: ``identity.disabled``."""
    control = [int(value) for value in _values(user, "userAccountControl")]
    expires = [int(value) for value in _values(user, "accountExpires")]
    if (
        any(value & _ACCOUNT_DISABLE for value in control)
        or any(
            value not in _FILETIME_NEVER and value / 1e7 - _FILETIME_EPOCH <= now
            for value in expires
        )
        or any(value.lower() == "true" for flag in _FLAGS for value in _values(user, flag))
        or _values(user, "pwdAccountLockedTime")
    ):
        raise IdentityRefused("identity.disabled", "the account is disabled in the directory")
