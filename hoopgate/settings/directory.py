"""``[directory]``: who knows the groups of a subject."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ldap3.core.exceptions import LDAPExceptionError
from ldap3.operation.search import parse_filter
from ldap3.utils.dn import parse_dn

from hoopgate.settings import material, urls
from hoopgate.settings.model import Directory, FileDirectory, LDAPDirectory
from hoopgate.settings.reader import Table, defaults


def directory(table: Table, check: bool) -> Directory:
    kind = table.choice("kind", ("file", "ldap"), "file")
    if "kind" not in table and ("url" in table or "base" in table):
        table.wrong("kind", "missing: groups are read from this file", 'kind = "ldap"')
        kind = "ldap"
    directory = _file_directory(table) if kind == "file" else _ldap_directory(table, check)
    table.finish()
    return directory


def _file_directory(table: Table) -> FileDirectory:
    groups = table.table("groups")
    return FileDirectory(
        {
            group: frozenset(groups.texts(group, example='["subject", …]'))
            for group in groups.entries()
        }
    )


def _ldap_directory(table: Table, check: bool) -> LDAPDirectory:
    default = defaults(LDAPDirectory)
    found = LDAPDirectory(
        url=table.text("url", example='"ldaps://ldap.example.org"'),
        base=table.text("base", example='"dc=example,dc=org"'),
        user_filter=table.text("user_filter", default["user_filter"]),
        bind_dn=table.text("bind_dn", default["bind_dn"]),
        bind_password=material.secret(table, "bind_password", check=check),
        start_tls=table.boolean("start_tls", default["start_tls"]),
        ca_file=material.authorities(table, "ca_file", check=check),
        groups=table.choice("groups", ("member", "memberof", "ad"), default["groups"]),
        group_base=table.text("group_base", default["group_base"]),
        group_filter=table.text("group_filter", default["group_filter"]),
        group_name=table.text("group_name", default["group_name"]),
        timeout=table.duration("timeout", default["timeout"]),
        **table.bounds(LDAPDirectory, but=["timeout"]),
    )
    if "{subject}" not in found.user_filter:
        table.wrong("user_filter", "no {subject} in it", default["user_filter"])
    if bool(found.bind_dn) != (found.bind_password is not None):
        table.wrong("bind_dn", "bind_dn and bind_password go together", "both, or neither")
    if found.start_tls and found.url.startswith("ldaps:"):
        table.wrong("start_tls", "ldaps is encrypted from the first byte", "false, or ldap://")
    if not found.start_tls:
        urls.check(table, "url", found.url, "ldaps", "ldap")
    else:
        parts = urls.parts(found.url)
        if found.url and (parts is None or parts.scheme not in ("ldap", "ldaps")):
            table.wrong("url", f'"{found.url}" is no ldap URL', '"ldap://host"')
    if re.search(r"//[^/]*/", found.url):
        table.wrong("url", "a path in it: where to search is the base", '"ldaps://host[:port]"')
    for key, dn in (("base", found.base), ("group_base", found.group_base)):
        if dn and not _is_dn(dn):
            table.wrong(key, f'"{dn}" is no distinguished name', '"dc=example,dc=org"')
    _check_filter(table, "user_filter", found.user_filter, {"subject": "x"})
    _check_filter(table, "group_filter", found.group_filter, {"dn": "cn=x,dc=x", "uid": "x"})
    return found


def _is_dn(text: str) -> bool:
    try:
        return bool(parse_dn(text))
    except LDAPExceptionError:
        return False


def _check_filter(table: Table, key: str, template: str, values: Mapping[str, str]) -> None:
    """RFC 4515, with the places that are filled in."""
    filled = template
    for name, value in values.items():
        filled = filled.replace(f"{{{name}}}", value)
    usual = f'"{LDAPDirectory.__dataclass_fields__[key].default}"'
    unknown = re.search(r"\{[^{}]*\}", filled)
    if unknown:
        wrong = f"nothing is filled in for {unknown[0]}"
        table.wrong(key, wrong, " or ".join(f"{{{name}}}" for name in values))
        return
    try:
        parse_filter(filled, None, False, False, None, False)  # type: ignore[no-untyped-call]
    except (LDAPExceptionError, IndexError):
        table.wrong(key, f'"{template}" is no LDAP filter', usual)
