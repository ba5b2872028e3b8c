"""``listeners.ssh``, ``resources.ssh`` and ``[[commands]]``: what is said of SSH alone."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Collection
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from hoopgate.settings import endpoints, material
from hoopgate.settings.model import CommandEntry, DeviceLogin, SSHBackend, SSHListener
from hoopgate.settings.reader import Table, defaults
from hoopgate.settings.rules import known, name

MODES: Final = ("allow", "deny")
SECURITY_KEYS: Final = ("accept", "refuse", "require")

_SEPARATOR: Final = re.compile(r"[%+:#,=~!]")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\*?")
#: Variables that change which code runs, or where from.
_DANGEROUS: Final = re.compile(
    r"LD_.*|DYLD_.*|PATH|IFS|ENV|BASH_.*|BASH|SHELL|SHELLOPTS|PS4|PROMPT_COMMAND|HOME|PYTHON.*|PERL.*"
    r"|RUBY.*|NODE_.*|GIT_.*|EDITOR|VISUAL|PAGER|LESSOPEN|MANPAGER|JAVA_.*|_JAVA_.*|GCONV_PATH"
    r"|CDPATH|TMPDIR|TERMINFO.*|LOCPATH|NLSPATH|SSH_.*|\*"
)


def ssh_listener(parent: Table, issuers: Collection[str], *, check: bool) -> SSHListener:
    """The table ``ssh`` of a listener; every key has a default."""
    table = parent.table("ssh")
    found = SSHListener(
        host_keys=tuple(
            table.problems.file.parent / one
            for one in table.texts("host_keys", (), '["/etc/hoopgate/ssh_host_ed25519_key"]')
        ),
        separator=table.text("separator", defaults(SSHListener)["separator"]),
        device=_device(table.table("device"), issuers) if "device" in table else None,
        security_keys=table.choice(
            "security_keys", SECURITY_KEYS, defaults(SSHListener)["security_keys"]
        ),
    )
    if not _SEPARATOR.fullmatch(found.separator):
        table.wrong("separator", f'"{found.separator}" is none', "one of % + : # , = ~ !")
    for path in found.host_keys if check else ():
        _private(table, "host_keys", path)
    table.finish()
    return found


def _device(table: Table, issuers: Collection[str]) -> DeviceLogin:
    found = DeviceLogin(
        issuer=table.text("issuer", example='"embedded"'),
        client_id=table.text("client_id", example='"hoopgate-ssh"'),
    )
    if found.issuer:
        known(table, "issuer", [found.issuer], issuers)
    table.finish()
    return found


def ssh_backend(parent: Table, target: str, host: str, *, check: bool) -> SSHBackend:
    """The table ``ssh`` of a resource."""
    table = parent.table("ssh")
    default = defaults(SSHBackend)
    port = endpoints.split(target).part(1, "port")
    found = SSHBackend(
        known_hosts=table.path("known_hosts", example='"/etc/hoopgate/known_hosts"'),
        host_name=table.text("host_name", host or None, '"files.example.org"'),
        port=int(port) if port.isdigit() else 22,
        key=table.optional_path("key", '"/etc/hoopgate/agent_ed25519"'),
        certificate=table.optional_path("certificate", '"/etc/hoopgate/agent-cert.pub"'),
        environment=frozenset(table.texts("environment", tuple(default["environment"]))),
        shell=table.boolean("shell", default["shell"]),
        commands=table.choice("commands", MODES, default["commands"]),
        binary=table.boolean("binary", default["binary"]),
        **table.bounds(SSHBackend, but=["port"]),
    )
    for variable in found.environment:
        if not _VARIABLE.fullmatch(variable) or _DANGEROUS.fullmatch(variable):
            table.wrong("environment", f'"{variable}" may not be set by clients', '"LANG", "LC_*"')
    if check:
        material.read(table, "known_hosts", found.known_hosts, "a known_hosts file")
        if found.key is not None:
            _private(table, "key", found.key)
        if found.certificate is not None:
            material.read(table, "certificate", found.certificate, "an OpenSSH certificate")
    if found.certificate is not None and found.key is None:
        table.wrong("key", "missing: the certificate's own", "the path of a private key")
    table.finish()
    return found


def _private(table: Table, key: str, path: Path) -> None:
    content = material.read(table, key, path, "a private key", private=True)
    if content is not None and b"PRIVATE KEY" not in content:
        table.wrong(key, f"{path} holds no private key", "the path of one")


def commands(root: Table, resources: Collection[str]) -> tuple[CommandEntry, ...]:
    """``[[commands]]``: the command lines that may be allowed."""
    found = []
    taken: set[str] = set()
    for table in root.tables("commands"):
        entry = CommandEntry(
            name=name(table, taken, "commands"),
            programs=frozenset(table.one_or_more("programs", '"cat"')),
            resources=frozenset(table.texts("resources", ())),
            options=table.texts("options", ()),
            arguments=table.texts("arguments", ()),
            paths=table.texts("paths", ()),
        )
        known(table, "resources", entry.resources, resources)
        for path in entry.paths:
            if not path.startswith("/"):
                table.wrong("paths", f'"{path}" is not absolute', '"/data/*"')
        for option in entry.options:
            if not option.startswith("-"):
                table.wrong("options", f'"{option}" is no option', '"-n", "--lines=*" or "-n *"')
        _first_arguments(table, entry)
        table.finish()
        found.append(entry)
    return tuple(found)


def _first_arguments(table: Table, entry: CommandEntry) -> None:
    """An option that stands for a program's first argument makes that one a file."""
    for program in entry.programs if entry.arguments else ():
        for option in _STANDS_FIRST.get(program.rpartition("/")[2], ()):
            for pattern in entry.options:
                listed = re.split("[ =]", pattern, maxsplit=1)[0]
                short = listed[2:] and listed.startswith("--") and option.startswith(listed)
                if short or fnmatchcase(option, listed):  # programs know options by their begin
                    table.wrong(
                        "options",
                        f'"{pattern}" takes the place of the first argument of {program}, which'
                        " is a file then",
                        "another entry for it, without arguments",
                    )


#: Options of programs whose first argument they stand for: patterns and scripts.
_STANDS_FIRST: Final = {
    **dict.fromkeys(("grep", "egrep", "fgrep", "zgrep", "rg"), ("-e", "-f", "--regexp", "--file")),
    "sed": ("-e", "-f", "--expression", "--file"),
    **dict.fromkeys(("awk", "gawk", "mawk", "jq"), ("-f", "--file", "--from-file")),
}


def canonical(entries: tuple[CommandEntry, ...]) -> tuple[str, ...]:
    """Canonical JSON of each entry, for the digest of a policy."""
    plain = []
    for entry in entries:
        fields = dataclasses.asdict(entry)
        fields = {k: sorted(v) if isinstance(v, frozenset) else v for k, v in fields.items()}
        plain.append(json.dumps(fields, sort_keys=True, separators=(",", ":")))
    return tuple(plain)
