"""``hoopgate.toml`` → :class:`Settings`. All mistakes of a file are reported at once.

``docs/settings.md`` explains every key. The names of numbers carry no unit in the file, see
:meth:`hoopgate.settings.reader.Table.bounds`.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path

from hoopgate.errors import SettingsError
from hoopgate.settings import endpoints, material
from hoopgate.settings.console import console
from hoopgate.settings.directory import directory
from hoopgate.settings.exchange import exchange
from hoopgate.settings.issuers import issuers
from hoopgate.settings.listeners import listeners
from hoopgate.settings.model import FileDirectory, Limits, Node, Policy, Settings, Witness
from hoopgate.settings.notifications import notifications
from hoopgate.settings.policy import policy
from hoopgate.settings.reader import Problems, Table
from hoopgate.settings.resources import resources
from hoopgate.settings.streams import streams
from hoopgate.settings.units import show_size
from hoopgate.settings.witness import recording, witness

#: Of limits: what it takes at least to work, and at most.
_SIZES = {
    "startup": (512, 2**20),
    "token": (1024, 2**24),
    "message": (1024, 2**30),
    "response_message": (1024, 2**30),
    "held": (1024, 2**30),
    "statement": (64, 2**30),
}


def load(path: Path) -> Settings:
    """Read and validate the settings file.

    :raises SettingsError: with a line for every mistake.
    """
    return _load(path, check=True)


def load_policy(path: Path) -> Policy:
    """Read only what a running node can take up: rules, packs, labels, guards.

    Certificates and secrets are not looked at: after start-up the node may have dropped the right
    to read them.

    :raises SettingsError: something in the file is wrong; the policy in force stays.
    """
    return _load(path, check=False).policy


def load_unchecked(path: Path) -> Settings:
    """Read the whole file as a child of a running node does: certificates and secrets are not
    looked at, which it may have no right to.

    :raises SettingsError: something in the file is wrong.
    """
    return _load(path, check=False)


def needs_restart(running: Settings) -> tuple[str, ...]:
    """Sections of the file on disk that differ from the running ones and are not taken up.

    :raises SettingsError: as :func:`load_policy`.
    """
    now = _load(running.path, check=False)
    sections = [field.name for field in dataclasses.fields(Settings) if field.name != "policy"]
    return tuple(one for one in sections if getattr(now, one) != getattr(running, one))


def _load(path: Path, *, check: bool) -> Settings:
    path = path.absolute()
    problems = Problems(path)
    root = Table(_parse(path), "", problems)
    node = _node(root.table("node"), check)
    groups = directory(root.table("directory"), check)
    accepted = tuple(issuers(root, check))
    backends = {one.name: one for one in resources(root, check)}
    served = tuple(listeners(root, backends, accepted, check))
    settings = Settings(
        path=path,
        node=node,
        listeners=served,
        issuers=accepted,
        directory=groups,
        resources=backends,
        policy=policy(
            root,
            backends,
            {issuer.name: issuer.url for issuer in accepted},
            frozenset(groups.members) if isinstance(groups, FileDirectory) else None,
        ),
        recording=recording(root.table("recording"), node, check),
        limits=_limits(root.table("limits")),
        embedded_issuer=_embedded_issuer(root.table("embedded_issuer"), check)
        if "embedded_issuer" in root
        else None,
        console=console(root.table("console"), accepted, check) if "console" in root else None,
        exchange=exchange(root.table("exchange"), served, check) if "exchange" in root else None,
        witness=witness(root.table("witness"), check) if "witness" in root else None,
        notifications=notifications(root.tables("notifications"), check),
        streams=tuple(streams(root, check)),
    )
    root.finish()
    _check_places(problems, settings)
    if problems.lines:
        raise SettingsError(problems.lines)
    return settings


def _check_places(problems: Problems, settings: Settings) -> None:
    """Two listeners cannot have one port."""
    places = [
        (f"listeners[{at}].endpoint", one.endpoint) for at, one in enumerate(settings.listeners)
    ]
    places.append(("node.metrics", settings.node.metrics or ""))
    for key, page in (
        ("console", settings.console),
        ("exchange", settings.exchange),
        ("witness", settings.witness),
    ):
        places.append((f"{key}.endpoint", page.endpoint if page is not None else ""))
    for at, (key, endpoint) in enumerate(places):
        for other, earlier in places[:at]:
            if endpoint and earlier and endpoints.clash(earlier, endpoint):
                problems.add(key, f"{other} listens there", "another port, or another address")


def load_witness(path: Path, *, check: bool = True) -> Witness:
    """The table ``[witness]`` of a file that may have others, too.

    :raises SettingsError: every mistake in it.
    """
    path = path.absolute()
    problems = Problems(path)
    root = Table(_parse(path), "", problems)
    found = witness(root.table("witness"), check)
    if problems.lines:
        raise SettingsError(problems.lines)
    return found


def _parse(path: Path) -> Mapping[str, object]:
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        raise SettingsError([f"{path}: no such file; write the path of a hoopgate.toml"]) from None
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror}; write a file that can be read"]) from None
    except UnicodeDecodeError:
        raise SettingsError([f"{path}: not UTF-8; write TOML, which is UTF-8"]) from None
    if text.startswith("\ufeff"):
        raise SettingsError([f"{path}: begins with a byte order mark; write UTF-8 without one"])
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise SettingsError([f"{path}: lists or tables too deep; write fewer levels"]) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{path}: not TOML: {error}; write TOML 1.0"]) from None


def _node(table: Table, check: bool) -> Node:
    metrics = None
    if "metrics" in table:
        example = '"tcp:9187:interface=127.0.0.1"'
        metrics = endpoints.server(table, "metrics", example)
        if metrics and not endpoints.listens_locally(metrics):
            table.wrong("metrics", "reachable from other machines", example)
    node = Node(
        name=table.text("name", example='"gw-1.example.org"'),
        state_dir=table.path("state_dir", example='"/var/lib/hoopgate"'),
        metrics=metrics,
        **table.bounds(Node),
    )
    if check and "state_dir" in table:
        material.directory(table, "state_dir", node.state_dir)
    table.finish()
    return node


def _limits(table: Table) -> Limits:
    found = Limits(**table.bounds(Limits))
    for name, (least, most) in _SIZES.items():
        size = getattr(found, f"{name}_bytes")
        if size < least:
            table.wrong(f"{name}_size", "no client could work with it", f'"{show_size(least)}"')
        elif size > most:
            table.wrong(f"{name}_size", "no protocol sends as much", f'"{show_size(most)}" or less')
    table.finish()
    return found


def _embedded_issuer(table: Table, check: bool) -> Path:
    path = table.path("file", example='"issuer.toml"')
    if check:
        material.read(table, "file", path, "the issuer's settings")
    table.finish()
    return path
