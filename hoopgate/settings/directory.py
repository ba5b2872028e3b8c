"""``[directory]``: who knows the groups of a subject."""

from __future__ import annotations

from hoopgate.settings import material, urls
from hoopgate.settings.model import Directory, FileDirectory, LDAPDirectory
from hoopgate.settings.reader import Table, defaults


def directory(table: Table, check: bool) -> Directory:
    kind = table.choice("kind", ("file", "ldap"), "file")
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
    return found
