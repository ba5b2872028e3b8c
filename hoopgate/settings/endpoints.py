"""Twisted's endpoint strings, checked without opening anything."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

from twisted.internet.endpoints import clientFromString, serverFromString

from hoopgate.settings.reader import Table

_SERVERS = ("tcp", "tcp6", "unix", "systemd")
_CLIENTS = ("tcp", "unix")
#: Bytes of a unix socket's path (unix(7), less the final NUL).
_LONGEST_PATH = 107
_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")
_HOST_AND_PORT = re.compile(r"(?:\[(?P<address>[^]]+)\]|(?P<host>[^:=\[\]]+)):(?P<port>[0-9]+)")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The parts of an endpoint string: ``kind:argument:…:keyword=value:…``."""

    kind: str
    arguments: tuple[str, ...] = ()
    keywords: dict[str, str] = field(default_factory=dict)

    def part(self, index: int, keyword: str, default: str = "") -> str:
        """A part that may be given by position or by keyword."""
        if keyword in self.keywords:
            return self.keywords[keyword]
        return self.arguments[index] if index < len(self.arguments) else default


def split(description: str) -> Endpoint:
    """Take an endpoint string apart: ``:`` and ``=`` separate, a backslash takes one literally."""
    parts: list[list[str]] = [[""]]
    characters = iter(description)
    for character in characters:
        if character == ":":
            parts.append([""])
        elif character == "=" and len(parts[-1]) == 1:
            parts[-1].append("")
        else:
            parts[-1][-1] += next(characters, "") if character == "\\" else character
    first, *rest = parts
    return Endpoint(
        first[0],
        tuple(part[0] for part in rest if len(part) == 1),
        {part[0]: part[1] for part in rest if len(part) == 2},
    )


def is_loopback(host: str) -> bool:
    """True for ``localhost`` and the loopback addresses; no name is looked up."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def listens_locally(description: str) -> bool:
    """True when only this machine can reach a server endpoint (loopback, unix socket)."""
    endpoint = split(description)
    if endpoint.kind == "systemd":
        return endpoint.keywords.get("domain", "").upper() == "UNIX"
    return endpoint.kind == "unix" or is_loopback(endpoint.part(1, "interface"))


def is_host(host: str) -> bool:
    """True for an IP address, and for what may be a host's name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        # Digits and dots alone are an address that is none.
        return _NAME.fullmatch(host) is not None and not host.replace(".", "").isdigit()
    return True


def clash(one: str, other: str) -> bool:
    """True when two server endpoints would listen at the same place."""
    first, second = split(one), split(other)
    if first.kind != second.kind or first.kind not in ("tcp", "tcp6"):
        return one == other
    port = first.part(0, "port")
    if port != second.part(0, "port") or port == "0":  # 0: the system chooses
        return False
    interfaces = {each.part(1, "interface") or _ANY[each.kind] for each in (first, second)}
    return len(interfaces) == 1 or _ANY[first.kind] in interfaces


_ANY = {"tcp": "0.0.0.0", "tcp6": "::"}  # noqa: S104 - to compare with


def server(table: Table, name: str, example: str) -> str:
    """A server endpoint string."""
    description = table.text(name, example=example)
    if not description:
        return ""
    endpoint = split(description)
    if endpoint.kind in ("ssl", "tls"):
        table.wrong(
            name, f"{endpoint.kind}: encrypts below the protocol", f"{example} and tls = {{…}}"
        )
    elif endpoint.kind not in _SERVERS:
        table.wrong(name, f'"{description}" is no endpoint known here', f"{', '.join(_SERVERS)}:…")
    elif endpoint.kind == "systemd":
        # Twisted would look for the socket itself, which only a unit's own process has.
        index = endpoint.keywords.get("index")
        if endpoint.keywords.get("domain", "").upper() not in ("INET", "INET6", "UNIX") or (
            "name" not in endpoint.keywords and not (index or "").isdigit()
        ):
            table.wrong(name, "domain and index are needed", '"systemd:domain=INET:index=0"')
    elif _try(table, name, description, serverFromString, example):
        _check_place(table, name, endpoint)
    return description


def _check_place(table: Table, name: str, endpoint: Endpoint) -> None:
    if endpoint.kind == "unix":
        if len(endpoint.part(0, "address").encode()) > _LONGEST_PATH:
            table.wrong(name, "the path is too long", f"one of {_LONGEST_PATH} bytes at most")
        return
    port, interface = endpoint.part(0, "port"), endpoint.part(1, "interface")
    if not 0 <= int(port) < 65536:
        table.wrong(name, f"{port} is no port", "a port from 1 to 65535")
    if interface and not is_host(interface):
        table.wrong(name, f'"{interface}" is no address of this machine', '"interface=127.0.0.1"')


def client(table: Table, name: str, example: str) -> tuple[str, str]:
    """A client endpoint string, also as plain ``host:port``.

    :return: the endpoint string and its host (empty for a unix socket).
    """
    text = table.text(name, example=example)
    if not text:
        return "", ""
    endpoint = split(text)
    plain = _HOST_AND_PORT.fullmatch(text)
    if plain is not None and endpoint.kind not in _CLIENTS:
        host = (plain["address"] or plain["host"]).replace(":", "\\:")
        text = f"tcp:host={host}:port={plain['port']}"
        endpoint = split(text)
    if endpoint.kind in ("ssl", "tls"):
        table.wrong(name, "TLS to a backend is set by its tls table", f"{example} and tls = {{…}}")
        return text, ""
    if endpoint.kind not in _CLIENTS:
        table.wrong(name, f'"{text}" is no address', example)
        return text, ""
    _try(table, name, text, clientFromString, example)
    host = endpoint.part(0, "host") if endpoint.kind == "tcp" else ""
    port = endpoint.part(1, "port")
    if endpoint.kind == "tcp" and not (
        is_host(host) and port.isdecimal() and 0 < int(port) < 65536
    ):
        table.wrong(name, f'"{text}" has no host, or no port from 1 to 65535', example)
    return text, host


def _try(table: Table, name: str, description: str, parse: object, example: str) -> bool:
    assert callable(parse)
    try:
        # The reactor is only kept by the endpoint until it is opened, which nobody does here.
        parse(object(), description)
    except (ValueError, TypeError, KeyError, IndexError):
        table.wrong(name, f'"{description}" is no endpoint string', example)
        return False
    return True
